// What the page shows, derived from the values of the feed: pools with their lists and queues, pods, groups.

const NONE = "-";

/** All values by id, and what was derived from them. */
export const values = new Map();

export let pools = [];
export let pods = [];
export let groups = [];

/** Words that all must occur. */
let wanted = [];

export function setFilter(text) {
  wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
}

export function isFiltered() {
  return wanted.length > 0;
}

/** Whether something with these words is meant. */
export function matches(...words) {
  if (!wanted.length) return true;
  const text = words.filter(Boolean).join(" ").toLowerCase();
  return wanted.every((word) => text.includes(word));
}

/** Derives everything from the values. */
export function derive() {
  const found = { pool: new Map(), list: new Map(), pod: new Map(), group: new Map() };
  for (const [id, value] of values) {
    const [kind, ...rest] = id.split("/");
    if (kind === "pool") found.pool.set(rest[0], { ...value, lists: [] });
    else if (kind === "slot") addSlot(found, id, rest, value);
    else if (kind === "wait") addWaiting(found, id, rest, value);
    else if (kind === "group") Object.assign(groupOf(found, rest), value);
    else if (kind === "member") addMember(found, id, rest, value);
    else if (kind === "shard") groupOf(found, rest).owned.push({ id, shard: Number(rest[2]), ...value });
    else if (kind === "spans") groupOf(found, rest).spans.set(rest[2], value);
  }
  for (const list of found.list.values()) {
    list.waiting.sort((a, b) => a.ticket - b.ticket).forEach((pod, rank) => (pod.rank = rank));
    const pool = found.pool.get(list.pool);
    if (pool) pool.lists.push(list);
    else found.pool.set(list.pool, { name: list.pool, gone: true, lists: [list] });
  }
  for (const pool of found.pool.values()) finishPool(pool);
  for (const group of found.group.values()) finishGroup(group);
  pools = sorted(found.pool, (pool) => pool.name);
  pods = sorted(found.pod, (pod) => `${pod.namespace}/${pod.pod}`);
  groups = sorted(found.group, (group) => `${group.namespace}/${group.group}`);
}

/** The name at an index of a pool. */
export function nameAt(pool, index) {
  if (pool.names.list) return pool.names.list[index];
  const { from, prefix = "", width = 0 } = pool.names.range;
  return prefix + String(from + index).padStart(width, "0");
}

/** A title of a list of names; empty for a cluster pool. */
export function listTitle(list) {
  return [list.namespace, list.group].filter(Boolean).join(" / ");
}

function addSlot(found, id, rest, value) {
  const list = listOf(found, rest);
  const slot = { id, key: rest[3], pool: list.pool, group: list.group, ...value };
  slot.namespace ??= list.namespace;
  if (slot.index === null) list.removed.push(slot);
  else list.slots.set(slot.index, slot);
  list[slot.state] += 1;
  if (slot.state === "held") podOf(found, slot).names.push(slot);
}

function addWaiting(found, id, rest, value) {
  const list = listOf(found, rest);
  const waiting = { id, state: "waiting", pool: list.pool, group: list.group, ...value };
  list.waiting.push(waiting);
  podOf(found, waiting).waiting.push(waiting);
}

function addMember(found, id, rest, value) {
  const member = { id, uid: rest[2], namespace: rest[0], group: rest[1], ...value };
  groupOf(found, rest).members.push(member);
  podOf(found, member).member = member;
}

function listOf({ list }, [pool, namespace, group]) {
  const id = `${pool}/${namespace}/${group}`;
  if (!list.has(id)) {
    const of = (text) => (text === NONE ? null : text);
    const counts = { held: 0, resting: 0 };
    const parts = { slots: new Map(), removed: [], waiting: [] };
    list.set(id, { id, pool, namespace: of(namespace), group: of(group), ...parts, ...counts });
  }
  return list.get(id);
}

function podOf({ pod }, { uid, pod: name, namespace, node }) {
  if (!pod.has(uid)) pod.set(uid, { uid, pod: name, namespace, node, names: [], waiting: [], member: null });
  return pod.get(uid);
}

function groupOf({ group }, [namespace, name]) {
  const id = `${namespace}/${name}`;
  if (!group.has(id)) group.set(id, { id, namespace, group: name, members: [], owned: [], spans: new Map() });
  return group.get(id);
}

function finishPool(pool) {
  // A pool without a claim is shown as one list of free names.
  if (!pool.lists.length) pool.lists.push(listOf({ list: new Map() }, [pool.name, NONE, NONE]));
  pool.lists.sort((a, b) => compare(listTitle(a), listTitle(b)));
  const sum = (of) => pool.lists.reduce((total, list) => total + of(list), 0);
  pool.held = sum((list) => list.held);
  pool.resting = sum((list) => list.resting);
  pool.waiting = sum((list) => list.waiting.length);
}

function finishGroup(group) {
  group.members.sort((a, b) => compare(a.pod, b.pod));
  group.owned.sort((a, b) => a.shard - b.shard);
  // A pod keeps its letter for as long as the page is open, also when it is gone.
  const letters = lettersOf(group.id);
  const past = [...group.spans.values()].flat().map((span) => ({ uid: span.uid, pod: span.pod, from: span.from }));
  past.sort((a, b) => a.from - b.from || compare(a.pod, b.pod));
  for (const { uid, pod } of [...past, ...group.members]) {
    if (!letters.has(uid)) letters.set(uid, { letter: letter(letters.size), number: letters.size, pod });
  }
  group.letters = letters;
}

const lettersByGroup = new Map();

function lettersOf(id) {
  if (!lettersByGroup.has(id)) lettersByGroup.set(id, new Map());
  return lettersByGroup.get(id);
}

/** A to Z, then AA. */
function letter(number) {
  const last = String.fromCharCode(65 + (number % 26));
  return number < 26 ? last : letter(Math.floor(number / 26) - 1) + last;
}

function sorted(found, by) {
  return [...found.values()].sort((a, b) => compare(by(a), by(b)));
}

function compare(a, b) {
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
