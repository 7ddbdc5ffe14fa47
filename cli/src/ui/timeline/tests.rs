//! What is remembered of owners.

use serde_json::{Value, json};

use super::*;
use crate::ui::model::tests::{group_keys, key};

const HOUR: i64 = 3_600_000;

/// A group in which pod `a` and pod `b` are members, and this one owns shard 0 since this revision.
fn owned_by(uid: &str, revision: i64) -> Groups {
    let grant = json!({"uid": uid, "session": {"epoch": 5, "revision": 10}, "validity_ms": 10_000});
    let mut keys = group_keys(&["a", "b"]);
    keys.push(key("/cairn/v1/ns/shop/g/ledger/s/00000", &grant, revision));
    Groups::read(&keys)
}

fn spans(timeline: &Timeline) -> Vec<Value> {
    let found = timeline.spans().find(|(_, what, _)| *what == Ownable::Shard(0));
    found.map_or_else(Vec::new, |(_, _, spans)| spans.as_array().unwrap().clone())
}

#[test]
fn a_handover_ends_one_span_and_begins_another() {
    let mut timeline = Timeline::default();
    timeline.observe(&owned_by("a", 20), UnixMillis(1000));
    timeline.observe(&owned_by("a", 20), UnixMillis(2000));
    timeline.observe(&owned_by("b", 30), UnixMillis(3000));
    let expected = [
        json!({"from": 1000, "to": 3000, "uid": "a", "pod": "pod-a"}),
        json!({"from": 3000, "to": null, "uid": "b", "pod": "pod-b"}),
    ];
    assert_eq!(spans(&timeline), expected);
}

#[test]
fn a_shard_whose_owner_is_gone_has_a_gap() {
    let mut timeline = Timeline::default();
    timeline.observe(&owned_by("a", 20), UnixMillis(1000));
    timeline.observe(&owned_by("nobody", 20), UnixMillis(2000));
    timeline.observe(&owned_by("b", 30), UnixMillis(5000));
    let times: Vec<_> = spans(&timeline).iter().map(|span| span["from"].clone()).collect();
    assert_eq!(times, [1000, 5000]);
    assert_eq!(spans(&timeline)[0]["to"], 2000);
}

#[test]
fn the_same_pod_with_another_grant_has_another_span() {
    let mut timeline = Timeline::default();
    timeline.observe(&owned_by("a", 20), UnixMillis(1000));
    timeline.observe(&owned_by("a", 40), UnixMillis(2000));
    assert_eq!(spans(&timeline).len(), 2);
}

#[test]
fn what_is_long_over_is_forgotten_and_the_rest_is_bounded() {
    let mut timeline = Timeline::default();
    timeline.observe(&owned_by("a", 20), UnixMillis(0));
    timeline.observe(&owned_by("b", 30), UnixMillis(1));
    timeline.observe(&owned_by("b", 30), UnixMillis(2 + HOUR));
    assert_eq!(spans(&timeline).len(), 1, "the span of a ended more than an hour ago");
    for revision in 100..400 {
        timeline.observe(&owned_by("a", revision), UnixMillis(HOUR + revision));
    }
    assert_eq!(spans(&timeline).len(), MOST_SPANS);
    timeline.observe(&Groups::default(), UnixMillis(2 * HOUR));
    timeline.observe(&Groups::default(), UnixMillis(4 * HOUR));
    assert_eq!(timeline.spans().count(), 0);
}
