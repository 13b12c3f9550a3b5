// Ctrl K: go to anything. The button is a link to the search page; this shows the same hits in place.
export function startPalette() {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const input = dialog.querySelector("input"), hits = dialog.querySelector(".hits");
  let timer = 0, asked = 0;

  const open = () => { dialog.showModal(); input.select(); find(); };
  document.addEventListener("keydown", (e) => {
    if (e.key.toLowerCase() === "k" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); dialog.open ? dialog.close() : open(); }
  });
  for (const link of document.querySelectorAll("[data-palette]")) link.addEventListener("click", (e) => { e.preventDefault(); open(); });
  dialog.addEventListener("click", (e) => { if (e.target === dialog) dialog.close(); });

  async function find() {
    const mine = ++asked;
    const res = await fetch("/search?" + new URLSearchParams({ q: input.value }), { headers: { "X-Fragment": "hits" } });
    const text = await res.text();
    if (mine !== asked || !res.ok) return;
    hits.innerHTML = text;
    choose(hits.querySelector("li[role=option]"));
  }
  function choose(li) {
    for (const other of hits.querySelectorAll("[aria-selected=true]")) other.setAttribute("aria-selected", "false");
    if (!li) return;
    li.setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", li.id);
    li.scrollIntoView({ block: "nearest" });
  }
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, 120); });
  input.addEventListener("keydown", (e) => {
    const all = [...hits.querySelectorAll("li[role=option]")], at = all.findIndex((l) => l.getAttribute("aria-selected") === "true");
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      choose(all[(at + (e.key === "ArrowDown" ? 1 : -1) + all.length) % all.length]);
    }
    if (e.key === "Enter") { e.preventDefault(); all[at]?.querySelector("a").click(); }
  });
}
