// Who led, and who owned which shard, from when to when: a row for each, time from left to right. It begins when
// `cairn ui` was started, because etcd keeps no history of owners.

import { count, h, part, set, svg, sync, text } from "./dom.js";
import { values } from "./state.js";
import { clock, now, words } from "./time.js";

const LONGEST = 15 * 60_000;
const SHORTEST = 30_000;
const [GUTTER, AXIS] = [62, 20];
/** Far more rows than a screen has. */
const MOST_ROWS = 512;
const LATEST = 6;

export function drawTimeline(box, group) {
  const rows = [...group.spans].map(([what, spans]) => ({ what, spans }));
  rows.sort((a, b) => order(a.what) - order(b.what));
  box.hidden = rows.length === 0;
  if (box.hidden) return;
  part(box, "title", () => h("h3", {}, "Owners over time"));
  const end = now();
  const begin = Math.max(Math.min(values.get("about")?.started ?? end, end - SHORTEST), end - LONGEST);
  text(
    part(box, "facts", () => h("p", { class: "facts" })),
    summary(group, rows),
  );
  draw(
    part(box, "drawing", () => svg("svg", { role: "img" })),
    box.clientWidth,
    group,
    rows.slice(0, MOST_ROWS),
    begin,
    end,
  );
  drawHandovers(
    part(box, "handovers", () => h("ol", { class: "handovers" })),
    rows,
  );
}

/** The leadership first. */
function order(what) {
  return what === "leader" ? -1 : Number(what);
}

function draw(drawing, width, group, rows, begin, end) {
  if (!width) return;
  const height = rows.length <= 34 ? 18 : rows.length <= 130 ? 8 : 4;
  const bottom = rows.length * height;
  set(drawing, "viewBox", `0 0 ${width} ${bottom + AXIS}`);
  set(drawing, "height", String(bottom + AXIS));
  set(drawing, "aria-label", `Owners of ${group.group} since ${clock(begin)}`);
  const x = (at) => GUTTER + ((Math.max(at, begin) - begin) / (end - begin)) * (width - GUTTER);
  const every = height >= 16 ? 1 : Math.ceil(16 / height);
  const parts = rows.flatMap(({ what, spans }, row) => {
    const label = row % every === 0 || what === "leader";
    const name =
      label &&
      svg("text", { x: 0, y: row * height + Math.min(height, 16) - 4 }, what === "leader" ? what : `shard ${what}`);
    return [name || null, ...spans.map((span) => bar(group, span, x, end, row * height, height))];
  });
  drawing.replaceChildren(...parts.filter(Boolean), ...axis(x, begin, end, bottom));
}

function bar(group, span, x, end, top, height) {
  const [left, right] = [x(span.from), x(span.to ?? end)];
  if ((span.to ?? end) <= span.from || right <= GUTTER) return null;
  const known = group.letters.get(span.uid);
  const words = `${span.pod}, ${clock(span.from)} to ${span.to ? clock(span.to) : "now"}`;
  const size = {
    x: left,
    y: top + 1,
    width: Math.max(right - left - 1, 1),
    height: height - 2,
    rx: height > 8 ? 3 : 1,
  };
  const drawn = svg("g", { "data-colour": known.number % 8 }, svg("title", {}, words), svg("rect", size));
  if (height >= 16 && right - left > 16) {
    drawn.append(svg("text", { class: "letter", x: left + 6, y: top + height - 5 }, known.letter));
  }
  return drawn;
}

function axis(x, begin, end, bottom) {
  const step =
    [10, 30, 60, 120, 300].map((seconds) => seconds * 1000).find((step) => (end - begin) / step <= 8) ?? 300_000;
  const ticks = [];
  for (let at = Math.ceil(begin / step) * step; at < end; at += step) {
    const label = svg(
      "text",
      { class: "tick", x: x(at), y: bottom + AXIS - 5 },
      clock(at).slice(0, step < 60_000 ? 8 : 5),
    );
    ticks.push(svg("line", { x1: x(at), x2: x(at), y1: 0, y2: bottom + 4 }));
    if (x(at) < x(end) - 30 && x(at) > GUTTER) ticks.push(label);
  }
  return ticks;
}

/** Changes of owners, the newest first. */
function handovers(rows) {
  const found = rows.flatMap(({ what, spans }) =>
    spans.slice(1).map((span, index) => ({ what, from: spans[index], to: span })),
  );
  return found.filter(({ from, to }) => from.uid !== to.uid).sort((a, b) => b.to.from - a.to.from);
}

function summary(group, rows) {
  const seen = words(now() - (values.get("about")?.started ?? now()));
  const number = handovers(rows).length;
  return number === 0
    ? `No owner has changed in the ${seen} since this page's server was started.`
    : `${count(number, "change")} of owners in the ${seen} since this page's server was started; the latest:`;
}

function drawHandovers(list, rows) {
  const name = (what) => (what === "leader" ? "leadership" : `shard ${what}`);
  sync(
    list,
    handovers(rows).slice(0, LATEST),
    ({ what, to }) => `${what}/${to.from}`,
    ({ what, from, to }) => {
      const gap = from.to && to.from > from.to ? ` after ${words(to.from - from.to)} without an owner` : "";
      return h("li", {}, h("time", {}, clock(to.from)), ` ${name(what)}: ${from.pod} → ${to.pod}${gap}`);
    },
  );
}
