use std::collections::HashMap;

use cairn_store::etcd::Change;

use super::*;
use crate::mirror::testing::key;

const BASE: &str = "/cairn/v1/ns/shop/c/mountains/checkout/";
const WALL: UnixMillis = UnixMillis(1_795_230_000_000);

/// Pods by UID, and the fences that their status shows.
#[derive(Default)]
struct Known {
    lives: HashMap<&'static str, Life>,
    fences: Vec<i64>,
}

impl Pods for Known {
    fn life(&self, pod: &PodId) -> Option<Life> {
        self.lives.get(pod.uid.as_str()).copied()
    }

    fn live_fences(&self) -> HashSet<(PoolName, i64)> {
        self.fences.iter().map(|fence| ("mountains".parse().unwrap(), *fence)).collect()
    }
}

/// A leader's chores, beside the keys that they are about.
struct Fixture {
    chores: Chores,
    claims: Claims,
    pods: Known,
    now: Instant,
    wall: UnixMillis,
}

fn put(at: &str, value: &str, revision: i64) -> Change {
    Change::Put(key(&format!("{BASE}{at}"), value, revision))
}

fn quarantine(waits_for: &str, revision: i64) -> Change {
    let record = format!(
        r#"{{"namespace":"shop","pod":"p","uid":"u1","node":"n","incarnation":1,
            "fence":{{"epoch":5,"revision":7}},"since":0,"waits_for":"{waits_for}"}}"#
    );
    put("x/Denali", &record, revision)
}

fn deleted(at: &str) -> Change {
    Change::Delete(format!("{BASE}{at}"))
}

