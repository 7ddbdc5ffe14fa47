// Groups: members, who leads, who owns which shard now, and who did before.

import { count, h, part, set, sync, text } from "./dom.js";
import { moveFocus } from "./focus.js";
import { groups, matches } from "./state.js";
import { drawTimeline } from "./timeline.js";

export function drawGroups(main) {
  const found = groups.filter((group) =>
    matches(group.namespace, group.group, ...group.members.map((member) => `${member.pod} ${member.node}`)),
  );
  const empty = part(main, "empty", () => h("div", { class: "empty" }, h("h2"), h("p")));
  empty.hidden = found.length > 0;
  text(empty.firstElementChild, groups.length ? "No group has these words" : "No group has members");
  text(
    empty.lastElementChild,
    groups.length
      ? "Esc clears the filter."
      : "Pods with the annotation cairn.dev/coordinate are members of a group. They appear here by themselves.",
  );
  sync(
    part(main, "groups", () => h("div")),
    found,
    (group) => group.id,
    (group) =>
      h(
        "article",
        { class: "card group", "aria-label": `Group ${group.group} of namespace ${group.namespace}` },
        h("header", {}, h("h2", {}, group.group, h("small", {}, group.namespace))),
      ),
    drawGroup,
  );
}

function drawGroup(card, group) {
  const header = card.firstElementChild;
  text(
    part(header, "facts", () => h("p", { class: "facts" })),
    facts(group),
  );
  const hold = part(card, "hold", () =>
    h(
      "p",
      { class: "notice" },
      "A hold forbids changes of owners, after etcd was wiped or restored. Owners keep what they have.",
    ),
  );
  hold.hidden = !group.hold;
  const members = part(card, "members", () =>
    h("ul", { class: "members", "aria-label": "Members", onkeydown: moveFocus }),
  );
  sync(
    members,
    group.members,
    (member) => member.uid,
    createMember,
    (item, member) => drawMember(item, group, member),
  );
  drawShards(
    part(card, "shards", () => h("div")),
    group,
  );
  drawTimeline(
    part(card, "timeline", () => h("div", { class: "timeline" })),
    group,
  );
}

function facts(group) {
  const shards = group.shards === null ? "no shards" : `${count(group.shards, "shard")} by ${group.hash}`;
  const owned = group.owned.filter((shard) => shard.state === "owned").length;
  const served = group.shards ? `, ${owned === group.shards ? "all" : owned} owned` : "";
  const leader = group.leader;
  const leads = leader ? (leader.state === "owned" ? `led by ${leader.pod}` : `no leader: ${leader.why}`) : "no leader";
  const kept = group.kept_out?.length ? ` · ${count(group.kept_out.length, "pod is", "pods are")} kept out` : "";
  return `${count(group.members.length, "member")} · ${leads} · ${shards}${served}${kept}`;
}

function createMember(member) {
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", "data-id": member.id },
      h("i", { class: "letter" }),
      h("span", { class: "title" }),
      h("span", { class: "role" }),
      h("span", { class: "load" }),
    ),
  );
}

function drawMember(item, group, member) {
  const [swatch, pod, role, load] = item.firstElementChild.children;
  drawLetter(swatch, group, member.uid);
  text(pod, member.pod || member.uid);
  const state = [member.leads ? "leader" : null, member.state].filter(Boolean).join(", ");
  text(role, member.why ? `${state}: ${member.why}` : state);
  text(load, member.state === "viewer" ? "" : count(member.shards, "shard"));
}

/** The letter and the colour of a pod: two pods may have one colour, but never one letter. */
export function drawLetter(element, group, uid) {
  const known = group.letters.get(uid);
  text(element, known?.letter ?? "");
  set(element, "data-colour", known ? String(known.number % 8) : "none");
}

function drawShards(box, group) {
  box.hidden = group.owned.length === 0;
  if (box.hidden) return;
  part(box, "title", () => h("h3", {}, "Shards now"));
  const cells = part(box, "cells", () => h("ul", { class: "shards", onkeydown: moveFocus }));
  sync(
    cells,
    group.owned,
    (shard) => shard.shard,
    (shard) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", "data-id": shard.id },
          h("span", { class: "number" }, String(shard.shard)),
          h("i", { class: "letter" }),
        ),
      ),
    (cell, shard) => {
      const owned = shard.state === "owned" || shard.state === "draining";
      set(cell, "class", shard.state);
      drawLetter(cell.querySelector("i"), group, owned ? shard.uid : null);
      if (!owned) text(cell.querySelector("i"), "–");
      const who = owned ? `of ${shard.pod}` : "";
      set(cell.firstElementChild, "aria-label", `Shard ${shard.shard}, ${shard.state} ${who}`.trim());
      set(cell.firstElementChild, "title", `Shard ${shard.shard}: ${shard.why ?? `owned by ${shard.pod}`}`);
    },
  );
}
