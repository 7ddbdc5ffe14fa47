use cairn_core::keys;

use super::super::overlap::tests::hold;
use super::*;
use crate::history::{Change, Generation, Step};

const SLOT: &str = "/cairn/v1/cluster/nodes/-/s/1";
const REST: &str = "/cairn/v1/cluster/nodes/-/x/1";
const SECOND: u64 = 1_000_000_000;

fn change(key: &str, put: Option<(&str, i64)>) -> Change {
    let put = put
        .map(|(value, create_revision)| Put { value: value.as_bytes().to_vec(), create_revision });
    Change { key: key.to_owned(), put }
}

/// Whether a belief until a second is too long for a slot that ended at second 10, with a Q of 2 s.
fn too_long(until: u64, released: bool) -> bool {
    let mut last = vec![change(SLOT, None)];
    last.extend(released.then(|| change(REST, Some(("", 5)))));
    let step = |seen: u64, changes| Step { seen: seen * SECOND, changes };
    let generation = Generation::from([
        (2, step(0, vec![change(keys::EPOCH, Some(("1", 2)))])),
        (3, step(1, vec![change(SLOT, Some(("{}", 3)))])),
        (5, step(10, last)),
    ]);
    let layout = Layout::new(3, 3, Duration::from_secs(4), Duration::from_secs(2)).unwrap();
    let history = History { generations: vec![generation] };
    !check(&layout, &[hold("a", 3, SECOND, until * SECOND)], &history).is_empty()
}

#[test]
fn a_slot_runs_out_no_sooner_than_q_after_the_last_belief() {
    assert!(!too_long(8, false));
    assert!(too_long(9, false));
    assert!(too_long(11, false));
}

#[test]
fn no_belief_lasts_longer_than_until_a_release_without_a_record() {
    assert!(!too_long(10, true));
    assert!(too_long(11, true));
}

/// Whether a belief until a second is too long for a slot that was released with a quarantine record at second 10, when
/// the quarantine is over at second 15.
fn too_long_at_rest(until: u64, waits_for: &str, taken_back_by: Option<&str>) -> bool {
    let slot = |uid: &str| {
        format!(
            r#"{{"namespace":"n","pod":"p","uid":"{uid}","node":"","incarnation":1,"nonce":"n",
            "since":0,"validity_ms":4000,"quarantine_ms":2000}}"#
        )
    };
    let rest = format!(
        r#"{{"namespace":"n","pod":"p","uid":"a","node":"","incarnation":1,"since":0,
        "fence":{{"epoch":1,"revision":3}},"waits_for":"{waits_for}"}}"#
    );
    let step = |seen: u64, changes| Step { seen: seen * SECOND, changes };
    let taken_back = taken_back_by.map(slot);
    let mut last = vec![change(REST, None)];
    last.extend(taken_back.as_deref().map(|slot| change(SLOT, Some((slot, 6)))));
    let generation = Generation::from([
        (2, step(0, vec![change(keys::EPOCH, Some(("1", 2)))])),
        (3, step(1, vec![change(SLOT, Some((&slot("a"), 3)))])),
        (5, step(10, vec![change(SLOT, None), change(REST, Some((&rest, 5)))])),
        (6, step(15, last)),
    ]);
    let layout = Layout::new(3, 3, Duration::from_secs(4), Duration::from_secs(2)).unwrap();
    let history = History { generations: vec![generation] };
    !check(&layout, &[hold("a", 3, SECOND, until * SECOND)], &history).is_empty()
}

#[test]
fn a_released_name_rests_until_q_after_the_last_belief_or_until_the_end_of_its_pod() {
    assert!(!too_long_at_rest(13, "time", None));
    assert!(too_long_at_rest(14, "time", None));
    assert!(!too_long_at_rest(15, "pod-end", None));
    assert!(too_long_at_rest(16, "pod-end", None));
}

#[test]
fn only_a_re_claim_by_the_same_pod_may_end_a_quarantine_early() {
    assert!(!too_long_at_rest(20, "time", Some("a")));
    assert!(too_long_at_rest(20, "time", Some("b")));
}
