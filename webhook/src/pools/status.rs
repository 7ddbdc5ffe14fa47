//! Decides the `status` of a `Pool`; [`writer`] writes it.
//!
//! Unknown numbers (the mirror has not read etcd yet) keep their stored values; they are never shown as zero.

use cairn_core::contract::annotation;
use cairn_core::time::UnixMillis;
use cairn_store::shape::Shape;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::progress::PoolStage;
use super::usage;
use super::watched::Watched;
use crate::mirror::Counts;
use crate::timestamp;

mod exhausted;
pub mod writer;

use exhausted::{EXHAUSTED, Exhausted};

const READY: &str = "Ready";
const ETCD_UNREACHABLE: &str = "EtcdUnreachable";
const OTHER_CLUSTER: &str = "EtcdOtherCluster";
const OTHER_SHAPE: &str = "OtherShape";

/// The status, as in the CRD's schema.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Status {
    capacity: Option<u64>,
    held: Option<u64>,
    free: Option<u64>,
    waiting: Option<u64>,
    quarantined: Option<u64>,
    conditions: Vec<Condition>,
}

/// The content of the condition `Ready`, without its time.
struct ReadyCondition {
    ready: bool,
    reason: &'static str,
    message: String,
}

/// The status to write; `None` if the stored one is equal, or if nothing is known yet. Missing numbers are nulls, so
/// that the merge patch removes outdated ones.
pub fn desired(
    watched: &Watched,
    outcome: Option<&PoolStage>,
    counts: Option<&Counts>,
    now: UnixMillis,
) -> Option<Value> {
    let ready_condition = match &watched.pool {
        Err(message) if !watched.leaving => {
            ReadyCondition { ready: false, reason: "InvalidSpec", message: message.clone() }
        }
        _ => ready_condition(watched, outcome, counts, now)?,
    };
    let stored: Status =
        watched.status.as_ref().and_then(|raw| Status::deserialize(raw).ok()).unwrap_or_default();
    let number = |known: Option<u64>, stored: Option<u64>| known.or(stored);
    let status = Status {
        capacity: watched.pool.as_ref().ok().and_then(|pool| u64::try_from(pool.names.len()).ok()),
        held: number(counts.map(|counts| counts.held), stored.held),
        free: number(counts.and_then(|counts| counts.free), stored.free),
        waiting: number(counts.map(|counts| counts.waiting), stored.waiting),
        quarantined: number(counts.map(|counts| counts.quarantined), stored.quarantined),
        conditions: conditions(
            &stored.conditions,
            ready_condition,
            counts.and_then(Exhausted::of),
            watched.generation,
            now,
        ),
    };
    if status == stored { None } else { serde_json::to_value(status).ok() }
}

fn ready_condition(
    watched: &Watched,
    outcome: Option<&PoolStage>,
    counts: Option<&Counts>,
    now: UnixMillis,
) -> Option<ReadyCondition> {
    let no = |reason, message| ReadyCondition { ready: false, reason, message };
    let ready_condition = match outcome? {
        // Without the error's message, which names another member every few seconds: each change would be a write. The
        // log has it.
        PoolStage::Unreachable if watched.leaving => no(
            ETCD_UNREACHABLE,
            "deletion waits, because etcd does not answer and may have names of this pool; check that etcd runs and \
             read the webhook's log for the cause"
                .to_owned(),
        ),
        PoolStage::Unreachable => no(
            ETCD_UNREACHABLE,
            "etcd does not answer, so this pool cannot be written to it; pods keep what they hold; \
             check that etcd runs and read the webhook's log for the cause"
                .to_owned(),
        ),
        PoolStage::OtherCluster { known, found } => no(
            OTHER_CLUSTER,
            format!(
                "the etcd that answers is cluster {found}, not {known}, so this pool is not written to it; {}",
                known.advice_on(*found)
            ),
        ),
        PoolStage::Refused(words) => no(
            "EtcdRefused",
            format!("etcd refused this pool; check its quota and the webhook's rights in it: {words}"),
        ),
        PoolStage::Ending => no("BeingDeleted", ending(counts?, now)),
        PoolStage::Ended | PoolStage::Unguarded => return None,
        PoolStage::OtherShape(shape) => no(OTHER_SHAPE, contradiction(*shape, counts, now)),
        PoolStage::Defined => ReadyCondition {
            ready: true,
            reason: "Defined",
            message: "pods can claim from this pool".to_owned(),
        },
    };
    Some(ready_condition)
}

