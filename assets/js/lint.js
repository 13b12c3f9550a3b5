// The page that checks a .travis.yml: checks while it is typed. Without this there is a button.
import { morph } from "./morph.js";

const form = document.getElementById("lint"), text = form.elements.config;
let timer = 0, asked = 0;

form.querySelector("[data-no-script]").hidden = true;

async function check() {
  const mine = ++asked;
  try {
    const res = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { "X-Fragment": "main" } });
    if (res.status === 401) { location.reload(); return; }
    const html = await res.text();
    if (mine !== asked || !res.ok) return;
    const next = new DOMParser().parseFromString(html, "text/html").getElementById("lint-result");
    if (next) morph(document.getElementById("lint-result"), next);
  } catch { /* the next key asks again */ }
}
form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(check, 250); });
form.addEventListener("submit", (e) => { e.preventDefault(); check(); });
// Tab indents, as in an editor; Escape first lets it leave the field, as everywhere.
let leave = false;
text.addEventListener("keydown", (e) => {
  if (e.key === "Escape") { leave = true; return; }
  if (e.key === "Tab" && !leave && !e.shiftKey) {
    e.preventDefault();
    text.setRangeText("  ", text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  }
  leave = false;
});
