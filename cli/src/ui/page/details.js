// The details of one thing: a held or resting name, a waiting pod, a member, a shard. They follow its changes.

import { h, part, sync, text } from "./dom.js";
import { groups, pods, pools, values } from "./state.js";
import { clock, now, since, until, words } from "./time.js";

/** A lease moves with every renewal, so its time left is asked for while somebody looks. */
const LEASE_EVERY = 5000;

let shown = null;
let opener = null;
/** The answer about the lease: which, how many seconds, and when. */
let lease = null;

export function openDetails(box, id) {
  if (shown === null) opener = document.activeElement;
  shown = id;
  lease = null;
  drawDetails(box);
  box.querySelector("h2")?.focus();
  askLease(box);
}

/** Whether something was open. */
export function closeDetails(box) {
  if (shown === null) return false;
  shown = null;
  drawDetails(box);
  opener?.focus();
  return true;
}

export function drawDetails(box) {
  box.hidden = shown === null;
  document.body.classList.toggle("with-details", shown !== null);
  if (shown === null) return;
  const head = part(box, "head", () =>
    h(
      "header",
      {},
      h("h2", { tabindex: "-1" }),
      h(
        "button",
        { type: "button", class: "close", "aria-label": "Close the details", onclick: () => closeDetails(box) },
        "×",
      ),
    ),
  );
  const [kind] = shown.split("/");
  const value = values.get(shown);
  const found = value ? { slot: ofSlot, wait: ofWaiting, member: ofMember, shard: ofShard }[kind](shown, value) : null;
  text(head.firstElementChild, found?.title ?? head.firstElementChild.textContent);
  const gone = part(box, "gone", () => h("p", { class: "notice" }));
  gone.hidden = Boolean(found);
  text(gone, kind === "slot" ? "This name is free now." : "This is gone: it has ended, or has got what it waited for.");
  const rows = (found?.rows ?? []).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const list = part(box, "list", () => h("dl"));
  sync(
    list,
    rows,
    ([name]) => name,
    ([name]) => h("div", {}, h("dt", {}, name), h("dd")),
    (row, [, value]) => {
      const cell = row.lastElementChild;
      // A time ticks by itself, and is made anew only when it is another one.
      const mark =
        value instanceof Node ? value.textContent + (value.querySelector?.("time")?.dataset.at ?? "") : String(value);
      if (cell.mark === mark) return;
      cell.mark = mark;
      cell.replaceChildren(value);
    },
  );
}

function ofSlot(id, slot) {
  const [, pool, namespace, group] = id.split("/");
  const held = slot.state === "held";
  const spec = pools.find(({ name }) => name === pool);
  const position =
    slot.index === null ? "the pool does not have it any more" : `${slot.index + 1} of ${spec?.capacity ?? "?"}`;
  return {
    title: slot.name,
    rows: [
      ["State", held ? "held" : restWords(slot)],
      ["Pool", pool],
      ["Position", position],
      ...holderRows({ ...slot, namespace: slot.namespace ?? (namespace === "-" ? null : namespace), group }),
      ["Held since", held ? moment(slot.since) : null],
      ["Rests until", slot.until ? moment(slot.until, true) : null],
      ["Was held since", held || !slot.since ? null : clock(slot.since)],
      ...fenceRows(slot.fence),
      ["Validity", slot.validity_ms && `${words(slot.validity_ms)} from each renewal`],
      ["Quarantine", slot.quarantine_ms && `${words(slot.quarantine_ms)} after that, if it is not released`],
      ...leaseRows(slot.lease, held ? "ends the claim unless it is renewed" : "ends the rest"),
    ],
  };
}

function ofWaiting(id, value) {
  const [, pool, , group] = id.split("/");
  const list = pools
    .find(({ name }) => name === pool)
    ?.lists.find(({ waiting }) => waiting.some((pod) => pod.id === id));
  const rank = list?.waiting.find((pod) => pod.id === id)?.rank;
  return {
    title: value.pod,
    rows: [
      ["State", rank === 0 ? "waits; the next free name is for it" : `waits; ${rank} before it`],
      ["Pool", pool],
      ...holderRows({ ...value, group }),
      ["Waits since", moment(value.since)],
      ["Ticket", `revision ${value.ticket}`],
      ...leaseRows(value.lease, "ends its place unless it is renewed"),
    ],
  };
}

