// The log of a job: goes on by itself, follows, folds, finds. Lines are fetched when a hint says that there are more,
// in short requests, so that any number of tabs shares the few connections a browser has.
import { listen } from "./live.js";
import { onKey } from "./keys.js";
import { startFind, findAgain } from "./log-find.js";
import { goTo, fillGap, startLinks } from "./log-links.js";

const log = document.querySelector(".joblog"), lines = log.querySelector(".lines");
const perBlock = 500, mostBlocks = 40;
let cursor = log.dataset.cursor, closed = log.dataset.closed === "true";
let busy = false, again = false, timer = 0, last = 0;

// ---- placing lines
const openFolds = () => [...lines.querySelectorAll("details[data-unended]")];
let folds = openFolds();

function place(node) {
  const box = folds.at(-1) || lines;
  let block = box.lastElementChild;
  if (!block?.classList.contains("blk") || block.childElementCount >= perBlock) {
    block = document.createElement("div");
    block.className = "blk";
    box.append(block);
  }
  block.append(node);
}
function build(html) {
  const t = document.createElement("template");
  t.innerHTML = html;
  return t.content.firstElementChild;
}
function endFold(name) {
  const at = folds.findLastIndex((f) => f.dataset.fold === name);
  if (at < 0) return;
  for (const fold of folds.splice(at)) {
    fold.removeAttribute("data-unended");
    const bad = fold.querySelector(".ln-bad");
    if (follow && !bad && !fold.dataset.jsLong) fold.open = false;
  }
}
const draw = {
  line: (op) => place(build(op.html)),
  gap: (op) => { folds = []; place(build(op.html)); },
  fold: (op) => { const f = build(op.html); f.setAttribute("data-unended", ""); place(f); folds.push(f); },
  took: (op) => {
    const fold = folds.at(-1);
    if (!fold) return;
    fold.querySelector("em").textContent = op.took;
    if (op.keep) fold.dataset.jsLong = "1";
  },
  end: (op) => endFold(op.fold),
};
function trim() {
  const blocks = [...lines.children].filter((c) => c.classList.contains("blk"));
  if (blocks.length <= mostBlocks) return;
  const first = blocks[2], ids = [...first.querySelectorAll("[id^=L]")].map((l) => Number(l.id.slice(1)));
  const from = ids[0], to = ids.at(-1);
  const before = first.previousElementSibling;
  first.remove();
  if (before?.classList.contains("gap") && Number(before.dataset.to) === from - 1) before.dataset.to = to;
  else before.after(build(`<p class="gap" data-from="${from}" data-to="${to}"><span></span> <a class="a" href="?line=${from}">Show them</a></p>`));
  const gap = before.classList.contains("gap") ? before : before.nextElementSibling;
  gap.querySelector("span").textContent = `${to - Number(gap.dataset.from) + 1} lines are left out here.`;
}

// ---- going on
async function pull() {
  clearTimeout(timer); timer = 0;
  if (closed) return;
  if (busy) { again = true; return; }
  busy = true; last = Date.now();
  let more = false;
  try {
    const res = await fetch(`${log.dataset.url}?cursor=${encodeURIComponent(cursor)}`, { cache: "no-store" });
    if (res.ok) more = take(await res.json());
  } catch { /* the note of the page says that the connection is gone; the next hint or the clock asks again */ }
  busy = false;
  if (more) pull();
  else if (again) { again = false; soon(); }
}
function take(data) {
  document.getElementById("open-line")?.remove();
  for (const op of data.ops) draw[op.do](op);
  if (data.open) place(build(data.open));
  cursor = data.cursor;
  for (const el of document.querySelectorAll("[data-size]")) el.textContent = data.size;
  count();
  trim();
  if (data.ops.length || data.open) { if (follow) toEnd(); else news(data.ops.length); }
  if (data.closed && !data.more) {
    closed = true;
    log.dataset.closed = "true";
    document.getElementById("said").textContent = "The log is complete.";
  }
  findAgain();
  return data.more;
}
function soon() { if (!timer) timer = setTimeout(pull, Math.max(0, 150 - (Date.now() - last))); }
listen((m) => {
  const job = Number(log.dataset.job);
  if (m.resync || m.changes?.some((c) => c.job === job && (c.kind === "log" || c.kind === "job"))) soon();
});
setInterval(() => { if (!closed && Date.now() - last > 8000) pull(); }, 4000);

// A restarted job has another log: begin again with that.
document.addEventListener("headrace:fresh", () => { if (document.querySelector(".joblog") !== log) location.reload(); });

// ---- following
const button = log.querySelector("[data-follow]");
let follow = false, unseen = 0, own = 0;
function atEnd() { return innerHeight + scrollY >= document.documentElement.scrollHeight - 60; }
function toEnd() { own = Date.now(); scrollTo(0, document.documentElement.scrollHeight); }
function setFollow(on) {
  follow = on; unseen = on ? 0 : unseen;
  button.setAttribute("aria-pressed", String(on));
  button.querySelector("span").textContent = on ? "Following" : unseen ? `Follow, ${unseen} new` : "Follow";
}
function news(n) { unseen += n; setFollow(false); }
addEventListener("scroll", () => {
  if (Date.now() - own < 120) return;
  if (atEnd() !== follow && !closed) setFollow(atEnd());
}, { passive: true });
button.addEventListener("click", () => { setFollow(!follow); if (follow) toEnd(); });

// ---- tools
const badLines = () => [...lines.querySelectorAll(".ln-bad")];
const errors = log.querySelector("[data-errors]");
function count() {
  const n = badLines().length;
  errors.hidden = n === 0;
  errors.querySelector("span").textContent = n === 1 ? "1 error" : `${n} errors`;
}
let atBad = -1;
function nextBad(step) {
  const all = badLines();
  if (!all.length) return;
  atBad = (atBad + step + all.length) % all.length;
  setFollow(false);
  goTo(Number(all[atBad].id.slice(1)));
}
function foldAll(open) { for (const f of lines.querySelectorAll("details.fold")) f.open = open; }
function toggle(name) {
  const off = log.classList.toggle("no-" + name);
  log.querySelector(`[data-toggle=${name}]`).setAttribute("aria-pressed", String(!off));
  try { localStorage.setItem("log-no-" + name, off ? "1" : ""); } catch { /* private mode: only for this page */ }
}
errors.addEventListener("click", (e) => { e.preventDefault(); nextBad(1); });
log.querySelector("[data-fold-all]").addEventListener("click", () => foldAll(!lines.querySelector("details.fold[open]")));
for (const name of ["times", "wrap"]) {
  log.querySelector(`[data-toggle=${name}]`).addEventListener("click", () => toggle(name));
  try { if (localStorage.getItem("log-no-" + name)) toggle(name); } catch { /* as above */ }
}
lines.addEventListener("click", (e) => {
  const gap = e.target.closest(".gap a");
  if (gap) { e.preventDefault(); fillGap(gap.closest(".gap")); }
});
onKey("f", () => button.click());
onKey("e", () => nextBad(1));
onKey("E", () => nextBad(-1));
onKey("[", () => foldAll(false));
onKey("]", () => foldAll(true));
onKey("t", () => toggle("times"));
onKey("w", () => toggle("wrap"));

for (const el of log.querySelectorAll("[data-script]")) el.hidden = false;
startFind(log, goTo);
startLinks(log, build, draw);
count();
if (!closed) {
  pull();
  if (!location.hash && document.documentElement.scrollHeight > innerHeight + 200) { setFollow(true); toEnd(); } else setFollow(atEnd());
}
