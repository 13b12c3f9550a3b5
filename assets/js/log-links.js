// Links to lines: #L71 and ranges #L71-L80. A link into a fold opens it; one into a gap loads what is there.
let log, lines, build, blockLines = 500;

export function startLinks(element, builder) {
  log = element; lines = log.querySelector(".lines"); build = builder;
  lines.addEventListener("click", (e) => {
    const number = e.target.closest('a[href^="#L"]');
    if (!number) return;
    e.preventDefault();
    const first = /^#L(\d+)/.exec(location.hash), hash = number.getAttribute("href");
    const range = e.shiftKey && first ? order(Number(first[1]), Number(hash.slice(2))) : hash;
    history.replaceState(null, "", location.search + range);
    mark();
  });
  addEventListener("hashchange", jump);
  jump();
}
const order = (a, b) => a === b ? `#L${a}` : `#L${Math.min(a, b)}-L${Math.max(a, b)}`;

function mark() {
  for (const el of lines.querySelectorAll(".ln-hit")) el.classList.remove("ln-hit");
  const m = /^#L(\d+)(?:-L(\d+))?$/.exec(location.hash);
  if (!m) return null;
  const from = Number(m[1]), to = Math.min(Number(m[2] || m[1]), from + 5000);
  for (let n = from; n <= to; n++) document.getElementById("L" + n)?.classList.add("ln-hit");
  return from;
}
async function jump() {
  const m = /^#L(\d+)/.exec(location.hash);
  if (m) { await reach(Number(m[1])); mark(); }
}
export async function goTo(line) {
  history.replaceState(null, "", `${location.search}#L${line}`);
  await reach(line);
  mark();
}
async function reach(line) {
  let el = document.getElementById("L" + line);
  if (!el) {
    const gap = [...lines.querySelectorAll(".gap")].find((g) => Number(g.dataset.from) <= line && line <= Number(g.dataset.to));
    if (gap) await fillGap(gap, line);
    el = document.getElementById("L" + line);
  }
  if (!el) return;
  for (let p = el.parentElement; p && p !== lines; p = p.parentElement) if (p.nodeName === "DETAILS") p.open = true;
  el.scrollIntoView({ block: "center" });
}

// fillGap loads a block of what a gap stands for: its beginning, or the surroundings of a line.
export async function fillGap(gap, line) {
  const from = Number(gap.dataset.from), to = Number(gap.dataset.to);
  const first = line ? Math.max(from, Math.min(line - blockLines / 2, to - blockLines + 1)) : from;
  const last = Math.min(first + blockLines - 1, to);
  const res = await fetch(`${log.dataset.url}?attempt=${log.dataset.attempt}&from=${first}&to=${last}`);
  if (!res.ok) return;
  const { html } = await res.json();
  const t = document.createElement("template");
  t.innerHTML = html;
  const parts = [];
  if (first > from) parts.push(gapOf(gap, from, first - 1));
  parts.push(t.content);
  if (last < to) parts.push(gapOf(gap, last + 1, to));
  gap.replaceWith(...parts);
}
function gapOf(gap, from, to) {
  const g = gap.cloneNode(true);
  g.dataset.from = from; g.dataset.to = to;
  const show = (n) => n.toLocaleString("en");
  g.querySelector("span").textContent = `${show(to - from + 1)} lines are left out here: ${show(from)} to ${show(to)}.`;
  g.querySelector("a").textContent = `Show ${show(from)} to ${show(Math.min(from + blockLines - 1, to))}`;
  g.querySelector("a").href = `?line=${from + blockLines / 2}#L${from}`;
  return g;
}
