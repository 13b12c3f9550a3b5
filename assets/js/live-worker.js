// One connection per browser: this shared worker holds it and tells every tab what changed.
"use strict";
const ports = new Set();
let source = null, url = "", live = null, since = 0, wait = 1000, last = 0, retry = 0;

function tell(message, only) {
  for (const port of only ? [only] : ports) port.postMessage(message);
}
// With every connection pages look again: what changed after they were made and before we heard is told by nobody.
function state(on) {
  if (live !== on) { live = on; since = Date.now(); }
  tell({ live, since, resync: on });
}
function open() {
  clearTimeout(retry);
  if (source) source.close();
  source = new EventSource(url);
  last = Date.now();
  source.addEventListener("hello", () => { wait = 1000; last = Date.now(); state(true); });
  source.addEventListener("beat", () => { last = Date.now(); });
  source.addEventListener("changes", (e) => { last = Date.now(); tell({ changes: JSON.parse(e.data) }); });
  source.addEventListener("error", lost);
}
function lost() {
  if (source) source.close();
  source = null;
  state(false);
  clearTimeout(retry);
  retry = setTimeout(open, wait);
  wait = Math.min(wait * 2, 15000);
}
// A server says "beat" every 15 s: silence means that the line is cut somewhere.
setInterval(() => { if (source && Date.now() - last > 40000) lost(); }, 5000);

self.addEventListener("connect", (e) => {
  const port = e.ports[0];
  port.addEventListener("message", ({ data }) => {
    if (data.bye) {
      ports.delete(port);
      if (ports.size === 0 && source) { source.close(); source = null; live = null; clearTimeout(retry); }
      return;
    }
    ports.add(port);
    url = data.url;
    if (!source && (!live || data.now)) open();
    else if (live !== null) tell({ live, since, resync: live }, port);
  });
  port.start();
});
