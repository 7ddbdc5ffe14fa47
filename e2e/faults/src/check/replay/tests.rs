//! Small histories, one rule each.

use cairn_core::claim::Holder;
use cairn_core::time::UnixMillis;

use super::*;
use crate::history::{Generation, Put};

const SECOND: u64 = 1_000_000_000;

/// A history written by hand: one store, one change set per call.
struct Script {
    steps: Generation,
    created: HashMap<String, i64>,
}

impl Script {
    fn new() -> Self {
        let script = Self { steps: Generation::new(), created: HashMap::new() };
        script.at(0, &[("+/cairn/v1/epoch", "1")])
    }

    /// `+key` puts, `-key` deletes, at so many seconds.
    fn at(mut self, second: u64, changes: &[(&str, &str)]) -> Self {
        let revision = self.steps.keys().last().map_or(2, |last| last + 1);
        let changes = changes
            .iter()
            .map(|(change, uid)| {
                let (sign, rest) = change.split_at(1);
                let key = if rest.starts_with('/') {
                    rest.to_owned()
                } else {
                    format!("/cairn/v1/cluster/nodes/-/{rest}")
                };
                let put = (sign == "+").then(|| Put {
                    value: if key.contains("/s/") { slot(uid) } else { uid.as_bytes().to_vec() },
                    create_revision: *self.created.entry(key.clone()).or_insert(revision),
                });
                if put.is_none() {
                    self.created.remove(&key);
                }
                Change { key, put }
            })
            .collect();
        self.steps.insert(revision, Step { seen: second * SECOND, changes });
        self
    }

    fn kinds(self) -> Vec<Kind> {
        let layout = Layout::new(3, 3, Duration::from_secs(4), Duration::from_secs(2)).unwrap();
        let history = History { generations: vec![self.steps] };
        let (found, _) = check(&layout, &history, &[]);
        found.into_iter().map(|violation| violation.kind).collect()
    }
}

fn slot(uid: &str) -> Vec<u8> {
    let holder = Holder { uid: uid.to_owned(), ..Holder::default() };
    let record = SlotRecord {
        holder,
        nonce: "n".to_owned(),
        since: UnixMillis(0),
        validity_ms: 4000,
        quarantine_ms: 2000,
    };
    serde_json::to_vec(&record).unwrap()
}

#[test]
fn claims_releases_and_rests_in_their_order_are_fine() {
    let script = Script::new()
        .at(1, &[("+s/0", "a")])
        .at(2, &[("+s/1", "b")])
        .at(3, &[("-s/0", ""), ("+x/0", "")])
        .at(5, &[("-x/0", "")])
        .at(6, &[("+s/0", "c")]);
    assert!(script.kinds().is_empty());
}

#[test]
fn a_name_given_out_while_it_rests_is_found() {
    let script = Script::new()
        .at(1, &[("+s/0", "a")])
        .at(3, &[("-s/0", ""), ("+x/0", "")])
        .at(4, &[("+s/0", "b")]);
    assert_eq!(script.kinds(), [Kind::ClaimedWhileResting]);
}

/// A rest of `a`, and who claims next.
fn after_a_rest_of_a(next: &str) -> Vec<Kind> {
    let rest = r#"{"namespace":"n","pod":"p","uid":"a","node":"","incarnation":1,"since":0,
        "fence":{"epoch":1,"revision":3},"waits_for":"time"}"#;
    Script::new()
        .at(1, &[("+s/0", "a")])
        .at(3, &[("-s/0", ""), ("+x/0", rest)])
        .at(4, &[("+q/c", ""), ("+g", "")])
        .at(5, &[("+s/0", next), ("-x/0", "")])
        .kinds()
}

#[test]
fn a_pod_ends_its_own_rest_ahead_of_the_queue_and_no_other_pod_does() {
    assert_eq!(after_a_rest_of_a("a"), []);
    let found = after_a_rest_of_a("b");
    assert!(found.contains(&Kind::ClaimedWhileResting), "{found:?}");
}

#[test]
fn only_in_a_freeze_a_pod_takes_its_lost_number_back_ahead_of_the_queue() {
    let claims_again = |meanwhile: &'static str| {
        Script::new()
            .at(1, &[("+s/0", "x")])
            .at(1, &[("+s/1", "a")])
            .at(1, &[("+s/2", "y")])
            .at(2, &[("-s/1", "")])
            .at(3, &[("+q/c", ""), ("+g", "")])
            .at(4, &[(meanwhile, "")])
            .at(4, &[("+s/1", "a")])
            .kinds()
    };
    assert_eq!(claims_again("+/cairn/v1/hold/nodes"), []);
    assert_eq!(claims_again("+/cairn/v1/pools/nodes"), [Kind::Overtaken]);
}

