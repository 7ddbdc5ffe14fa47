//! Pools, names and queues as values of a [`View`]. Pure.

use std::collections::BTreeMap;

use cairn_core::claim::Holder;
use cairn_core::keys::{self, ClaimPath};
use cairn_core::names::Names;
use cairn_core::pool::{ClockRule, OnLoss, Pool, Scope};
use cairn_core::quarantine::QuarantineRecord;
use cairn_core::time::UnixMillis;
use cairn_store::KeyValue;
use serde_json::{Map, Value, json};

use super::view::View;
use crate::snapshot::{Snapshot, TakenName, Waiting};

/// What is known besides the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Known<'k> {
    /// All keys.
    pub keys: &'k BTreeMap<String, KeyValue>,
    /// When leases end that nobody renews. `None` for a lease that has ended.
    pub ends: &'k BTreeMap<i64, Option<UnixMillis>>,
}

/// Adds all of it.
pub fn add(view: &mut View, snapshot: &Snapshot, known: Known<'_>) {
    for pool in snapshot.pools.values() {
        view.set(format!("pool/{}", pool.name), &pool_value(pool, known));
    }
    for name in &snapshot.taken {
        view.set(format!("slot/{}/{}", list_id(&name.path), name.key), &name_value(name, known));
    }
    for pod in &snapshot.waiting {
        let id = format!("wait/{}/{}", list_id(&pod.path), pod.holder().uid);
        view.set(id, &waiting_value(pod, known));
    }
}

/// The leases of names in quarantine: nobody renews them, so their end is known once they were read.
pub fn quarantine_leases(snapshot: &Snapshot) -> impl Iterator<Item = i64> {
    let resting = snapshot.taken.iter().filter(|name| name.claim.is_none());
    resting.map(|name| name.lease).filter(|lease| *lease != 0)
}

/// A lease as etcdctl prints it. It is too large for a number in JavaScript.
pub fn lease_id(lease: i64) -> Option<String> {
    (lease != 0).then(|| format!("{lease:x}"))
}

/// Where names are unique: `<pool>/<namespace>/<group>`, with `-` for none.
fn list_id(path: &ClaimPath) -> String {
    let group = path.group.as_ref().map_or("-", |group| group.as_str());
    format!("{}/{}/{group}", path.pool, path.namespace.as_deref().unwrap_or("-"))
}

fn pool_value(pool: &Pool, known: Known<'_>) -> Value {
    let spec = &pool.spec;
    let names = match &pool.names {
        Names::List(list) => json!({"list": list}),
        Names::Range(range) => json!({"range": range}),
    };
    json!({
        "name": pool.name,
        "names": names,
        "capacity": pool.names.len(),
        "scope": match spec.scope { Scope::Namespace => "namespace", Scope::Cluster => "cluster" },
        "on_loss": match spec.on_loss { OnLoss::Keep => "Keep", OnLoss::Stop => "Stop" },
        "reserves_time": spec.clock == ClockRule::Reserve,
        "validity_ms": spec.validity.as_millis(),
        "quarantine_ms": spec.quarantine.as_millis(),
        "frozen": known.keys.contains_key(&keys::freeze(&pool.name)),
    })
}

fn name_value(name: &TakenName, known: Known<'_>) -> Value {
    let mut fields = Map::new();
    let mut set = |field: &str, value: Value| drop(fields.insert(field.to_owned(), value));
    set("name", json!(name.name));
    set("index", json!(name.index));
    set("lease", json!(lease_id(name.lease)));
    if let Some(claim) = &name.claim {
        set("state", json!("held"));
        set("fence", json!(claim.fence.to_string()));
        set("since", json!(claim.record.since));
        set("validity_ms", json!(claim.record.validity_ms));
        set("quarantine_ms", json!(claim.record.quarantine_ms));
        set_holder(&mut set, &claim.record.holder);
        return Value::Object(fields);
    }
    set("state", json!("resting"));
    set("until", json!(known.ends.get(&name.lease).copied().flatten()));
    let quarantine = known.keys.get(&name.path.quarantine(&name.key));
    // Without a quarantine only the note is left: the slot's lease has run out, and its quarantine is not put yet.
    set("begun", json!(quarantine.is_some()));
    if let Some(record) = quarantine.and_then(|key| QuarantineRecord::parse(&key.value)) {
        set("fence", json!(record.fence.to_string()));
        set("since", json!(record.since));
        set("waits_for", json!(record.waits_for));
        set_holder(&mut set, &record.holder);
    }
    Value::Object(fields)
}

/// The rank is left out: it changes for everybody whenever one pod leaves. Tickets are in the order of `ticket`.
fn waiting_value(pod: &Waiting, known: Known<'_>) -> Value {
    let ticket = known.keys.get(&pod.path.ticket(&pod.holder().uid));
    let mut fields = Map::new();
    let mut set = |field: &str, value: Value| drop(fields.insert(field.to_owned(), value));
    set("ticket", json!(ticket.map(|key| key.create_revision)));
    set("since", json!(pod.record.since));
    set("lease", json!(lease_id(pod.lease)));
    set_holder(&mut set, pod.holder());
    Value::Object(fields)
}

fn set_holder(set: &mut impl FnMut(&str, Value), holder: &Holder) {
    set("namespace", json!(holder.namespace));
    set("pod", json!(holder.pod));
    set("uid", json!(holder.uid));
    set("node", json!(holder.node));
    set("incarnation", json!(holder.incarnation));
}
