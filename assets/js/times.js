// Relative times and running clocks. They stop while the page is not live, so that they do not lie.
let stopped = 0, skew = 0;

export function serverTime(ms) { skew = ms - Date.now(); }
export function stopAt(ms) { stopped = ms; }
const now = () => (stopped || Date.now()) + skew;

function ago(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 10) return "just now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return "";
}
function length(ms) {
  const s = Math.max(0, Math.floor(ms / 1000)), pad = (n) => String(n).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)}m ${pad(s % 60)}s`;
  return `${Math.floor(s / 3600)}h ${pad(Math.floor(s / 60) % 60)}m`;
}
function put(el, text) { if (text && el.textContent !== text) el.textContent = text; }

export function tick() {
  for (const el of document.querySelectorAll("time[data-ago]")) put(el, ago(now() - Date.parse(el.dateTime)));
  for (const el of document.querySelectorAll("[data-since]")) {
    const ms = now() - Date.parse(el.dataset.since);
    if (el.nodeName === "PROGRESS") el.value = ms / 1000;
    else put(el, length(ms));
  }
}
setInterval(tick, 1000);