#[test]
fn a_second_name_of_one_pool_is_found() {
    let script = Script::new().at(1, &[("+s/0", "a")]).at(2, &[("+s/1", "a")]);
    assert_eq!(script.kinds(), [Kind::TwoNames]);
}

#[test]
fn a_ticket_of_a_holder_is_found() {
    let script = Script::new().at(1, &[("+s/0", "a")]).at(2, &[("+q/a", ""), ("+g", "")]);
    assert_eq!(script.kinds(), [Kind::HolderQueues]);
}

/// Three names held; `b` waits before `c`.
fn queue() -> Script {
    Script::new()
        .at(1, &[("+s/0", "x")])
        .at(1, &[("+s/1", "y")])
        .at(1, &[("+s/2", "z")])
        .at(2, &[("+q/b", ""), ("+g", "")])
        .at(3, &[("+q/c", ""), ("+g", "")])
}

#[test]
fn the_first_in_the_queue_takes_the_first_free_name() {
    let script = queue().at(4, &[("-s/1", "")]).at(4, &[("+s/1", "b"), ("-q/b", "")]);
    assert!(script.kinds().is_empty());
}

#[test]
fn the_second_in_the_queue_may_be_faster_to_the_second_free_name() {
    let script = queue()
        .at(4, &[("-s/1", ""), ("-s/2", "")])
        .at(4, &[("+s/2", "c"), ("-q/c", "")])
        .at(4, &[("+s/1", "b"), ("-q/b", "")]);
    assert!(script.kinds().is_empty());
}

#[test]
fn the_second_in_the_queue_must_not_take_the_only_free_name_at_once() {
    let script = queue().at(4, &[("-s/1", "")]).at(4, &[("+s/1", "c"), ("-q/c", "")]);
    assert_eq!(script.kinds(), [Kind::Overtaken]);
}

#[test]
fn after_a_second_of_silence_a_ticket_ahead_counts_as_abandoned() {
    let script = queue().at(4, &[("-s/1", "")]).at(6, &[("+s/1", "c"), ("-q/c", "")]);
    assert!(script.kinds().is_empty());
}

#[test]
fn whoever_has_no_ticket_must_not_pass_those_that_have_whatever_the_silence() {
    let script = queue().at(4, &[("-s/1", "")]).at(9, &[("+s/1", "d")]);
    assert_eq!(script.kinds(), [Kind::Overtaken]);
}

#[test]
fn a_pod_gets_its_own_lost_name_back_ahead_of_the_queue_in_a_pool_that_keeps_names() {
    let place = "/cairn/v1/ns/faults/c/peaks/checkout/";
    let key = |sign: &str, rest: &str| format!("{sign}{place}{rest}");
    let script = Script::new()
        .at(1, &[(&key("+", "s/peak1"), "y")])
        .at(2, &[(&key("+", "q/b"), "")])
        .at(4, &[(&key("-", "s/peak1"), "")])
        .at(4, &[(&key("+", "s/peak1"), "y")]);
    assert!(script.kinds().is_empty());
    let stops = queue().at(4, &[("-s/1", "")]).at(4, &[("+s/1", "y")]);
    assert_eq!(stops.kinds(), [Kind::Overtaken]);
}

#[test]
fn fences_grow_over_a_wipe_only_with_the_epoch() {
    let layout = Layout::new(3, 3, Duration::from_secs(4), Duration::from_secs(2)).unwrap();
    let first = Script::new().at(1, &[("+s/1", "a")]).at(2, &[("+s/0", "a2")]).steps;
    let kinds = |epoch: &str| {
        let second = Script { steps: Generation::new(), created: HashMap::new() }
            .at(5, &[("+/cairn/v1/epoch", epoch)])
            .at(6, &[("+s/0", "b")])
            .steps;
        let history = History { generations: vec![first.clone(), second] };
        let (found, granted) = check(&layout, &history, &[]);
        (found.into_iter().map(|violation| violation.kind).collect::<Vec<_>>(), granted.len())
    };
    assert_eq!(kinds("2"), (Vec::new(), 3));
    assert_eq!(kinds("1").0, [Kind::FenceOrder]);
}

#[test]
fn a_request_that_was_right_when_it_was_sent_may_land_late() {
    let script = queue()
        .at(4, &[("-s/1", ""), ("-s/2", "")])
        .at(5, &[("+x/1", "")])
        .at(5, &[("+s/2", "c"), ("-q/c", "")]);
    assert!(script.kinds().is_empty());
}
