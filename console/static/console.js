// The one module pages load: times in the viewer's zone, copy buttons, keyboard, questions before actions, live parts.
import { localTimes } from "./time.js";
import { copyButtons } from "./copy.js";
import { keyboard } from "./keys.js";
import { questions } from "./ask.js";
import { live } from "./live.js";

localTimes(document);
copyButtons(document);
keyboard();
questions();
live();
