// Every page: keeps itself fresh, keeps its times right, and knows its keys. All of it works without this too, by reload.
import { connect, listen } from "./live.js";
import { morph } from "./morph.js";
import { serverTime, stopAt, tick } from "./times.js";
import { startKeys } from "./keys.js";
import { startPalette } from "./palette.js";

const root = document.documentElement;
const note = document.getElementById("notlive");
const badge = document.getElementById("live");

// ---- fresh: look the page up again when something that it shows has changed
let due = 0, busy = false, again = false;

function concerns(change) {
  const keys = (document.getElementById("main").dataset.live || "").split(" ");
  if (change.kind === "log") return false;
  if (change.kind === "queue") return true; // whatever waits may wait for it
  return keys.some((k) => {
    const [kind, id] = k.split(":");
    return kind === "all" || id && String(change[kind] || 0) === id;
  });
}
function soon(ms = 250) {
  if (busy) { again = true; return; }
  if (!due) due = setTimeout(refresh, ms);
}
export async function refresh() {
  clearTimeout(due); due = 0; busy = true;
  const started = performance.now();
  const slow = setTimeout(() => root.classList.add("slow"), 300);
  try {
    const res = await fetch(location.pathname + location.search, { headers: { "X-Fragment": "main" }, cache: "no-store" });
    if (res.status === 401) { location.reload(); return; }
    if (res.ok && !res.redirected) show(await res.text(), res.headers);
  } catch { /* the connection is gone: the note says so, and we come back */ }
  finally {
    clearTimeout(slow); root.classList.remove("slow"); busy = false;
    if (again) { again = false; soon(Math.max(400, 2 * (performance.now() - started))); }
  }
}
function show(html, headers) {
  const next = new DOMParser().parseFromString(html, "text/html").getElementById("main");
  if (!next) return;
  morph(document.getElementById("main"), next);
  const title = headers.get("X-Title"), icon = headers.get("X-Icon");
  if (title) document.title = decodeURIComponent(title);
  if (icon) document.querySelector("link[rel=icon]").href = icon;
  clockFrom(headers.get("X-Time"));
  prepare(); tick();
  document.dispatchEvent(new CustomEvent("headrace:fresh"));
}
function clockFrom(ms) { if (ms) serverTime(Number(ms)); }

listen((m) => {
  if ("live" in m) heard(m);
  if (m.resync || m.changes && m.changes.some(concerns)) soon(m.resync ? 0 : 250);
});
function heard({ live, since }) {
  stopAt(live ? 0 : since);
  badge?.classList.toggle("off", !live);
  if (badge) badge.querySelector("span").textContent = live ? "Live" : "Trying again";
  if (!note) return;
  note.hidden = live;
  if (!live) note.querySelector("b").textContent = `Not live since ${new Date(since).toTimeString().slice(0, 5)}.`;
}
note?.querySelector("button").addEventListener("click", () => dispatchEvent(new Event("headrace:again")));

// ---- small help
function prepare() {
  for (const b of document.querySelectorAll("[data-copy]")) b.hidden = false;
  for (const b of document.querySelectorAll("[data-script]")) b.hidden = false;
}
document.addEventListener("click", async (e) => {
  const copy = e.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.parentElement.querySelector("code").textContent);
    const word = copy.querySelector("span");
    word.textContent = "Copied";
    setTimeout(() => { word.textContent = "Copy"; }, 2000);
  }
  if (e.target.closest("[data-dismiss]")) e.target.closest(".toast").remove();
});
const toast = document.querySelector(".toast");
if (toast) {
  let gone = setTimeout(() => toast.remove(), 6000);
  for (const [on, off] of [["mouseenter", "mouseleave"], ["focusin", "focusout"]]) {
    toast.addEventListener(on, () => clearTimeout(gone));
    toast.addEventListener(off, () => { gone = setTimeout(() => toast.remove(), 6000); });
  }
}
// A filter that finds while one types: the form alone works with Enter.
const filter = document.querySelector("form[data-filter]");
if (filter) {
  let timer = 0;
  filter.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      history.replaceState(null, "", "?" + new URLSearchParams(new FormData(filter)));
      refresh();
    }, 200);
  });
  filter.addEventListener("submit", (e) => e.preventDefault());
}
// The name of a new repository follows from its address until someone writes another.
const address = document.querySelector("[data-names]");
if (address) {
  const name = document.getElementById(address.dataset.names);
  let own = name.value !== "";
  name.addEventListener("input", () => { own = name.value !== ""; });
  address.addEventListener("input", () => {
    const parts = address.value.trim().replace(/[?#].*$/, "").replace(/\/+$/, "").replace(/\.git$/, "").split(/[/:]/).filter(Boolean);
    if (!own && parts.length > 1) name.value = parts.slice(-2).join("/").replace(/[^A-Za-z0-9._/-]+/g, "-");
  });
}
for (const el of document.querySelectorAll("[data-scroll] .now, [data-scroll] .run")) el.parentElement.scrollLeft = el.offsetLeft - 40;

prepare();
clockFrom(root.dataset.time);
tick();
if (root.dataset.events && document.getElementById("main").dataset.live) connect({ url: root.dataset.events, worker: root.dataset.worker });
startKeys(root.dataset.keys !== "off");
startPalette();
