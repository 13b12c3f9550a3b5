// What the server says has changed, and whether we hear it. One connection per browser where shared workers are known,
// else one per page. What is heard is a hint: pages look things up again.
const listeners = new Set();
let port = null, source = null, wait = 1000, status = { live: null, since: 0 };

export function listen(fn) { listeners.add(fn); if (status.live !== null) fn(status); }

function spread(message) {
  if ("live" in message) status = { live: message.live, since: message.since };
  for (const fn of listeners) fn(message);
}

export function connect({ url, worker }) {
  if (window.SharedWorker) {
    port = new SharedWorker(worker, { name: "headrace-live" }).port;
    port.addEventListener("message", (e) => spread(e.data));
    port.start();
    port.postMessage({ url });
    addEventListener("pagehide", () => port.postMessage({ bye: true }));
    addEventListener("pageshow", (e) => { if (e.persisted) { port.postMessage({ url }); spread({ live: true, since: Date.now(), resync: true }); } });
    addEventListener("headrace:again", () => port.postMessage({ url, now: true }));
    return;
  }
  const open = () => {
    if (source) source.close();
    source = new EventSource(url);
    source.addEventListener("hello", () => { wait = 1000; spread({ live: true, since: Date.now(), resync: true }); });
    source.addEventListener("changes", (e) => spread({ changes: JSON.parse(e.data) }));
    source.addEventListener("error", () => {
      source.close();
      if (status.live !== false) spread({ live: false, since: Date.now() });
      setTimeout(open, wait);
      wait = Math.min(wait * 2, 15000);
    });
  };
  addEventListener("headrace:again", open);
  open();
}
