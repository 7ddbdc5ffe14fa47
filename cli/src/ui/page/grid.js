// A pool with many names as a dense grid: one cell for each name, in order. The whole grid is one stop of the Tab key;
// arrow keys move a cursor in it, and a line below says what is there.

import { h, part, set, sync, text } from "./dom.js";
import { isFiltered, matches, nameAt } from "./state.js";
import { words, now } from "./time.js";

const WIDE = 900;

export function drawGrid(box, pool, list) {
  box.shown = { pool, list };
  const columns = box.clientWidth >= WIDE ? 64 : 32;
  const rows = Math.ceil(pool.capacity / columns);
  const frame = part(box, "frame", () => h("div", { class: "frame" }));
  const labels = part(frame, "labels", () => h("div", { class: "labels", "aria-hidden": "true" }));
  sync(
    labels,
    [...Array(rows).keys()],
    (row) => row,
    () => h("span"),
    (label, row) => text(label, nameAt(pool, row * columns)),
  );
  const cells = part(frame, "cells", () => createCells(box));
  cells.columns = columns;
  set(cells, "data-columns", String(columns));
  set(cells, "aria-label", `Names of ${pool.name}, ${columns} in a row`);
  const filtered = isFiltered();
  sync(
    cells,
    [...Array(pool.capacity).keys()],
    (index) => index,
    (index) => h("i", { role: "option", id: `${list.id}/${index}`, "data-index": index }),
    (cell, index) => {
      const slot = list.slots.get(index);
      const state = slot?.state ?? "free";
      const found = filtered && matches(nameAt(pool, index), slot?.pod, slot?.namespace, slot?.node, pool.name);
      set(cell, "class", filtered ? `${state} ${found ? "found" : "dim"}` : state);
      set(cell, "aria-label", sentence(box, index));
    },
  );
  drawCaption(box);
}

function createCells(box) {
  const cells = h("div", { class: "cells", role: "listbox", tabindex: "0", onkeydown: (event) => move(box, event) });
  const at = (event) => event.target.dataset?.index;
  cells.addEventListener("pointerover", (event) => at(event) && point(box, Number(at(event))));
  cells.addEventListener("click", (event) => {
    if (!at(event)) return;
    point(box, Number(at(event)));
    open(box);
  });
  cells.addEventListener("focus", () => point(box, box.cursor ?? 0));
  return cells;
}

function move(box, event) {
  const { columns, childElementCount: last } = box.parts.frame.parts.cells;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -last, End: last };
  if (event.key === "Enter" || event.key === " ") open(box);
  else if (!(event.key in steps)) return;
  else {
    const next = (box.cursor ?? 0) + steps[event.key];
    const jump = event.key === "Home" || event.key === "End";
    if (jump || (next >= 0 && next < last)) point(box, Math.min(Math.max(next, 0), last - 1));
  }
  event.preventDefault();
}

function point(box, index) {
  const cells = box.parts.frame.parts.cells;
  cells.children[box.cursor]?.removeAttribute("aria-selected");
  box.cursor = index;
  const cell = cells.children[index];
  set(cell, "aria-selected", "true");
  set(cells, "aria-activedescendant", cell.id);
  drawCaption(box);
}

function open(box) {
  const { list } = box.shown;
  const slot = list.slots.get(box.cursor);
  if (slot) document.dispatchEvent(new CustomEvent("details", { detail: slot.id }));
}

function drawCaption(box) {
  const caption = part(box, "caption", () => h("p", { class: "caption" }));
  const idle = "Point at a cell, or use the arrow keys, to see who holds it.";
  text(caption, box.cursor === undefined ? idle : sentence(box, box.cursor));
}

function sentence(box, index) {
  const { pool, list } = box.shown;
  const [name, slot] = [nameAt(pool, index), list.slots.get(index)];
  if (!slot) return `${name}: free`;
  const pod = [slot.namespace, slot.pod].filter(Boolean).join(" / ");
  if (slot.state === "held") return `${name}: held by ${pod}${slot.node ? ` on ${slot.node}` : ""}`;
  const left = slot.until ? `, free in ${words(slot.until - now())}` : "";
  return `${name}: rests${pod ? ` after ${pod}` : ""}${left}`;
}
