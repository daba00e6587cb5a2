// Live parts: a [data-live] element is fetched again and replaced; a [data-newer] button counts what waits above the list.
// Nothing is asked while the page is hidden; after an error the pause doubles, so that a sick console is left in peace.
import { localTimes } from "./time.js";
import { copyButtons } from "./copy.js";

const LONGEST = 120_000;

function every(base, work) {
  let pause = base;
  const turn = async () => {
    if (!document.hidden) {
      try {
        await work();
        pause = base;
      } catch {
        pause = Math.min(pause * 2, LONGEST);
      }
    }
    setTimeout(turn, pause);
  };
  setTimeout(turn, pause);
}

async function get(url) {
  const response = await fetch(url, { headers: { accept: "text/html" }, redirect: "error" });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
}

const busy = (element) => element.matches(":focus-within") || element.querySelector("details[open], :hover > .hit") !== null;

async function refresh(element) {
  if (busy(element)) return;
  const page = new DOMParser().parseFromString(await (await get(location.href)).text(), "text/html");
  const fresh = page.getElementById(element.id);
  if (!fresh || busy(element)) return;
  localTimes(fresh);
  copyButtons(fresh);
  element.replaceChildren(...fresh.childNodes);
}

async function count(button) {
  const { count: waiting, words } = await (await get(button.dataset.newer)).json();
  button.hidden = waiting === 0;
  button.querySelector("span").textContent = words;
  if (waiting) document.getElementById("live").textContent = words;
}

export function live() {
  for (const element of document.querySelectorAll("[data-live]")) every(Number(element.dataset.live) * 1000, () => refresh(element));
  for (const button of document.querySelectorAll("[data-newer]")) {
    button.addEventListener("click", () => location.reload());
    every(5000, () => count(button));
  }
}
