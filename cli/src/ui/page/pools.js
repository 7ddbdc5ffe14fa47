// Pools as the ordered lists that they are: who holds which name, what rests, what is free, who waits.

import { count, h, part, set, sync, text } from "./dom.js";
import { moveFocus } from "./focus.js";
import { drawGrid } from "./grid.js";
import { drawRidge } from "./ridge.js";
import { isFiltered, listTitle, matches, nameAt, pools } from "./state.js";
import { retime, since, until, words } from "./time.js";

/** Pools with more names are shown as a grid without texts. */
const MOST_TILES = 128;
/** Free names after the last one in use are shown up to this many tiles; the others on demand. */
const FIRST_TILES = 12;
const FIRST_WAITING = 12;

/** Lists and queues whose rest is shown. */
const opened = new Set();

export function drawPools(main) {
  const empty = part(main, "empty", () =>
    h(
      "div",
      { class: "empty" },
      h("h2", {}, "No pool is defined"),
      h(
        "p",
        {},
        "The webhook or a sidecar defines the pools once it reaches this etcd. They appear here by themselves.",
      ),
    ),
  );
  empty.hidden = pools.length > 0;
  const list = part(main, "pools", () => h("div", { class: "pools" }));
  sync(list, pools, (pool) => pool.name, createPool, drawPool);
}

function createPool(pool) {
  const title = h("h2", {}, pool.name);
  return h("article", { class: "card pool", "aria-label": `Pool ${pool.name}` }, h("header", {}, title));
}

function drawPool(card, pool) {
  const header = card.firstElementChild;
  text(
    part(header, "facts", () => h("p", { class: "facts" })),
    facts(pool),
  );
  drawFigures(
    part(header, "figures", () => h("ul", { class: "figures", "aria-label": "Figures" })),
    figures(pool),
  );
  const frozen = part(card, "frozen", () =>
    h(
      "p",
      { class: "notice" },
      "This pool is frozen: nothing is granted from it until every earlier holder has stopped.",
    ),
  );
  frozen.hidden = !pool.frozen;
  const lists = part(card, "lists", () => h("div", {}));
  sync(
    lists,
    pool.lists,
    (list) => list.id,
    () => h("section", { class: "list" }),
    (section, list) => drawList(section, pool, list),
  );
}

function facts(pool) {
  if (pool.gone) return "This pool is not defined any more. Its names are shown until nobody uses them.";
  const unique = pool.scope === "cluster" ? "unique in the cluster" : "unique within namespace and group";
  const loss =
    pool.on_loss === "Stop" ? "the app stops when its name is lost" : "the app keeps its name while etcd is away";
  const rests = `rests ${words(pool.quarantine_ms)} after its holder`;
  return `${count(pool.capacity, "name")}, ${unique} · valid ${words(pool.validity_ms)}, ${rests} · ${loss}`;
}

function figures(pool) {
  const shown = [
    ["held", pool.held],
    ["resting", pool.resting],
    ["waiting", pool.waiting],
  ];
  // With several lists, each has its own free names.
  if (!pool.gone && pool.lists.length === 1) shown.push(["free", pool.capacity - pool.held - pool.resting]);
  return shown;
}

function drawFigures(element, shown) {
  sync(
    element,
    shown,
    ([kind]) => kind,
    ([kind]) => h("li", { class: kind }, h("i", { class: `mark ${kind}` }), h("b"), ` ${kind}`),
    (item, [, number]) => {
      text(item.querySelector("b"), number.toLocaleString("en"));
      item.classList.toggle("none", number === 0);
    },
  );
}

function drawList(section, pool, list) {
  const title = listTitle(list);
  if (title) {
    const head = part(section, "head", () => h("h3", {}));
    text(head, title);
    const several = pool.lists.length > 1 && !pool.gone;
    if (several) {
      const free = pool.capacity - list.held - list.resting;
      const shown = [
        ["held", list.held],
        ["resting", list.resting],
        ["waiting", list.waiting.length],
        ["free", free],
      ];
      drawFigures(
        part(section, "figures", () => h("ul", { class: "figures small" })),
        shown,
      );
    }
  }
  set(section, "aria-label", `${pool.name} ${title}`.trim());
  if (pool.gone) return drawTiles(section, pool, list, []);
  if (pool.capacity > MOST_TILES) {
    drawGrid(
      part(section, "grid", () => h("div", { class: "dense" })),
      pool,
      list,
    );
  } else {
    drawRidge(
      part(section, "ridge", () => h("div", { class: "ridge", "aria-hidden": "true" })),
      pool,
      list,
    );
    drawTiles(section, pool, list, [...Array(pool.capacity).keys()]);
  }
  drawWaiting(section, list, pool.capacity - list.held - list.resting);
}