fn ending(counts: &Counts, now: UnixMillis) -> String {
    match usage::summary(counts, now) {
        Some(used) => format!(
            "deletion waits until nothing of this pool is in use: {used}. Nothing new is granted. Delete these pods, \
             or take the pool out of their annotation {}; names that rest are free by themselves",
            annotation::POOL
        ),
        None => "deletion goes on: nothing of this pool is in use".to_owned(),
    }
}

fn contradiction(shape: Shape, counts: Option<&Counts>, now: UnixMillis) -> String {
    let used = counts.and_then(|counts| usage::summary(counts, now));
    format!(
        "etcd has an earlier pool of this name with scope {scope:?} and clock {clock:?}, and names of two shapes \
         together would not be unique; nothing new is granted. In use: {used}. Delete these pods and wait, or delete \
         this pool and create it with scope: {scope:?} and clock: {clock:?}, or choose another name for it",
        scope = shape.scope,
        clock = shape.clock,
        used = used.as_deref().unwrap_or("not known yet, or nothing any more"),
    )
}

/// The message in a status which says that etcd has another shape of this pool.
pub fn other_shape(status: &Value) -> Option<String> {
    let status = Status::deserialize(status).ok()?;
    let found = status.conditions.into_iter().find(|condition| condition.type_ == READY)?;
    (found.reason == OTHER_SHAPE).then_some(found.message)
}

