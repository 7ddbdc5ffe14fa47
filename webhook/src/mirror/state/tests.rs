use std::time::Duration;

use cairn_store::KeyValue;
use cairn_store::etcd::Change;
use serde_json::json;

use super::*;
use crate::mirror::Counts;
use crate::mirror::desired::{LOST_AFTER, WAITING_AFTER};
use crate::mirror::testing::key;

mod listing;

fn id(uid: &str) -> PodId {
    PodId { namespace: "shop".into(), uid: uid.into() }
}

fn mountains() -> PoolName {
    "mountains".parse().unwrap()
}

fn object(uid: &str, version: u64, results: &BTreeMap<String, String>) -> PodObject {
    let mut annotations = results.clone();
    annotations.insert("cairn.dev/pool".into(), "mountains".into());
    serde_json::from_value(json!({
        "metadata": {"namespace": "shop", "name": format!("pod-{uid}"), "uid": uid,
            "resourceVersion": version.to_string(), "annotations": annotations},
        "spec": {"containers": [{"name": "app"}]},
        "status": {"phase": "Running"},
    }))
    .unwrap()
}

fn pod(uid: &str, version: u64) -> PodObject {
    object(uid, version, &BTreeMap::new())
}

/// The pod as it is when its containers have ended and it shows what was written last.
fn finished(uid: &str, version: u64, results: &BTreeMap<String, String>) -> PodObject {
    let mut pod = serde_json::to_value(object(uid, version, results).metadata).unwrap();
    pod = json!({"metadata": pod, "status": {"phase": "Succeeded"}});
    serde_json::from_value(pod).unwrap()
}

fn claim(uid: &str, name: &str, revision: i64) -> Vec<KeyValue> {
    let slot = format!("/cairn/v1/ns/shop/c/mountains/-/s/{name}");
    let record = json!({"namespace": "shop", "pod": "p", "uid": uid, "node": "n", "incarnation": 1,
        "nonce": "x", "since": 0, "validity_ms": 30_000, "quarantine_ms": 15_000});
    let owner = json!({"slot": slot, "nonce": "x"});
    vec![
        key(&slot, &record.to_string(), revision),
        key(&format!("/cairn/v1/ns/shop/o/{uid}/mountains"), &owner.to_string(), revision),
    ]
}

