// etcd's health: members, size and quota, alarms, latency. And records that could not be read.

import { count, h, part, set, svg, sync, text } from "./dom.js";
import { values } from "./state.js";

const SPARK = { width: 240, height: 36 };
/** From here on a database is close to its quota. */
const NEARLY_FULL = 0.8;

const ALARMS = {
  NOSPACE:
    "its quota is used up, so etcd takes no writes. Compact and defragment it, or raise --quota-backend-bytes; " +
    "then run etcdctl alarm disarm.",
  CORRUPT: "its data differs from that of the other members. Remove the member, and add it again without data.",
};

export function drawEtcd(main) {
  const etcd = values.get("etcd");
  const waiting = part(main, "waiting", () => h("p", { class: "empty" }, "No member of etcd has answered yet."));
  waiting.hidden = Boolean(etcd);
  drawProblems(
    part(main, "problems", () => h("ul", { class: "problems" })),
    etcd,
  );
  const cards = part(main, "members", () => h("div", { class: "cards" }));
  sync(
    cards,
    etcd?.endpoints ?? [],
    (endpoint) => endpoint.url,
    () => h("article", { class: "card member" }),
    drawMember,
  );
  const about = values.get("about");
  text(
    part(main, "about", () => h("p", { class: "facts" })),
    about
      ? `Keys below ${about.root} at revision ` +
          `${about.revision.toLocaleString("en")}, epoch ${about.epoch || "none"}. cairn ${about.version}.`
      : "",
  );
}

/** What is wrong, as sentences. */
function drawProblems(list, etcd) {
  const alarms = (etcd?.alarms ?? []).map(
    ({ member, kind }) => `Alarm ${kind} of ${member}: ${ALARMS[kind] ?? "see etcd's documentation."}`,
  );
  const unasked = etcd?.unasked.length
    ? [`Not asked, because no --etcd URL leads to them: ${etcd.unasked.join(", ")}.`]
    : [];
  const leaderless = (etcd?.endpoints ?? []).some((endpoint) => endpoint.has_leader === false)
    ? ["A member knows no leader: while there is no majority, etcd takes no writes."]
    : [];
  const problems = [...alarms, ...leaderless, ...(etcd?.unknown ?? []), ...unasked, ...(values.get("errors") ?? [])];
  sync(
    list,
    problems,
    (problem) => problem,
    (problem) => h("li", { class: "notice" }, problem),
  );
}

function drawMember(card, endpoint) {
  const title = endpoint.error ? endpoint.url : endpoint.name;
  text(
    part(card, "title", () => h("h2", {})),
    title,
  );
  text(
    part(card, "role", () => h("p", { class: "facts" })),
    endpoint.error ? "" : `${role(endpoint)} · etcd ${endpoint.version} · ${endpoint.url}`,
  );
  const error = part(card, "error", () => h("p", { class: "notice" }));
  error.hidden = !endpoint.error;
  text(error, `It does not answer: ${endpoint.error}`);
  drawLatency(
    part(card, "latency", () => h("div", { class: "latency" })),
    endpoint,
  );
  const size = part(card, "size", () => h("div", { class: "size" }, h("p"), h("div", { class: "meter" }, h("i"))));
  size.hidden = Boolean(endpoint.error);
  if (!endpoint.error) drawSize(size, endpoint);
  const errors = part(card, "errors", () => h("ul", { class: "problems" }));
  sync(
    errors,
    endpoint.errors ?? [],
    (error) => error,
    (error) => h("li", { class: "notice" }, error),
  );
}

function role(endpoint) {
  if (endpoint.learner) return "learner, has no vote";
  return endpoint.leads ? "leader" : "follower";
}

function drawSize(box, { db_size: size, db_in_use: used, quota }) {
  const share = quota ? size / quota : 0;
  const of = quota ? ` of ${bytes(quota)} (${percent(share)})` : "; the quota is not told before etcd 3.6";
  text(box.firstElementChild, `Database ${bytes(size)}${of}, ${bytes(used)} in use`);
  const meter = box.lastElementChild;
  meter.hidden = !quota;
  meter.firstElementChild.style.width = `${Math.max(share * 100, 0.5)}%`;
  set(meter, "class", share >= NEARLY_FULL ? "meter full" : "meter");
}

function drawLatency(box, { latency_us: latency }) {
  const answered = latency.filter((micros) => micros !== null);
  const median = [...answered].sort((a, b) => a - b)[Math.floor(answered.length / 2)];
  const newest = latency.at(-1);
  const words = newest === null ? "no answer" : millis(newest);
  text(
    part(box, "now", () => h("b")),
    words,
  );
  const failed = latency.length - answered.length;
  const facts = answered.length
    ? `median ${millis(median)}, at most ${millis(Math.max(...answered))}`
    : "no answer yet";
  text(
    part(box, "facts", () => h("span")),
    `${facts}${failed ? `, ${failed} of ${latency.length} failed` : ""}`,
  );
  drawSpark(
    part(box, "spark", () =>
      svg("svg", {
        viewBox: `0 0 ${SPARK.width} ${SPARK.height}`,
        class: "spark",
        "aria-hidden": "true",
        preserveAspectRatio: "none",
      }),
    ),
    latency,
  );
}

/** One bar for each answer of the last two minutes; a request that failed is a full bar in another colour. */
function drawSpark(drawing, latency) {
  const most = Math.max(...latency.map((micros) => micros ?? 0), 1000);
  const step = SPARK.width / 60;
  drawing.replaceChildren(
    ...latency.map((micros, index) => {
      const height = micros === null ? SPARK.height : Math.max((micros / most) * SPARK.height, 1);
      const x = SPARK.width - (latency.length - index) * step;
      return svg("rect", {
        x,
        y: SPARK.height - height,
        width: step - 1,
        height,
        class: micros === null ? "failed" : null,
      });
    }),
  );
}

/** For the line below the header. */
export function healthWords(etcd) {
  if (!etcd) return "";
  const alive = etcd.endpoints.filter((endpoint) => !endpoint.error);
  const worst = Math.max(...alive.map((endpoint) => endpoint.latency_us.at(-1) ?? 0));
  const share = Math.max(0, ...alive.map((endpoint) => (endpoint.quota ? endpoint.db_size / endpoint.quota : 0)));
  const parts = [
    `${alive.length} of ${count(etcd.endpoints.length, "etcd endpoint answers", "etcd endpoints answer")}`,
  ];
  if (alive.length) parts.push(millis(worst));
  if (share) parts.push(`${percent(share)} of the quota`);
  if (etcd.alarms.length) parts.push(`alarm ${etcd.alarms.map(({ kind }) => kind).join(", ")}`);
  return parts.join(" · ");
}

function percent(share) {
  if (share < 0.001) return "less than 0.1 %";
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function millis(micros) {
  return micros < 10_000 ? `${(micros / 1000).toFixed(1)} ms` : `${Math.round(micros / 1000)} ms`;
}

function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = number ? Math.min(Math.floor(Math.log2(number) / 10), units.length - 1) : 0;
  const value = number / 1024 ** power;
  return `${value < 10 && power ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}
