//! The judge on journals of a few lines.

use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::coordination::owner::Ownable;

use super::{Kind, gaps, judge, longest_gap, overruns, restless, unconfirmed, uneven, values};
use crate::coordination::journal::{Ending, Evidence, LeaderValue, Span};

const S: u64 = 1_000_000_000;

const fn fence(revision: i64) -> Fence {
    Fence { epoch: 1, revision }
}

fn span(uid: &str, revision: i64, first: u64, until: u64) -> Span {
    Span {
        of: Ownable::Shard(3),
        map: 16,
        uid: uid.to_owned(),
        fence: fence(revision),
        first,
        last: first,
        until,
        ending: Ending::GivenUp,
        confirmed: None,
    }
}

fn kinds(spans: &[Span]) -> Vec<Kind> {
    judge(spans).into_iter().map(|violation| violation.kind).collect()
}

#[test]
fn servers_that_follow_one_another_are_no_violation() {
    assert_eq!(kinds(&[span("a", 3, S, 2 * S), span("b", 5, 2 * S, 3 * S)]), []);
}

#[test]
fn two_servers_of_one_shard_at_one_instant_are_found() {
    assert_eq!(kinds(&[span("a", 3, S, 3 * S), span("b", 5, 2 * S, 4 * S)]), [Kind::Overlap]);
    let inner = [span("a", 3, S, 9 * S), span("b", 5, 2 * S, 3 * S)];
    assert_eq!(kinds(&inner), [Kind::Overlap]);
}

#[test]
fn two_leaders_at_one_instant_are_found() {
    let lead = |span: Span| Span { of: Ownable::Leader, map: 0, ..span };
    let spans = [lead(span("a", 3, S, 3 * S)), lead(span("b", 5, 2 * S, 4 * S))];
    assert_eq!(kinds(&spans), [Kind::Overlap]);
}

#[test]
fn one_pod_and_different_shards_do_not_overlap() {
    assert_eq!(kinds(&[span("a", 3, S, 3 * S), span("a", 5, 2 * S, 4 * S)]), []);
    let other = Span { of: Ownable::Shard(4), ..span("b", 5, 2 * S, 4 * S) };
    assert_eq!(kinds(&[span("a", 3, S, 3 * S), other]), []);
}

#[test]
fn a_later_server_needs_a_greater_fence() {
    assert_eq!(kinds(&[span("a", 5, S, 2 * S), span("b", 5, 3 * S, 4 * S)]), [Kind::FenceOrder]);
    assert_eq!(kinds(&[span("a", 9, S, 2 * S), span("b", 5, 3 * S, 4 * S)]), [Kind::FenceOrder]);
    let mut next = span("b", 2, 3 * S, 4 * S);
    next.fence.epoch = 2;
    assert_eq!(kinds(&[span("a", 9, S, 2 * S), next]), []);
}

#[test]
fn shards_of_two_maps_at_one_instant_are_found() {
    let other = |first| Span { of: Ownable::Shard(20), map: 32, ..span("b", 5, first, 9 * S) };
    assert_eq!(kinds(&[span("a", 3, S, 3 * S), other(2 * S)]), [Kind::TwoMaps]);
    assert_eq!(kinds(&[span("a", 3, S, 3 * S), other(3 * S)]), []);
    // Also when another span of the first map begins between them and ends sooner.
    let short = Span { of: Ownable::Shard(4), ..span("c", 4, S + 1, S + 2) };
    assert_eq!(kinds(&[span("a", 3, S, 3 * S), short, other(2 * S)]), [Kind::TwoMaps]);
}

#[test]
fn a_deadline_that_has_passed_is_followed_by_a_margin() {
    let silent = |until| Span { ending: Ending::Deadline, ..span("a", 3, S, until) };
    assert_eq!(kinds(&[silent(2 * S), span("b", 5, 3 * S, 4 * S)]), [Kind::Margin]);
    assert_eq!(kinds(&[silent(2 * S), span("b", 5, 4 * S, 5 * S)]), []);
    let dead = Span { ending: Ending::Dead, ..span("a", 3, S, 2 * S) };
    assert_eq!(kinds(&[dead, span("b", 5, 3 * S, 4 * S)]), []);
}