fn spec() -> KeyValue {
    key("/cairn/v1/pools/mountains", r#"{"names":{"list":["Denali"]}}"#, 1)
}

fn list(state: &mut MirrorState, keys: Vec<KeyValue>, now: Instant) {
    for update in [Update::Listing, Update::Page(keys), Update::Listed] {
        state.update(update, now);
    }
}

fn put(keys: Vec<KeyValue>) -> Update {
    Update::Changed(keys.into_iter().map(Change::Put).collect())
}

fn gone(keys: Vec<KeyValue>) -> Update {
    Update::Changed(keys.into_iter().map(|key| Change::Delete(key.key)).collect())
}

/// A leader that has listed these pods, and an etcd without claims.
fn state(uids: &[&str], now: Instant) -> MirrorState {
    let mut state = MirrorState::default();
    state.watched(Event::Init, now);
    for uid in uids {
        state.watched(Event::InitApply(pod(uid, 1)), now);
    }
    state.watched(Event::InitDone, now);
    list(&mut state, Vec::new(), now);
    state.lead(true, now);
    assert_eq!(state.next(now), None);
    state
}

/// The first pod shows its name and still runs, as far as the API server knows. etcd has given the name on to the
/// second pod.
fn name_given_on(now: Instant) -> MirrorState {
    let mut state = state(&["u1", "u2"], now);
    state.update(put(vec![spec()]), now);
    state.update(put(claim("u1", "Denali", 7)), now);
    let first = state.next(now).unwrap();
    state.written(&first.pod, answer(&first, 2), now);
    state.update(gone(claim("u1", "Denali", 7)), now);
    state.update(put(claim("u2", "Denali", 9)), now);
    state
}

/// The annotations after a write to a pod without any.
fn results(write: &Write) -> BTreeMap<String, String> {
    let annotations = write.patch["metadata"]["annotations"].as_object().unwrap();
    annotations
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// What the API server answers to a write.
fn answer(write: &Write, version: u64) -> WriteResult {
    WriteResult::Written(Box::new(object(&write.pod.uid, version, &results(write))))
}

#[test]
fn a_claim_is_written_once_and_its_lag_is_known() {
    let now = Instant::now();
    let mut state = state(&["u1"], now);
    state.update(put(claim("u1", "Denali", 7)), now);
    let write = state.next(now).unwrap();
    assert_eq!((write.pod.clone(), write.name.as_str()), (id("u1"), "pod-u1"));
    assert_eq!(state.next(now), None);
    let later = now + Duration::from_millis(30);
    let lag = state.written(&write.pod, answer(&write, 2), later);
    assert_eq!(lag, Some(Duration::from_millis(30)));
    assert_eq!(state.next(later), None);
    // The watch brings an older version of the pod afterwards: it is not written again.
    state.watched(Event::Apply(pod("u1", 1)), later);
    assert_eq!(state.next(later), None);
    // Somebody takes the annotations off: they are written again.
    state.watched(Event::Apply(pod("u1", 3)), later);
    assert!(state.next(later).is_some());
}

#[test]
fn only_a_leader_that_has_seen_both_sides_writes() {
    let now = Instant::now();
    let mut state = MirrorState::default();
    state.lead(true, now);
    state.watched(Event::Apply(pod("u1", 1)), now);
    list(&mut state, claim("u1", "Denali", 7), now);
    assert_eq!(state.next(now), None);
    state.watched(Event::Init, now);
    state.watched(Event::InitApply(pod("u1", 1)), now);
    state.watched(Event::InitDone, now);
    state.lead(false, now);
    assert_eq!((state.next(now), state.wake()), (None, None));
    state.lead(true, now);
    assert!(state.next(now).is_some());
}

#[test]
fn nothing_is_concluded_from_an_etcd_that_cannot_be_read() {
    let now = Instant::now();
    let mut state = state(&["u1"], now);
    state.update(put(claim("u1", "Denali", 7)), now);
    let write = state.next(now).unwrap();
    state.written(&write.pod, answer(&write, 2), now);
    state.update(gone(claim("u1", "Denali", 7)), now);
    assert_eq!(state.next(now), None);
    state.update(Update::Disconnected, now);
    let later = now + LOST_AFTER * 2;
    assert_eq!((state.next(later), state.wake()), (None, None));
    // It can be read again, and only now the claim begins to be missed.
    list(&mut state, Vec::new(), later);
    assert_eq!(state.next(later), None);
    assert_eq!(state.wake(), Some(later + LOST_AFTER));
    let write = state.next(later + LOST_AFTER).unwrap();
    assert!(matches!(write.news[..], [News::Lost { .. }]));
}

#[test]
fn a_pod_without_a_claim_is_called_waiting_after_a_while() {
    let now = Instant::now();
    let mut state = state(&["u1"], now);
    assert_eq!(state.wake(), Some(now + WAITING_AFTER));
    let later = now + WAITING_AFTER;
    let write = state.next(later).unwrap();
    assert!(matches!(write.news[..], [News::Waiting { .. }]));
    state.written(&write.pod, answer(&write, 2), later);
    assert_eq!((state.next(later), state.wake()), (None, None));
    state.update(put(claim("u1", "Denali", 7)), later);
    assert!(matches!(state.next(later).unwrap().news[..], [News::Claimed { .. }]));
}

#[test]
fn a_finished_pod_loses_its_name_without_news_of_a_loss() {
    let now = Instant::now();
    let mut state = state(&["u1"], now);
    state.update(put(claim("u1", "Denali", 7)), now);
    let write = state.next(now).unwrap();
    state.written(&write.pod, answer(&write, 2), now);
    state.update(gone(claim("u1", "Denali", 7)), now);
    assert_eq!(state.next(now), None);
    state.watched(Event::Apply(finished("u1", 3, &results(&write))), now);
    let write = state.next(now).unwrap();
    let annotations = &write.patch["metadata"]["annotations"];
    assert_eq!(annotations["claim.cairn.dev/mountains"], Value::Null);
    assert!(annotations["cairn.dev/status"].as_str().unwrap().contains("ended"));
    assert!(write.news.is_empty());
}

#[test]
fn a_pod_that_is_being_deleted_is_not_written_to_for_the_first_time() {
    let now = Instant::now();
    let mut state = state(&["u1"], now);
    let mut leaving = pod("u1", 2);
    leaving.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
        ));
    state.watched(Event::Apply(leaving), now);
    state.update(put(claim("u1", "Denali", 7)), now);
    assert_eq!(state.next(now), None);
}

#[test]
fn a_name_is_taken_off_one_pod_before_it_is_put_on_the_next() {
    let now = Instant::now();
    let mut state = name_given_on(now);
    let write = state.next(now).unwrap();
    assert_eq!(write.pod, id("u1"));
    assert_eq!(write.patch["metadata"]["annotations"]["claim.cairn.dev/mountains"], Value::Null);
    assert_eq!(state.next(now), None, "the second pod waits for the first");
    let bare = object("u1", 3, &BTreeMap::new());
    state.written(&write.pod, WriteResult::Written(Box::new(bare)), now);
    let later = now + Duration::from_millis(100);
    let write = std::iter::from_fn(|| state.next(later)).find(|write| write.pod == id("u2"));
    let patch = write.unwrap().patch;
    assert_eq!(patch["metadata"]["annotations"]["claim.cairn.dev/mountains"], "Denali");
}

