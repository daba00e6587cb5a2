// Questions: a form with data-ask posts only after its dialog was answered with yes. Without script it posts at once.
const answered = new WeakSet();

function ask(form, button) {
  const dialog = document.getElementById("ask");
  document.getElementById("ask-words").textContent = button?.dataset.ask ?? form.dataset.ask;
  dialog.returnValue = "no";
  dialog.onclose = () => {
    if (dialog.returnValue !== "yes") return;
    answered.add(form);
    form.requestSubmit(button);
  };
  dialog.showModal();
}

export function questions() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (answered.delete(form) || !form.dataset.ask) return;
    event.preventDefault();
    ask(form, event.submitter);
  });
}