/// Replaces our conditions and keeps others. The time is that of the last change between True and False.
fn conditions(
    stored: &[Condition],
    ready: ReadyCondition,
    exhausted: Option<Exhausted>,
    generation: Option<i64>,
    now: UnixMillis,
) -> Vec<Condition> {
    let ready = (READY, ready.ready, ready.reason, ready.message);
    let exhausted = exhausted.map(|it| (EXHAUSTED, it.exhausted, it.reason, it.message));
    let mut all = stored.to_vec();
    for (type_, holds, reason, message) in [Some(ready), exhausted].into_iter().flatten() {
        let status = if holds { "True" } else { "False" };
        let before = all.iter().find(|old| old.type_ == type_ && old.status == status);
        let since = before.map(|old| old.last_transition_time.clone());
        let new = Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: generation,
            last_transition_time: since.unwrap_or_else(|| Time(timestamp::of(now))),
        };
        match all.iter_mut().find(|old| old.type_ == type_) {
            Some(old) => *old = new,
            None => all.push(new),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use cairn_store::ClusterId;
    use serde_json::json;

    use super::*;
    use crate::pools::resource::PoolObject;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);
    const LATER: UnixMillis = UnixMillis(1_795_230_060_000);

    fn watched(names: &[&str]) -> Watched {
        let mut object = PoolObject::new("teas", json!({"names": {"list": names}}));
        object.metadata.generation = Some(3);
        Watched::from(object)
    }

    fn with(mut watched: Watched, status: Value) -> Watched {
        watched.status = Some(status);
        watched
    }

    #[test]
    fn a_defined_pool_is_ready_and_its_names_are_counted() {
        let counts =
            Counts { held: 2, free: Some(0), waiting: 1, quarantined: 4, ..Counts::default() };
        let pool = watched(&["mint", "assam"]);
        let status = desired(&pool, Some(&PoolStage::Defined), Some(&counts), NOW).unwrap();
        assert_eq!(
            status,
            json!({"capacity": 2, "held": 2, "free": 0, "waiting": 1, "quarantined": 4, "conditions": [{
                "type": "Ready", "status": "True", "reason": "Defined", "observedGeneration": 3,
                "message": "pods can claim from this pool",
                "lastTransitionTime": "2026-11-21T03:00:00Z"}, {
                "type": "Exhausted", "status": "True", "reason": "PodsWait", "observedGeneration": 3,
                "message": "no name is free and 1 pod has to wait; give the pool more names, or stop pods that hold \
                    one",
                "lastTransitionTime": "2026-11-21T03:00:00Z"}]})
        );
        let written = with(pool, status);
        assert_eq!(desired(&written, Some(&PoolStage::Defined), Some(&counts), LATER), None);
    }

    #[test]
    fn an_invalid_pool_says_what_to_write() {
        let status = desired(&watched(&[]), None, None, NOW).unwrap();
        assert_eq!(status["capacity"], Value::Null);
        assert_eq!(status["conditions"][0]["reason"], "InvalidSpec");
        assert_eq!(
            status["conditions"][0]["message"],
            "names.list is empty; give it at least one name"
        );
    }

    #[test]
    fn nothing_is_said_about_a_pool_before_etcd_was_tried() {
        assert_eq!(desired(&watched(&["mint"]), None, None, NOW), None);
    }

    #[test]
    fn an_unreachable_etcd_leaves_the_counts_and_changes_the_time_once() {
        let counts = Counts { held: 2, ..Counts::default() };
        let pool = watched(&["mint"]);
        let ready = desired(&pool, Some(&PoolStage::Defined), Some(&counts), NOW).unwrap();
        let pool = with(pool, ready);
        let down = desired(&pool, Some(&PoolStage::Unreachable), None, LATER).unwrap();
        assert_eq!(down["held"], 2);
        assert_eq!(down["conditions"][0]["reason"], "EtcdUnreachable");
        assert_eq!(down["conditions"][0]["lastTransitionTime"], "2026-11-21T03:01:00Z");
        let pool = with(pool, down);
        let (known, found) = (ClusterId::new(1), ClusterId::new(2));
        let other = PoolStage::OtherCluster { known, found };
        let other = desired(&pool, Some(&other), None, LATER).unwrap();
        assert_eq!(other["conditions"][0]["reason"], "EtcdOtherCluster");
        let refused = PoolStage::Refused("etcdserver: no space".into());
        let refused = desired(&pool, Some(&refused), None, UnixMillis(LATER.0 * 2)).unwrap();
        assert_eq!(refused["conditions"][0]["lastTransitionTime"], "2026-11-21T03:01:00Z");
    }

    #[test]
    fn a_pool_that_is_held_back_says_by_whom_and_what_to_do() {
        let mut pool = watched(&["mint"]);
        pool.leaving = true;
        assert_eq!(
            desired(&pool, Some(&PoolStage::Ending), None, NOW),
            None,
            "nobody has counted yet"
        );
        let holders = vec!["shop/checkout-1: mint".to_owned()];
        let counts = Counts { held: 1, holders, ..Counts::default() };
        let status = desired(&pool, Some(&PoolStage::Ending), Some(&counts), NOW).unwrap();
        let condition = &status["conditions"][0];
        assert_eq!(
            (&condition["status"], &condition["reason"]),
            (&json!("False"), &json!("BeingDeleted"))
        );
        let message = condition["message"].as_str().unwrap();
        for part in
            ["1 name is held (shop/checkout-1: mint)", "Delete these pods", "cairn.dev/pool"]
        {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(other_shape(&status), None);
    }

    #[test]
    fn a_pool_of_another_shape_says_so_and_admission_reads_it() {
        let shape = Shape { scope: cairn_core::pool::Scope::Cluster, ..Shape::default() };
        let outcome = PoolStage::OtherShape(shape);
        let counts = Counts { quarantined: 2, ..Counts::default() };
        let status = desired(&watched(&["mint"]), Some(&outcome), Some(&counts), NOW).unwrap();
        let message = other_shape(&status).unwrap();
        for part in
            ["scope Cluster and clock None", "2 names rest", "create it with scope: Cluster"]
        {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn conditions_of_others_stay() {
        let other = json!({"type": "Audited", "status": "True", "reason": "Audit", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let pool = with(watched(&["mint"]), json!({"conditions": [other]}));
        let status = desired(&pool, Some(&PoolStage::Defined), None, NOW).unwrap();
        assert_eq!(status["conditions"][0], other);
        assert_eq!(status["conditions"][1]["type"], "Ready");
    }
}
