// Makes one piece of a page like another in place: what has not changed stays the same node, so focus, scroll, open
// folds and what someone is typing stay too. Children are matched by id or data-key, else by place.
export function morph(now, next) {
  if (now.nodeType !== next.nodeType || now.nodeName !== next.nodeName) { now.replaceWith(next); return; }
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== next.data) now.data = next.data;
    return;
  }
  if (now.nodeType !== Node.ELEMENT_NODE || now.hasAttribute("data-keep")) return;
  if (now.isEqualNode(next)) return;
  if (now.hasAttribute("data-key")) washed(now);
  attributes(now, next);
  if (now.nodeName !== "TEXTAREA") children(now, next);
}

const owned = { DETAILS: ["open"], DIALOG: ["open"], INPUT: ["value", "checked"] };

function attributes(now, next) {
  const keep = owned[now.nodeName] || [];
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name) && !keep.includes(name) && !name.startsWith("data-js")) now.removeAttribute(name);
  for (const { name, value } of next.attributes) if (!keep.includes(name) && now.getAttribute(name) !== value) now.setAttribute(name, value);
}

const key = (n) => n.nodeType === Node.ELEMENT_NODE ? n.id || n.dataset.key || "" : "";

function children(now, next) {
  const keyed = new Map();
  for (const n of now.childNodes) if (key(n)) keyed.set(key(n), n);
  let at = now.firstChild;
  for (const want of [...next.childNodes]) {
    const k = key(want);
    let have = k ? keyed.get(k) : at;
    if (have && !k && key(have)) have = null;
    if (!have) {
      now.insertBefore(want, at);
      continue;
    }
    if (have === at) at = at.nextSibling;
    else now.insertBefore(have, at);
    keyed.delete(k);
    morph(have, want);
  }
  while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
}

function washed(el) {
  el.classList.remove("changed");
  requestAnimationFrame(() => { el.classList.add("changed"); setTimeout(() => el.classList.remove("changed"), 1300); });
}
