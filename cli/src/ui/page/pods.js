// Pods: the same data, by who holds it.

import { count, h, part, set, sync, text } from "./dom.js";
import { isFiltered, matches, pods } from "./state.js";
import { retime, since } from "./time.js";

const STEP = 200;

let most = STEP;

export function drawPods(main) {
  const found = pods.filter((pod) =>
    matches(
      pod.pod,
      pod.namespace,
      pod.node,
      pod.member?.group,
      ...pod.names.map((slot) => slot.group ?? ""),
      ...pod.names.map((slot) => `${slot.pool} ${slot.name}`),
      ...pod.waiting.map((of) => `${of.pool} waiting`),
    ),
  );
  const title = part(main, "title", () => h("h2", { class: "heading" }));
  text(
    title,
    isFiltered() ? `${found.length.toLocaleString("en")} of ${count(pods.length, "pod")}` : count(pods.length, "pod"),
  );
  const empty = part(main, "empty", () => h("p", { class: "empty" }));
  empty.hidden = found.length > 0;
  text(
    empty,
    pods.length
      ? "No pod has these words. Esc clears the filter."
      : "No pod holds a name, waits for one or is in a group. Pods appear here once they claim.",
  );
  const table = part(main, "table", createTable);
  table.hidden = found.length === 0;
  sync(table.body, found.slice(0, most), (pod) => pod.uid, createRow, drawRow);
  const more = part(main, "more", () =>
    h("button", {
      type: "button",
      class: "more",
      onclick: () => {
        most += STEP;
        document.dispatchEvent(new Event("redraw"));
      },
    }),
  );
  more.hidden = found.length <= most;
  text(more, `Show ${count(Math.min(STEP, found.length - most), "more pod")} of ${found.length - most}`);
}

function createTable() {
  const heads = ["Pod", "Namespace", "Names", "Group", "Node", "Since"];
  const body = h("tbody");
  const table = h(
    "table",
    { class: "card pods" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map((head) => h("th", { scope: "col" }, head)),
      ),
    ),
    body,
  );
  table.body = body;
  return table;
}

function createRow() {
  const button = h("button", { type: "button" });
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, button),
    h("td"),
    h("td", { class: "claims" }),
    h("td"),
    h("td"),
    h("td"),
  );
}

function drawRow(row, pod) {
  const [name, namespace, names, group, node, time] = row.children;
  const first = pod.names[0] ?? pod.waiting[0] ?? pod.member;
  set(name.firstElementChild, "data-id", pod.member?.id ?? first.id);
  text(name.firstElementChild, pod.pod || pod.uid);
  text(namespace, pod.namespace);
  sync(
    names,
    [...pod.names, ...pod.waiting],
    (claim) => claim.id,
    createClaim,
    (chip, claim) => {
      set(chip, "class", `chip ${claim.state}`);
      const waiting = `waits, ${claim.rank === 0 ? "next" : `${claim.rank} before it`}`;
      text(chip.lastElementChild, claim.state === "waiting" ? `${claim.pool}: ${waiting}` : claim.name);
      set(
        chip,
        "title",
        claim.state === "waiting" ? `waits in pool ${claim.pool}` : `${claim.name} of pool ${claim.pool}`,
      );
    },
  );
  text(group, groupWords(pod));
  text(node, pod.node ?? "");
  const at = first.since ?? first.admitted;
  if (!at) time.replaceChildren();
  else if (time.firstElementChild) retime(time.firstElementChild, at);
  else time.append(since(at));
}

function createClaim(claim) {
  return h("button", { type: "button", "data-id": claim.id }, h("i", { class: `mark ${claim.state}` }), h("span"));
}

function groupWords({ member, names, waiting }) {
  // A pod has one group. Claims of Cluster pools do not name it.
  if (!member) return [...names, ...waiting].find((claim) => claim.group)?.group ?? "";
  const parts = [member.group, member.leads ? "leads" : null, member.state === "participant" ? null : member.state];
  if (member.shards) parts.push(count(member.shards, "shard"));
  return parts.filter(Boolean).join(" · ");
}
