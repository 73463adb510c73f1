const narrow = (id) => {
  const words = document.querySelector(`[data-filter="${id}"]`).value.toLowerCase().split(/\s+/);
  const only = document.querySelector(`[data-only="${id}"]`);
  for (const row of document.querySelectorAll(`#${id} tbody tr`)) {
    const text = row.textContent.toLowerCase();
    const fits = words.every((word) => text.includes(word)) && !(only?.checked && !row.classList.contains("stopped"));
    row.classList.toggle("hidden", !fits);
  }
};
for (const field of document.querySelectorAll("[data-filter], [data-only]")) {
  field.addEventListener("input", () => narrow(field.dataset.filter ?? field.dataset.only));
}