#[test]
fn what_a_lost_pod_served_is_served_again_in_time() {
    let dead = Span { ending: Ending::Dead, ..span("a", 3, S, 2 * S) };
    let losses = [(2 * S, "a".to_owned())];
    let late = |spans: &[Span]| gaps(spans, &losses, Duration::from_secs(5)).len();
    assert_eq!(late(&[dead.clone(), span("b", 5, 7 * S, 9 * S)]), 0);
    assert_eq!(late(&[dead.clone(), span("b", 5, 8 * S, 9 * S)]), 1);
    assert_eq!(late(std::slice::from_ref(&dead)), 1);
    // What was given up before the loss, or began after it, is not lost with the pod.
    assert_eq!(late(&[span("a", 3, S, S + 1)]), 0);
    assert_eq!(late(&[Span { first: 3 * S, until: 4 * S, ..dead.clone() }]), 0);
    // A hung app serves until its deadline, which is later.
    assert_eq!(late(&[Span { ending: Ending::Deadline, until: 4 * S, ..dead }]), 1);
}

#[test]
fn the_longest_gap_is_between_the_last_end_and_the_next_beginning() {
    let spans = [span("a", 3, S, 5 * S), span("b", 5, 2 * S, 3 * S), span("c", 6, 7 * S, 9 * S)];
    assert_eq!(longest_gap(&spans), Some((Duration::from_secs(2), Ownable::Shard(3))));
}

#[test]
fn what_moves_although_nothing_happens_is_found() {
    let spans = [span("a", 3, S, 2 * S), span("b", 5, 3 * S, 4 * S), span("b", 6, 5 * S, 6 * S)];
    assert_eq!(restless(&spans, 2 * S).len(), 1);
    assert_eq!(restless(&spans, 3 * S).len(), 0);
}

#[test]
fn a_hand_over_that_time_has_ended_is_found_where_a_confirmation_is_required() {
    let of = |confirmed, ended: &[(i64, &str)]| {
        let spans = vec![Span { confirmed, ..span("a", 3, S, 2 * S) }, span("b", 5, 4 * S, 5 * S)];
        let ends = ended.iter().map(|(at, uid)| (fence(*at), (*uid).to_owned()));
        let sessions_ended = ends.collect();
        unconfirmed(&Evidence { spans, sessions_ended, ..Evidence::default() }).len()
    };
    assert_eq!((of(None, &[]), of(Some(5 * S), &[])), (1, 1));
    assert_eq!((of(Some(3 * S), &[]), of(None, &[(4, "a")])), (0, 0));
    // Another pod's session, one from before the grant, one that ended after the hand-over.
    assert_eq!((of(None, &[(4, "b")]), of(None, &[(2, "a")]), of(None, &[(6, "a")])), (1, 1, 1));
}

#[test]
fn values_of_the_leader_go_forward() {
    let of = |found: &[(i64, &str)]| {
        let read = |text: &str| LeaderValue::from_bytes(text.as_bytes()).unwrap();
        let values_found = found.iter().map(|(at, text)| (fence(*at), read(text))).collect();
        values(&Evidence { values: values_found, ..Evidence::default() }).len()
    };
    assert_eq!(of(&[(9, "1 3 1"), (11, "1 3 2"), (20, "1 15 1"), (22, "2 5 1")]), 0);
    assert_eq!(of(&[(9, "1 3 2"), (11, "1 3 1")]), 1);
    assert_eq!(of(&[(9, "1 3 2"), (11, "1 3 2")]), 1);
    assert_eq!(of(&[(9, "1 15 1"), (11, "1 3 2")]), 1);
}

#[test]
fn a_value_is_read_as_it_was_written() {
    let value = LeaderValue { under: fence(7), put: 3 };
    assert_eq!(LeaderValue::from_bytes(&value.to_bytes()), Some(value));
    assert_eq!(LeaderValue::from_bytes(b"1 2"), None);
}

#[test]
fn shares_follow_weights() {
    assert_eq!(uneven(&[(100, 12), (200, 24), (50, 6)]), None);
    assert_eq!(uneven(&[(100, 14), (100, 14), (100, 15)]), None);
    assert!(uneven(&[(100, 14), (200, 14)]).is_some());
    assert_eq!(uneven(&[]), None);
}

#[test]
fn a_deadline_beyond_a_heartbeat_is_a_violation() {
    let evidence = Evidence { overruns: vec![(S, "late".to_owned())], ..Evidence::default() };
    assert_eq!(overruns(&evidence).len(), 1);
}