impl Fixture {
    fn new(lives: &[(&'static str, Life)]) -> Self {
        let pods = Known { lives: lives.iter().copied().collect(), fences: Vec::new() };
        let (chores, claims) = (Chores::default(), Claims::default());
        Self { chores, claims, pods, now: Instant::now(), wall: WALL }
    }

    fn apply(&mut self, changes: &[Change]) {
        self.claims.apply(changes);
        self.chores.changed(self.now);
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.wall = self.wall.after(span);
    }

    /// What there is to do once changes have settled.
    fn due(&mut self) -> Vec<Task> {
        self.pass(SHORTEST_PAUSE);
        let due = self.chores.due(&self.claims, &self.pods, self.now, self.wall);
        for chore in &due {
            self.chores.done(chore, true, self.now);
        }
        due.into_iter().map(|chore| chore.task).collect()
    }
}

fn at(revision: i64) -> QuarantineAt {
    QuarantineAt { key: "Denali".into(), revision, uid: "u1".into() }
}

#[test]
fn a_rest_that_waits_for_its_pod_is_shortened_as_soon_as_the_pod_has_ended() {
    for (life, expected) in [
        (Some(Life::Runs), vec![]),
        (Some(Life::Leaves), vec![]),
        (Some(Life::Ended), vec![Task::Shorten(at(9))]),
        (None, vec![Task::ShortenUnlessFound(at(9))]),
    ] {
        let mut fixture = Fixture::new(&[]);
        fixture.pods.lives.extend(life.map(|life| ("u1", life)));
        fixture.apply(&[quarantine("pod-end", 9)]);
        assert_eq!(fixture.due(), expected, "{life:?}");
    }
    let mut over = Fixture::new(&[]);
    over.apply(&[quarantine("time", 9)]);
    assert_eq!(over.due(), []);
}

#[test]
fn a_look_comes_soon_after_a_change_and_not_with_every_change() {
    let mut fixture = Fixture::new(&[("u1", Life::Runs)]);
    fixture.apply(&[quarantine("pod-end", 9)]);
    assert_eq!(fixture.due(), []);
    fixture.pods.lives.insert("u1", Life::Ended);
    fixture.chores.changed(fixture.now);
    let wake = fixture.chores.wake().unwrap();
    assert!(wake - fixture.now <= SHORTEST_PAUSE, "{:?}", wake - fixture.now);
    assert!(fixture.chores.due(&fixture.claims, &fixture.pods, fixture.now, WALL).is_empty());
    fixture.now = wake;
    let due = fixture.chores.due(&fixture.claims, &fixture.pods, wake, WALL);
    assert_eq!(due.len(), 1);
    // While it is under way it is not begun again.
    fixture.chores.changed(wake);
    assert_eq!(fixture.due(), []);
    // One that failed is tried again after a pause.
    fixture.chores.done(&due[0], false, fixture.now);
    fixture.chores.changed(fixture.now);
    assert_eq!(fixture.due(), []);
    fixture.pass(RETRY);
    assert_eq!(fixture.due(), [Task::Shorten(at(9))]);
}

#[test]
fn the_rest_of_a_pod_that_runs_is_put_on_a_new_lease_in_time_and_at_once_when_its_age_is_unknown() {
    let mut fixture = Fixture::new(&[("u1", Life::Runs)]);
    fixture.apply(&[quarantine("pod-end", 9)]);
    assert_eq!(fixture.due(), []);
    fixture.pass(PROLONG_AFTER);
    assert_eq!(fixture.due(), [Task::Prolong(at(9))]);
    fixture.apply(&[quarantine("pod-end", 12)]);
    assert_eq!(fixture.due(), []);
    // The mirror was restarted, or lost sight of etcd.
    fixture.chores.listed(fixture.now);
    assert_eq!(fixture.due(), [Task::Prolong(at(12))]);
}

#[test]
fn the_note_of_a_dead_pod_is_settled_and_that_of_a_pod_that_may_take_its_name_back_is_not() {
    let mut fixture = Fixture::new(&[]);
    fixture.apply(&[put("s/Denali", "{}", 7), put("d/Denali", "46", 7)]);
    fixture.claims.apply(&[deleted("s/Denali")]);
    fixture.pods.fences = vec![7];
    assert_eq!(fixture.due(), []);
    fixture.pods.fences = vec![8];
    fixture.chores.changed(fixture.now);
    assert_eq!(fixture.due(), [Task::Settle(vec!["Denali".into()])]);
    // While a slot stands, its note is nobody's business.
    let mut held = Fixture::new(&[]);
    let record = r#"{"namespace":"shop","pod":"p","uid":"u1","node":"n","incarnation":1,"nonce":"x",
        "since":0,"validity_ms":30000,"quarantine_ms":15000}"#;
    held.apply(&[put("s/Denali", record, 7), put("d/Denali", "46", 7)]);
    assert_eq!(held.due(), []);
}

#[test]
fn keys_of_a_group_go_once_nothing_has_hung_there_for_long() {
    let mut fixture = Fixture::new(&[]);
    fixture.apply(&[put("g", "", 5), put("r", "", 6), put("q/u1", "{}", 5)]);
    fixture.pass(UNUSED_AFTER);
    assert_eq!(fixture.due(), [], "somebody waits");
    fixture.apply(&[deleted("q/u1")]);
    assert_eq!(fixture.due(), []);
    fixture.pass(UNUSED_AFTER / 2);
    fixture.apply(&[put("x/Denali", "", 9)]);
    assert_eq!(fixture.due(), [], "a new quarantine begins its time anew");
    fixture.apply(&[deleted("x/Denali")]);
    assert_eq!(fixture.due(), []);
    fixture.pass(UNUSED_AFTER);
    let clocks = Vec::new();
    assert_eq!(fixture.due(), [Task::Sweep { sentinel: 5, reclaims: 6, clocks, last: true }]);
}

#[test]
fn a_reservation_outlives_its_group_by_a_day() {
    let reserved = |key_at: &str, until: i64, revision: i64| {
        let record =
            format!(r#"{{"reserved_until_ms":{until},"fence":{{"epoch":5,"revision":7}}}}"#);
        put(key_at, &record, revision)
    };
    let mut fixture = Fixture::new(&[]);
    fixture.apply(&[put("g", "", 5), reserved("h/3", WALL.0 + 60_000, 8)]);
    assert_eq!(fixture.due(), []);
    fixture.pass(UNUSED_AFTER * 2);
    assert_eq!(fixture.due(), [], "the queue's sentinel stays with it");
    fixture.pass(Duration::from_hours(24));
    let clocks = vec![("3".to_owned(), 8)];
    assert_eq!(fixture.due(), [Task::Sweep { sentinel: 5, reclaims: 0, clocks, last: true }]);
    // One that cannot be read stands for ever.
    fixture.apply(&[put("h/4", "?", 9)]);
    fixture.pass(Duration::from_hours(1000));
    assert_eq!(fixture.due(), []);
}

#[test]
fn many_reservations_go_in_several_transactions_and_the_queue_last() {
    let mut fixture = Fixture::new(&[]);
    let record = r#"{"reserved_until_ms":5,"fence":{"epoch":5,"revision":7}}"#;
    let clocks: Vec<Change> = (0..40).map(|at| put(&format!("h/{at}"), record, 8)).collect();
    fixture.apply(&clocks);
    assert_eq!(fixture.due(), []);
    fixture.pass(UNUSED_AFTER);
    let due = fixture.due();
    let [Task::Sweep { clocks, last: false, .. }] = &due[..] else { panic!("{due:?}") };
    assert_eq!(clocks.len(), CLOCKS_AT_ONCE);
}

#[test]
fn after_a_burst_of_ends_a_bounded_number_of_chores_runs_at_a_time_and_all_run() {
    let mut fixture = Fixture::new(&[]);
    let record = r#"{"namespace":"shop","pod":"p","uid":"u1","node":"n","incarnation":1,
        "fence":{"epoch":5,"revision":7},"since":0,"waits_for":"pod-end"}"#;
    let quarantines: Vec<Change> = (0..100).map(|n| put(&format!("x/N{n}"), record, 9)).collect();
    fixture.apply(&quarantines);
    let mut done = 0;
    while fixture.chores.wake().is_some_and(|at| at <= fixture.now) {
        let due = fixture.chores.due(&fixture.claims, &fixture.pods, fixture.now, WALL);
        assert!(due.len() <= AT_ONCE);
        for chore in due {
            let Task::ShortenUnlessFound(quarantine) = &chore.task else { panic!("{chore:?}") };
            fixture.claims.apply(&[deleted(&format!("x/{}", quarantine.key))]);
            fixture.chores.done(&chore, true, fixture.now);
            done += 1;
        }
    }
    assert_eq!(done, 100);
}
