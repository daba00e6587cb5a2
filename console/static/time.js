// Times: the tooltip in the viewer's own zone, relative words that stay true while the page is open.
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "short" });

export function relative(at, now) {
  const gap = (at - now) / 1000;
  const size = Math.abs(gap);
  if (size < 1) return "now";
  const [unit, seconds] = UNITS.find(([, s]) => size >= s);
  const words = `${Math.floor(size / seconds)} ${unit}`;
  return gap > 0 ? `in ${words}` : `${words} ago`;
}

function clock(at, now, form) {
  if (form) return (form === "hour" ? hour : day).format(at);
  const today = at.toDateString() === now.toDateString();
  return today ? hour.format(at) : `${day.format(at)} ${hour.format(at)}`;
}

export function localTimes(root) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    if (element.title) element.title = full.format(at);
    const words = "clock" in element.dataset ? clock(at, now, element.dataset.clock) : relative(at, now);
    if (element.textContent !== words) element.textContent = words;
  }
}

setInterval(() => document.hidden || localTimes(document), 10_000);