function drawTiles(section, pool, list, indexes) {
  const last = Math.max(-1, ...list.slots.keys());
  const shown = indexes.map((index) => list.slots.get(index) ?? { index, name: nameAt(pool, index), state: "free" });
  const filtered = shown.filter((slot) =>
    matches(slot.name, slot.pod, slot.node, list.namespace ?? slot.namespace, list.group, pool.name),
  );
  const most = isFiltered() || opened.has(list.id) ? shown.length : Math.max(FIRST_TILES, last + 1);
  const tiles = [...filtered.filter((slot) => slot.index < most), ...list.removed];
  const names = part(section, "names", () => h("ol", { class: "names", onkeydown: moveFocus }));
  set(names, "aria-label", `Names of ${pool.name} ${listTitle(list)}`);
  sync(
    names,
    tiles,
    (slot) => slot.key ?? nameAt(pool, slot.index),
    () => h("li", {}),
    drawTile,
  );
  const hidden = indexes.length - Math.min(most, indexes.length);
  drawMore(section, list.id, hidden, () => `${count(hidden, "more free name")}, from ${nameAt(pool, most)}`);
}

function drawTile(item, slot) {
  set(item, "class", `name ${slot.state}`);
  const kind = slot.state === "free" ? "free" : "taken";
  if (item.dataset.kind !== kind) {
    item.dataset.kind = kind;
    item.parts = {};
    item.replaceChildren();
  }
  const inner = kind === "free" ? item : part(item, "button", () => h("button", { type: "button" }));
  text(
    part(inner, "index", () => h("span", { class: "index" })),
    slot.index === null ? "–" : String(slot.index + 1),
  );
  text(
    part(inner, "name", () => h("span", { class: "title" })),
    slot.name,
  );
  if (kind === "free") return;
  set(inner, "data-id", slot.id);
  text(
    part(inner, "pod", () => h("span", { class: "pod" })),
    slot.pod ?? (slot.begun ? "" : "not free yet"),
  );
  drawTime(
    part(inner, "time", () => h("span", { class: "when" })),
    slot,
  );
  text(
    part(inner, "state", () => h("span", { class: "hidden" })),
    `, ${slot.state}`,
  );
}

/** Since when it is held, or until when it rests. */
function drawTime(element, slot) {
  const at = slot.state === "resting" ? slot.until : slot.since;
  const wanted = slot.state === "resting" ? (at ? "until" : "open") : "since";
  if (element.dataset.kind !== wanted) {
    element.dataset.kind = wanted;
    const open = slot.waits_for === "pod-end" ? "rests with its pod" : "rests";
    element.replaceChildren(wanted === "open" ? open : (wanted === "until" ? until : since)(at));
  } else if (wanted !== "open") {
    retime(element.firstElementChild, at);
  }
}

function drawWaiting(section, list, free) {
  const box = part(section, "waiting", () => h("div", { class: "line" }, h("h4", {})));
  box.hidden = list.waiting.length === 0;
  if (box.hidden) return;
  const next = list.waiting[0];
  const exhausted = free > 0 ? "" : "No name is free. ";
  const waits = count(list.waiting.length, "pod waits", "pods wait");
  text(box.firstElementChild, `${exhausted}${waits}; the next name is for ${next.pod}`);
  const found = list.waiting.filter((pod) =>
    matches(pod.pod, pod.namespace, pod.node, pod.group, list.pool, "waiting"),
  );
  const most = isFiltered() || opened.has(`${list.id}/queue`) ? 500 : FIRST_WAITING;
  const queue = part(box, "queue", () => h("ol", { class: "queue", onkeydown: moveFocus }));
  sync(
    queue,
    found.slice(0, most),
    (pod) => pod.uid,
    (pod) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", "data-id": pod.id },
          h("span", { class: "rank" }),
          h("span", { class: "title" }, pod.pod),
          h("span", { class: "when" }, since(pod.since)),
        ),
      ),
    (item, pod) => text(item.querySelector(".rank"), String(pod.rank + 1)),
  );
  const hidden = found.length - Math.min(most, found.length);
  drawMore(box, `${list.id}/queue`, hidden, () => `${count(hidden, "more pod")} further back`);
}

function drawMore(parent, id, hidden, words) {
  const more = part(parent, "more", () =>
    h("button", {
      type: "button",
      class: "more",
      onclick: () => {
        if (!opened.delete(id)) opened.add(id);
        document.dispatchEvent(new Event("redraw"));
      },
    }),
  );
  more.hidden = hidden === 0 && (!opened.has(id) || isFiltered());
  text(more, hidden ? `Show ${words()}` : "Show fewer");
  set(more, "aria-expanded", String(opened.has(id)));
}
