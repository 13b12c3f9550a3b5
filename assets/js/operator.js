// The operator's pages: looked up again every few seconds, in place. They must work while everything else is away.
import { morph } from "./morph.js";
import { serverTime, stopAt, tick } from "./times.js";

const main = document.getElementById("main"), note = document.getElementById("notlive");
let since = 0, timer = 0;

async function look() {
  clearTimeout(timer);
  try {
    const res = await fetch(location.pathname + location.search, { headers: { "X-Fragment": "main" }, cache: "no-store" });
    if (res.status === 401) { location.reload(); return; }
    if (!res.ok) throw new Error(String(res.status));
    serverTime(Number(res.headers.get("X-Time")));
    document.title = decodeURIComponent(res.headers.get("X-Title"));
    morph(main, new DOMParser().parseFromString(await res.text(), "text/html").getElementById("main"));
    since = 0;
  } catch { since ||= Date.now(); }
  stopAt(since);
  note.hidden = !since;
  if (since) note.querySelector("b").textContent = `Not live since ${new Date(since).toTimeString().slice(0, 5)}.`;
  prepare(); tick();
  timer = setTimeout(look, 4000);
}
function prepare() { for (const b of document.querySelectorAll("[data-copy]")) b.hidden = false; }
document.addEventListener("click", async (e) => {
  const copy = e.target.closest("[data-copy]");
  if (!copy) return;
  await navigator.clipboard.writeText(copy.parentElement.querySelector("code").textContent);
  copy.querySelector("span").textContent = "Copied";
  setTimeout(() => { copy.querySelector("span").textContent = "Copy"; }, 2000);
});
note?.querySelector("button").addEventListener("click", look);

serverTime(Number(document.documentElement.dataset.time));
prepare();
if (main.dataset.live) timer = setTimeout(look, 4000);
