// The page: which view is shown, the line about the connection, keys, the theme.

import { closeDetails, drawDetails, keepLease, openDetails } from "./details.js";
import { h, part, set, text } from "./dom.js";
import { drawEtcd, healthWords } from "./etcd.js";
import { follow } from "./feed.js";
import { drawGroups } from "./groups.js";
import { drawPods } from "./pods.js";
import { drawPools } from "./pools.js";
import { derive, isFiltered, setFilter, values } from "./state.js";
import { clock, now, tick, words } from "./time.js";

const VIEWS = { pools: drawPools, pods: drawPods, groups: drawGroups, etcd: drawEtcd };
const THEMES = ["auto", "light", "dark"];

const [main, link, details, filter, theme, keys] = ["main", "link", "details", "filter", "theme", "keys"].map((id) =>
  document.getElementById(id),
);

/** The server of this page does not answer, since this time. */
let gone = null;
let pending = false;

function view() {
  const name = location.hash.slice(1);
  return name in VIEWS ? name : "pools";
}

/** Draws once for all changes of one frame. */
function redraw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    draw();
  });
}

function draw() {
  drawLink();
  if (!values.has("link")) return;
  for (const name of Object.keys(VIEWS))
    part(main, name, () => h("section", { class: name, id: `view-${name}` })).hidden = name !== view();
  for (const tab of document.querySelectorAll("nav a")) {
    if (tab.dataset.view === view()) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.title = `${view() === "etcd" ? "etcd" : view()[0].toUpperCase() + view().slice(1)} – Cairn`;
  // Nothing is drawn of an etcd that was never read: an empty list would be wrong.
  const unread = values.get("link").state === "connecting";
  main.hidden = unread && view() !== "etcd";
  if (!main.hidden) VIEWS[view()](main.parts[view()]);
  drawDetails(details);
}

/** One line: whether this is etcd's state now, or how old it is. */
function drawLink() {
  const state = values.get("link");
  const [kind, words] = gone !== null ? ["gone", goneWords()] : linkWords(state);
  set(link, "class", kind);
  set(document.body, "data-link", kind);
  text(
    part(link, "mark", () => h("i", { "aria-hidden": "true" })),
    { live: "●", connecting: "○" }[kind] ?? "▲",
  );
  text(
    part(link, "words", () => h("span")),
    words,
  );
  const reason = part(link, "reason", () => h("small"));
  text(reason, (gone === null && state?.reason) || "");
}

function linkWords(state) {
  if (!state) return ["connecting", "Loading…"];
  if (state.state === "connecting") {
    const away = "etcd cannot be reached. This page tries again by itself.";
    return ["connecting", state.reason ? away : "Reading etcd…"];
  }
  const etcd = values.get("etcd");
  const kind = etcd?.alarms.length ? "alarm" : "live";
  if (state.state === "live") return [kind, ["Live", healthWords(etcd)].filter(Boolean).join(" · ")];
  const age = words(now() - state.heard);
  return [
    "away",
    `etcd is away. This is the state of ${clock(state.heard)}, ${age} old. This page reconnects by itself.`,
  ];
}

function goneWords() {
  const ended = "If it was ended, start it again, and open the URL that it prints.";
  return `cairn ui does not answer any more. This is the state of ${clock(gone)}. ${ended}`;
}

function setTheme(wanted) {
  document.documentElement.dataset.theme = wanted;
  text(theme, { auto: "◐", light: "☼", dark: "☾" }[wanted]);
  const next = THEMES[(THEMES.indexOf(wanted) + 1) % THEMES.length];
  set(theme, "aria-label", `Theme: ${wanted}. Change to ${next}`);
  theme.title = `Theme: ${wanted}`;
  try {
    localStorage.setItem("theme", wanted);
  } catch {
    // A browser may forbid it; then the theme is forgotten.
  }
}

function storedTheme() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}

function nextTheme() {
  setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
}

function setFilterText(value) {
  filter.value = value;
  setFilter(value);
  redraw();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
  if (event.key === "Escape") {
    if (closeDetails(details)) return;
    if (isFiltered()) setFilterText("");
    else filter.blur();
    return;
  }
  if (event.target === filter) return;
  const name = Object.keys(VIEWS)[Number(event.key) - 1];
  if (name) location.hash = name;
  else if (event.key === "/") filter.focus();
  else if (event.key === "t") nextTheme();
  else if (event.key === "?") keys.showModal();
  else return;
  event.preventDefault();
}

setTheme(THEMES.includes(storedTheme()) ? storedTheme() : "auto");
document.addEventListener("keydown", pressed);
document.addEventListener("redraw", redraw);
document.addEventListener("details", (event) => openDetails(details, event.detail));
document.addEventListener("click", (event) => {
  const id = event.target.closest?.("button[data-id]")?.dataset.id;
  if (id) openDetails(details, id);
});
filter.addEventListener("input", () => setFilterText(filter.value));
theme.addEventListener("click", nextTheme);
document.getElementById("help").addEventListener("click", () => keys.showModal());
addEventListener("hashchange", () => {
  scrollTo(0, 0);
  draw();
});
new ResizeObserver(redraw).observe(main);
setInterval(() => {
  tick();
  drawLink();
  // Owners over time move on without a change.
  if (view() === "groups") redraw();
}, 1000);
keepLease(details);
follow(
  values,
  () => {
    derive();
    redraw();
  },
  (broken) => {
    gone = broken ? (gone ?? now()) : null;
    drawLink();
  },
);
draw();
