//! Groups as values of a [`View`]: members, the leader, shards, and who owned what. Pure.

use std::collections::BTreeSet;

use cairn_core::coordination::map::Shard;
use cairn_core::coordination::member::Member;
use cairn_core::coordination::owner::{Granted, Ownable};
use cairn_core::coordination::path::GroupPath;
use serde_json::{Value, json};

use super::claims_view::lease_id;
use super::timeline::Timeline;
use super::view::View;
use crate::groups::waits::{Wait, not_eligible};
use crate::groups::{GroupView, Groups, pod_of};
use crate::leader::fence;

/// Adds all of it.
pub fn add(view: &mut View, groups: &Groups, timeline: &Timeline) {
    for (path, group) in &groups.groups {
        let id = group_id(path);
        view.set(format!("group/{id}"), &group_value(path, group, groups.hold.is_some()));
        for (uid, member) in &group.picture.members {
            view.set(format!("member/{id}/{uid}"), &member_value(group, uid, member));
        }
        for shard in shards(group) {
            let granted = group.picture.shards.get(&shard);
            let value = owned_value(group, Ownable::Shard(shard), granted);
            view.set(format!("shard/{id}/{shard}"), &value);
        }
    }
    for (path, what, spans) in timeline.spans() {
        let what = match what {
            Ownable::Leader => "leader".to_owned(),
            Ownable::Shard(shard) => shard.to_string(),
        };
        view.set(format!("spans/{}/{what}", group_id(path)), &spans);
    }
}

fn group_id(path: &GroupPath) -> String {
    format!("{}/{}", path.namespace, path.group)
}

/// All shards of the map in force, and those that are left of an earlier one.
fn shards(group: &GroupView) -> BTreeSet<Shard> {
    let count = group.picture.map.as_ref().map_or(0, |map| map.value.shards);
    (0..count).chain(group.picture.shards.keys().copied()).collect()
}

fn group_value(path: &GroupPath, group: &GroupView, hold: bool) -> Value {
    let picture = &group.picture;
    let kept_out = group.dropped.iter();
    let kept_out = kept_out.map(|(uid, kept)| json!({"uid": uid, "since": kept.record.since}));
    let leader = picture.leader.as_ref();
    json!({
        "namespace": path.namespace,
        "group": path.group,
        "shards": picture.map.as_ref().map(|map| map.value.shards),
        "hash": picture.map.as_ref().map(|map| map.value.hash),
        "hold": hold,
        "leader": leader.map(|granted| owned_value(group, Ownable::Leader, Some(granted))),
        "kept_out": kept_out.collect::<Vec<_>>(),
    })
}

fn owned_value(group: &GroupView, what: Ownable, granted: Option<&Granted>) -> Value {
    let wait = Wait::of(group, what);
    json!({
        "uid": granted.map(|granted| &granted.grant.uid),
        "pod": granted.map(|granted| pod_of(group, &granted.grant.uid)),
        "state": wait.state(),
        "fence": granted.map(|granted| fence(granted).to_string()),
        "why": wait.reason(),
    })
}

fn member_value(group: &GroupView, uid: &str, member: &Member) -> Value {
    let record = &member.record;
    json!({
        "pod": record.pod,
        "node": record.node,
        "claims": record.claims,
        "identity": record.identity(uid),
        "generation": record.generation,
        "admitted": record.admitted,
        "state": record.state,
        "weight": record.weight,
        "coordinates": record.roles,
        "endpoints": record.endpoints,
        "tags": record.tags,
        "validity_ms": record.validity_ms,
        "session": format!("{}-{}", member.session.epoch, member.session.revision),
        "leads": group.leads(uid),
        "resigned": record.resigned,
        "shards": group.owned(uid),
        "lease": group.leases.get(uid).copied().and_then(lease_id),
        "why": not_eligible(&group.picture, record),
    })
}
