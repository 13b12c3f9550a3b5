// Single keys. They are off in fields, and off altogether where the account says so.
const handlers = new Map();
export function onKey(key, fn) { handlers.set(key, fn); }

const go = (path) => () => { location.href = path; };
let before = "";

export function startKeys(on) {
  document.addEventListener("keydown", (e) => {
    const field = e.target.closest?.("input, textarea, select, [contenteditable]");
    if (e.key === "Escape" && field) { field.blur(); return; }
    if (!on || field || e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
    const key = before === "g" ? "g " + e.key : e.key;
    before = before === "g" ? "" : e.key;
    const fn = handlers.get(key);
    if (fn) { e.preventDefault(); fn(e); }
  });
  onKey("g h", go("/"));
  onKey("?", () => document.getElementById("keys")?.showModal());
  onKey("/", () => document.querySelector("[data-search]")?.focus());
  onKey("j", () => row(1));
  onKey("k", () => row(-1));
  onKey("r", () => document.querySelector("[data-act=restart]")?.click());
  onKey("c", ask);
  onKey("y", copyLink);
  document.addEventListener("click", (e) => { if (e.target.closest("[data-close]")) e.target.closest("dialog").close(); });
  matrixArrows();
}

function row(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(Math.max(at + step, 0), rows.length - 1)]?.focus();
}

// Cancel by key asks first; the button itself says enough.
function ask() {
  const button = document.querySelector("[data-act=cancel]"), dialog = document.getElementById("ask");
  if (!button || !dialog) return;
  dialog.querySelector("h2").textContent = button.dataset.ask;
  const yes = dialog.querySelector("[data-yes]");
  yes.textContent = button.textContent.trim();
  yes.onclick = () => button.click();
  dialog.showModal();
}

async function copyLink() {
  await navigator.clipboard.writeText(location.href);
  const said = document.getElementById("said");
  if (said) said.textContent = "The link is copied.";
}

// Arrow keys move between the cells of a matrix, which is one stop for Tab.
function matrixArrows() {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  document.addEventListener("keydown", (e) => {
    const cell = e.target.closest?.(".matrix .cell");
    if (!cell || !step[e.key]) return;
    const rows = [...cell.closest("tbody").rows].map((r) => [...r.querySelectorAll("td")]);
    const y = rows.findIndex((r) => r.includes(cell.parentElement)), x = rows[y].indexOf(cell.parentElement);
    const next = rows[y + step[e.key][0]]?.[x + step[e.key][1]]?.querySelector(".cell");
    if (next) { e.preventDefault(); cell.tabIndex = -1; next.tabIndex = 0; next.focus(); }
  });
}