function ofMember(id, member) {
  const [, namespace, group, uid] = id.split("/");
  const pod = pods.find((pod) => pod.uid === uid);
  const list = (object) =>
    Object.entries(object ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join(", ");
  const shards = groups.find((of) => of.id === `${namespace}/${group}`)?.owned ?? [];
  const owned = shards.filter((shard) => shard.uid === uid && shard.state !== "ended").map(({ shard }) => shard);
  return {
    title: member.pod || uid,
    rows: [
      [
        "State",
        [member.leads ? "leader" : null, member.state, member.resigned ? "has resigned the leadership" : null]
          .filter(Boolean)
          .join(", "),
      ],
      ["Why", member.why],
      ["Group", group],
      ...holderRows({ namespace, node: member.node, uid }),
      ["Claims", (pod?.names ?? []).map((slot) => `${slot.name} (${slot.pool})`).join(", ")],
      ["Shards", owned.length ? `${owned.length}: ${ranges(owned)}` : "none"],
      ["Weight", member.weight],
      ["Coordinates", member.coordinates.join(", ")],
      ["Endpoints", list(member.endpoints)],
      ["Tags", list(member.tags)],
      ["Generation", member.generation],
      ["Admitted", member.admitted ? moment(member.admitted) : null],
      ["Session", member.session],
      ["Validity", `${words(member.validity_ms)} from each renewal`],
      ...leaseRows(member.lease, "ends the membership unless it is renewed"),
    ],
  };
}

function ofShard(id, shard) {
  const [, namespace, group, number] = id.split("/");
  return {
    title: `Shard ${number}`,
    rows: [
      ["State", shard.state],
      ["Why", shard.why],
      ["Owner", shard.pod],
      ["UID", shard.uid],
      ["Group", group],
      ["Namespace", namespace],
      ...fenceRows(shard.fence),
    ],
  };
}

function holderRows({ pod, namespace, group, node, uid, incarnation }) {
  const none = (text) => (text === "-" ? null : text);
  return [
    ["Pod", pod],
    ["Namespace", none(namespace)],
    ["Group", none(group)],
    ["Node", node],
    ["UID", uid],
    ["Incarnation", incarnation],
  ].filter(([name, value]) => value && (name !== "Group" || pod));
}

function fenceRows(fence) {
  return fence
    ? [
        ["Fence", fence],
        ["Epoch", fence.split("-")[0]],
      ]
    : [];
}

function leaseRows(id, effect) {
  if (!id) return [];
  const known = lease?.id === id ? lease : null;
  let left = "…";
  if (known?.error) left = known.error;
  else if (known)
    left =
      known.seconds === null ? "it has ended" : h("span", {}, until(known.at + known.seconds * 1000), `; ${effect}`);
  return [
    ["Lease", id],
    ["Time left", left],
  ];
}

function restWords(slot) {
  if (!slot.begun) return "not free yet: its holder is gone, and its rest has not begun";
  return slot.waits_for === "pod-end" ? "rests until its pod has ended" : "rests";
}

function moment(millis, left = false) {
  return h("span", {}, `${clock(millis)}, `, left ? until(millis) : since(millis), left ? "" : " ago");
}

/** "0-3, 7" */
function ranges(numbers) {
  const found = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last && last[1] + 1 === number) last[1] = number;
    else found.push([number, number]);
  }
  return found.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(", ");
}

async function askLease(box) {
  const id = shown && values.get(shown)?.lease;
  if (!id) return;
  try {
    const answer = await fetch(`lease/${id}`);
    lease = answer.ok ? { id, at: now(), ...(await answer.json()) } : { id, error: (await answer.text()).trim() };
  } catch {
    lease = { id, error: "cairn ui does not answer" };
  }
  drawDetails(box);
}

/** Asks about the lease again and again, while something is shown. */
export function keepLease(box) {
  setInterval(() => askLease(box), LEASE_EVERY);
}
