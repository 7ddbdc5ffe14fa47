// A list of names as a ridge: one summit for each name, in order, the highest first. It shows at a glance how far the
// list is in use. The names below it say the same in words.

import { set, svg, sync } from "./dom.js";

const [STEP, HEIGHT, WIDTH] = [10, 46, 17];
/** The summits of a short list are not wider than this, in pixels. */
const WIDEST = 28;

export function drawRidge(box, pool, list) {
  if (!box.firstElementChild) box.append(svg("svg", { preserveAspectRatio: "none" }, hatch()));
  const drawing = box.firstElementChild;
  set(drawing, "viewBox", `0 0 ${pool.capacity * STEP + WIDTH - STEP} ${HEIGHT}`);
  drawing.style.maxWidth = `${pool.capacity * WIDEST}px`;
  // Free summits are behind the others.
  const order = { free: 0, resting: 1, held: 2 };
  const summits = [...Array(pool.capacity).keys()].map((index) => ({
    index,
    state: list.slots.get(index)?.state ?? "free",
  }));
  summits.sort((a, b) => order[a.state] - order[b.state] || b.index - a.index);
  drawing.range ??= drawing.appendChild(svg("g", {}));
  sync(
    drawing.range,
    summits,
    ({ index }) => index,
    ({ index }) => svg("polygon", { points: points(index, pool.capacity) }),
    (summit, { state }) => set(summit, "class", state),
  );
}

/** The pattern of what rests, so that it differs by more than its colour. */
function hatch() {
  const line = svg("path", { d: "M0 6 6 0M-1 1 1 -1M5 7 7 5", class: "hatch" });
  const size = { width: 6, height: 6, patternUnits: "userSpaceOnUse" };
  return svg("defs", {}, svg("pattern", { id: "hatch", ...size }, svg("rect", { ...size, class: "ground" }), line));
}

function points(index, names) {
  // Heights fall from the first name to the last, with some roughness that is the same at each draw.
  const rough = Math.abs(Math.sin(index * 12.9898) * 43758.5453) % 1;
  const height = HEIGHT * (0.94 - 0.5 * (index / Math.max(names - 1, 1)) - 0.2 * rough);
  const left = index * STEP;
  const top = left + WIDTH * (0.4 + 0.2 * rough);
  return `${left},${HEIGHT} ${top.toFixed(1)},${(HEIGHT - height).toFixed(1)} ${left + WIDTH},${HEIGHT}`;
}
