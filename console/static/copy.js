// Copy buttons: they appear only where the browser lets a page write to the clipboard.
export function copyButtons(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy]");
  if (!button) return;
  const said = document.getElementById("live");
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("done");
    said.textContent = "Copied";
    setTimeout(() => button.classList.remove("done"), 1500);
  } catch {
    said.textContent = "The browser refused to copy";
  }
});
