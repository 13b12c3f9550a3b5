// Search in what is shown of a log. Hits are painted by the highlight registry, so the lines stay untouched.
// ":412" goes to line 412.
import { onKey } from "./keys.js";

let field, said, lines, go, hits = [], at = -1, timer = 0;

export function startFind(log, goTo) {
  field = log.querySelector("[data-search]"); said = log.querySelector("[data-found]"); lines = log.querySelector(".lines"); go = goTo;
  field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => { at = -1; find(); if (hits.length) step(1); }, 150); });
  field.addEventListener("keydown", (e) => {
    if (e.key !== "Enter") return;
    e.preventDefault();
    const line = /^:(\d+)$/.exec(field.value.trim());
    if (line) go(Number(line[1]));
    else step(e.shiftKey ? -1 : 1);
  });
  onKey("n", () => step(1));
  onKey("N", () => step(-1));
}
export function findAgain() { if (field?.value) { find(); tell(); } }

function find() {
  hits = [];
  const want = field.value.toLowerCase();
  if (want && !/^:\d*$/.test(want)) {
    for (const code of lines.querySelectorAll(".ln > code, .fold > summary > b")) {
      if (!code.textContent.toLowerCase().includes(want)) continue;
      for (const range of rangesIn(code, want)) hits.push(range);
      if (hits.length > 5000) break;
    }
  }
  if (window.CSS?.highlights) CSS.highlights.set("hit", new Highlight(...hits));
  tell();
}
function rangesIn(code, want) {
  const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT), nodes = [];
  let text = "";
  for (let n = walker.nextNode(); n; n = walker.nextNode()) { nodes.push({ n, from: text.length }); text += n.data; }
  const at = (offset) => { const p = nodes.findLast((x) => x.from <= offset); return [p.n, offset - p.from]; };
  const ranges = [];
  const low = text.toLowerCase();
  for (let i = low.indexOf(want); i >= 0 && low.length === text.length; i = low.indexOf(want, i + want.length)) {
    const range = document.createRange();
    range.setStart(...at(i));
    const [end, offset] = at(i + want.length - 1);
    range.setEnd(end, offset + 1);
    ranges.push(range);
  }
  return ranges;
}
function step(by) {
  if (!hits.length) return;
  at = (at + by + hits.length) % hits.length;
  const line = hits[at].startContainer.parentElement.closest("[id^=L]");
  if (window.CSS?.highlights) CSS.highlights.set("hit-now", new Highlight(hits[at]));
  if (line) go(Number(line.id.slice(1)));
  tell();
}
function tell() {
  if (!field.value || field.value.startsWith(":")) said.textContent = "";
  else said.textContent = hits.length ? `${at + 1} of ${hits.length}` : "none";
}