#[test]
fn a_pod_does_not_wait_for_ever_for_one_that_cannot_be_written_to() {
    let now = Instant::now();
    let mut state = name_given_on(now);
    let mut at = now;
    let written = loop {
        match state.next(at) {
            Some(write) if write.pod == id("u2") => break at,
            Some(write) => drop(state.written(&write.pod, WriteResult::Failed, at)),
            None => at = state.wake().unwrap(),
        }
    };
    let waited = written - now;
    assert!(waited >= Duration::from_secs(5) && waited < Duration::from_secs(6), "{waited:?}");
}

#[test]
fn pods_of_other_groups_may_show_the_same_name() {
    let now = Instant::now();
    let mut state = state(&["u1"], now);
    state.update(put(claim("u1", "Denali", 7)), now);
    let first = state.next(now).unwrap();
    state.written(&first.pod, answer(&first, 2), now);
    let other = serde_json::from_value(json!({
        "metadata": {"namespace": "shop", "name": "other", "uid": "u2", "resourceVersion": "1",
            "annotations": {"cairn.dev/pool": "mountains"}},
        "spec": {"containers": [{}], "initContainers": [{"name": "cairn", "args": ["--group=web"]}]},
    }));
    state.watched(Event::Apply(other.unwrap()), now);
    let moved = |keys: Vec<KeyValue>| {
        let key = |key: KeyValue| KeyValue {
            key: key.key.replace("/-/", "/web/"),
            value: String::from_utf8(key.value).unwrap().replace("/-/", "/web/").into(),
            ..key
        };
        keys.into_iter().map(key).collect::<Vec<_>>()
    };
    state.update(put(moved(claim("u2", "Denali", 9))), now);
    assert_eq!(state.next(now).unwrap().pod, id("u2"));
}

#[test]
fn a_burst_is_written_sixteen_at_a_time_and_completely() {
    let now = Instant::now();
    let uids: Vec<String> = (0..1000).map(|number| format!("u{number}")).collect();
    let mut state = state(&uids.iter().map(String::as_str).collect::<Vec<_>>(), now);
    for (number, uid) in uids.iter().enumerate() {
        state.update(put(claim(uid, &format!("n{number}"), 7)), now);
    }
    let mut running: Vec<Write> = std::iter::from_fn(|| state.next(now)).collect();
    assert_eq!(running.len(), WRITES);
    let mut written = 0;
    while let Some(write) = running.pop() {
        written += 1;
        state.written(&write.pod, answer(&write, 2), now);
        running.extend(state.next(now));
    }
    assert_eq!(written, 1000);
}

#[test]
fn a_write_that_was_put_off_is_made_later_and_shows_the_claim_of_then() {
    let now = Instant::now();
    let mut state = state(&["u1", "u2"], now);
    state.update(put(claim("u1", "Denali", 7)), now);
    state.update(put(claim("u2", "MtLogan", 8)), now);
    let until = now + Duration::from_millis(300);
    let put_off = state.next(now).unwrap().pod;
    state.postpone(&put_off, until);
    assert_eq!((state.next(now), state.wake()), (None, Some(until)));
    state.update(gone(claim("u1", "Denali", 7)), now);
    state.update(put(claim("u1", "Foraker", 9)), now);
    let writes: Vec<Write> = std::iter::from_fn(|| state.next(until)).collect();
    let names = writes
        .iter()
        .map(|write| &write.patch["metadata"]["annotations"]["claim.cairn.dev/mountains"]);
    assert_eq!(names.collect::<Vec<_>>(), ["Foraker", "MtLogan"]);
}

#[test]
fn a_failed_write_is_made_again_after_a_pause_and_one_to_a_pod_that_is_gone_is_not() {
    let now = Instant::now();
    let mut state = state(&["u1", "u2"], now);
    state.update(put(claim("u1", "Denali", 7)), now);
    state.update(put(claim("u2", "MtLogan", 8)), now);
    state.next(now).unwrap();
    state.next(now).unwrap();
    state.written(&id("u1"), WriteResult::Failed, now);
    state.written(&id("u2"), WriteResult::Gone, now);
    assert_eq!(state.next(now), None);
    let wake = state.wake().unwrap();
    assert_eq!(state.next(wake).unwrap().pod, id("u1"));
    assert_eq!(state.next(wake + Duration::from_mins(1)), None);
}

#[test]
fn counts_tell_held_and_waiting_and_are_given_only_when_something_has_changed() {
    let now = Instant::now();
    let mut state = state(&["u1", "u2"], now);
    state.update(put(claim("u1", "Denali", 7)), now);
    let holders = vec!["shop/p: Denali".to_owned()];
    let waiters = vec!["shop/pod-u2".to_owned()];
    let one = Counts { held: 1, slots: 1, holders, ..Counts::default() };
    let counts = Counts { waiting: 1, waiters, ..one.clone() };
    assert_eq!(state.census(), Some(Census::from([(mountains(), counts)])));
    assert_eq!(state.census(), None);
    state.watched(Event::Delete(pod("u2", 2)), now);
    assert_eq!(state.census(), Some(Census::from([(mountains(), one)])));
    state.update(Update::Disconnected, now);
    assert_eq!(state.census(), None);
}
