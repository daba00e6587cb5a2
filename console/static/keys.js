// Keyboard: / to the filter, j and k over rows, Enter opens, r retries after asking, ? helps.
const typing = (element) => element.closest("input, textarea, select, dialog[open]") !== null;
const rows = () => [...document.querySelectorAll("[data-rows] tbody tr[data-href]")];

function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at"));
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
  all[at]?.classList.remove("at");
  all[next].classList.add("at");
  all[next].querySelector("a.open")?.focus({ preventScroll: true });
  all[next].scrollIntoView({ block: "nearest" });
}

function retry() {
  const at = document.querySelector("tr.at");
  (at ?? document).querySelector("[data-key=r]")?.click();
}

const KEYS = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  r: retry,
  "?": () => document.getElementById("help")?.showModal(),
};

export function keyboard() {
  for (const button of document.querySelectorAll("[data-help]")) {
    button.hidden = false;
    button.addEventListener("click", KEYS["?"]);
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const row = event.key === "Enter" && event.target === document.body && document.querySelector("tr.at");
    if (row) location.assign(row.dataset.href);
    const action = KEYS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
