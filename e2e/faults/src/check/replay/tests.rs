//! Small histories, each about one rule.

use cairn_core::claim::Holder;
use cairn_core::time::UnixMillis;

use super::*;
use crate::history::{Generation, Put};

const SECOND: u64 = 1_000_000_000;

/// A history written by hand: one store, one change set per call.
struct HistoryBuilder {
    steps: Generation,
    created: HashMap<String, i64>,
}

impl HistoryBuilder {
    fn new() -> Self {
        let history = Self { steps: Generation::new(), created: HashMap::new() };
        history.at(0, &[("+/cairn/v1/epoch", "1")])
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
fn claims_releases_and_quarantines_in_their_order_are_no_violation() {
    let history = HistoryBuilder::new()
        .at(1, &[("+s/0", "a")])
        .at(2, &[("+s/1", "b")])
        .at(3, &[("-s/0", ""), ("+x/0", "")])
        .at(5, &[("-x/0", "")])
        .at(6, &[("+s/0", "c")]);
    assert!(history.kinds().is_empty());
}

#[test]
fn a_name_that_is_granted_during_its_quarantine_is_found() {
    let history = HistoryBuilder::new()
        .at(1, &[("+s/0", "a")])
        .at(3, &[("-s/0", ""), ("+x/0", "")])
        .at(4, &[("+s/0", "b")]);
    assert_eq!(history.kinds(), [Kind::ClaimedWhileResting]);
}

/// The violations when `next` claims a name during the quarantine after a release by `a`.
fn after_a_quarantine_of_a(next: &str) -> Vec<Kind> {
    let record = r#"{"namespace":"n","pod":"p","uid":"a","node":"","incarnation":1,"since":0,
        "fence":{"epoch":1,"revision":3},"waits_for":"time"}"#;
    HistoryBuilder::new()
        .at(1, &[("+s/0", "a")])
        .at(3, &[("-s/0", ""), ("+x/0", record)])
        .at(4, &[("+q/c", ""), ("+g", "")])
        .at(5, &[("+s/0", next), ("-x/0", "")])
        .kinds()
}

#[test]
fn only_the_pod_of_the_record_may_claim_during_a_quarantine_and_ahead_of_the_queue() {
    assert_eq!(after_a_quarantine_of_a("a"), []);
    let found = after_a_quarantine_of_a("b");
    assert!(found.contains(&Kind::ClaimedWhileResting), "{found:?}");
}

#[test]
fn a_pod_may_re_claim_its_lost_number_ahead_of_the_queue_only_in_a_freeze() {
    let claims_again = |meanwhile: &'static str| {
        HistoryBuilder::new()
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
    let history = HistoryBuilder::new().at(1, &[("+s/0", "a")]).at(2, &[("+s/1", "a")]);
    assert_eq!(history.kinds(), [Kind::TwoNames]);
}

#[test]
fn a_ticket_of_a_holder_is_found() {
    let history = HistoryBuilder::new().at(1, &[("+s/0", "a")]).at(2, &[("+q/a", ""), ("+g", "")]);
    assert_eq!(history.kinds(), [Kind::HolderQueues]);
}

/// Three names are held; `b` waits ahead of `c`.
fn queue() -> HistoryBuilder {
    HistoryBuilder::new()
        .at(1, &[("+s/0", "x")])
        .at(1, &[("+s/1", "y")])
        .at(1, &[("+s/2", "z")])
        .at(2, &[("+q/b", ""), ("+g", "")])
        .at(3, &[("+q/c", ""), ("+g", "")])
}

#[test]
fn the_first_ticket_may_take_the_first_free_name() {
    let history = queue().at(4, &[("-s/1", "")]).at(4, &[("+s/1", "b"), ("-q/b", "")]);
    assert!(history.kinds().is_empty());
}

#[test]
fn the_second_ticket_may_take_the_second_free_name_before_the_first_ticket_takes_its_own() {
    let history = queue()
        .at(4, &[("-s/1", ""), ("-s/2", "")])
        .at(4, &[("+s/2", "c"), ("-q/c", "")])
        .at(4, &[("+s/1", "b"), ("-q/b", "")]);
    assert!(history.kinds().is_empty());
}

#[test]
fn the_second_ticket_must_not_take_the_only_free_name_at_once() {
    let history = queue().at(4, &[("-s/1", "")]).at(4, &[("+s/1", "c"), ("-q/c", "")]);
    assert_eq!(history.kinds(), [Kind::Overtaken]);
}

#[test]
fn a_ticket_ahead_counts_as_abandoned_after_a_second_of_idle_time() {
    let history = queue().at(4, &[("-s/1", "")]).at(6, &[("+s/1", "c"), ("-q/c", "")]);
    assert!(history.kinds().is_empty());
}

#[test]
fn a_pod_without_a_ticket_must_not_overtake_tickets_after_any_idle_time() {
    let history = queue().at(4, &[("-s/1", "")]).at(9, &[("+s/1", "d")]);
    assert_eq!(history.kinds(), [Kind::Overtaken]);
}

#[test]
fn a_pod_may_re_claim_its_lost_name_ahead_of_the_queue_in_a_keep_pool() {
    let place = "/cairn/v1/ns/faults/c/peaks/checkout/";
    let key = |sign: &str, rest: &str| format!("{sign}{place}{rest}");
    let history = HistoryBuilder::new()
        .at(1, &[(&key("+", "s/peak1"), "y")])
        .at(2, &[(&key("+", "q/b"), "")])
        .at(4, &[(&key("-", "s/peak1"), "")])
        .at(4, &[(&key("+", "s/peak1"), "y")]);
    assert!(history.kinds().is_empty());
    let stops = queue().at(4, &[("-s/1", "")]).at(4, &[("+s/1", "y")]);
    assert_eq!(stops.kinds(), [Kind::Overtaken]);
}

#[test]
fn after_a_wipe_fences_grow_only_when_the_epoch_has_grown() {
    let layout = Layout::new(3, 3, Duration::from_secs(4), Duration::from_secs(2)).unwrap();
    let first = HistoryBuilder::new().at(1, &[("+s/1", "a")]).at(2, &[("+s/0", "a2")]).steps;
    let kinds = |epoch: &str| {
        let second = HistoryBuilder { steps: Generation::new(), created: HashMap::new() }
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
fn a_request_may_land_late_when_it_was_right_at_its_sending() {
    let history = queue()
        .at(4, &[("-s/1", ""), ("-s/2", "")])
        .at(5, &[("+x/1", "")])
        .at(5, &[("+s/2", "c"), ("-q/c", "")]);
    assert!(history.kinds().is_empty());
}
