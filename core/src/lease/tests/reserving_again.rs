//! Reserved time across restarts, new claims and releases. The test's clock starts at 100 s.

use super::machine_test::at;
use super::reserving::{HOUR, bounds, reservation, reserve, reserves, won};
use super::*;
use crate::clock::Reservation;

/// A machine that has taken up its slot after a restart, and what it did next.
fn restarted(
    mint_checkpoints: &[MintCheckpoint],
    skew: i64,
    clock: Option<Reservation>,
) -> (MachineTest, Vec<Action>) {
    let mint_checkpoints =
        mint_checkpoints.iter().map(|mark| (SNOWFLAKE.parse().unwrap(), *mark)).collect();
    let mut test = MachineTest::with(&[SNOWFLAKE], Vec::new(), mint_checkpoints);
    test.skew = skew;
    test.step(Event::Start);
    let view = PoolView { owners: vec![test.owner(SNOWFLAKE, "0", "older")], ..test.view(&["0"]) };
    let resume = test.begun(view);
    let [Action::Resume { slots, .. }] = resume.as_slice() else { panic!("{resume:?}") };
    test.step(Event::Resumed(test.resumed(slots, 99)));
    let mut actions = test.step(Event::Adopted(Adopted { own_mod_revision: 12, clock }));
    let renewal = Renewal { lease: 99, ..test.renewal(7, 12) };
    actions.extend(test.step(Event::Renewed(renewal)));
    (test, actions)
}

fn mark(revision: i64, minted_until: Option<i64>) -> MintCheckpoint {
    MintCheckpoint {
        fence: Fence { epoch: 5, revision },
        not_before: at(50_000),
        minted_until: minted_until.map(at),
    }
}

#[test]
fn a_restart_goes_on_at_once_after_what_was_minted() {
    let own = Some(reservation(150_000, 7, 9));
    let (mut test, actions) = restarted(&[mark(7, Some(100_700))], 0, own);
    let request = reserve(&actions);
    assert_eq!((request.own_mod_revision, request.seen), (12, 9));
    assert_eq!(request.record.reserved_until, at(160_701));
    test.step(Event::Reserved(ReserveAnswer::Reserved(13)));
    assert_eq!(bounds(&test), (50_000, 160_701));
    let minting = test.shown(SNOWFLAKE).minting.unwrap();
    assert_eq!(minting.from, at(100_701));
    assert_eq!(minting.steady.at(test.now().boot), at(100_701));
}

#[test]
fn a_restart_goes_on_at_once_also_when_the_clock_was_set_back_or_far_ahead_meanwhile() {
    let own = Some(reservation(150_000, 7, 9));
    let (_, actions) = restarted(&[mark(7, Some(100_700))], -HOUR, own);
    assert_eq!(reserve(&actions).record.reserved_until, at(160_701));
    // The lease bounds how long it was away.
    let (_, actions) = restarted(&[mark(7, None)], 100_000 * HOUR, own);
    assert_eq!(reserve(&actions).record.reserved_until, at(150_000 + 61_000 + 60_000));
}

#[test]
fn a_restart_without_its_mark_waits_for_all_that_was_reserved() {
    let own = Some(reservation(110_000, 7, 9));
    for mint_checkpoints in [vec![], vec![mark(6, Some(90_000))]] {
        let (mut test, actions) = restarted(&mint_checkpoints, 0, own);
        assert!(!reserves(&actions), "{actions:?}");
        test.pass_millis(10_001);
        assert!(reserves(&test.step(Event::Tick)));
        test.step(Event::Reserved(ReserveAnswer::Reserved(13)));
        assert_eq!(bounds(&test).0, 110_001);
    }
}

#[test]
fn a_new_claim_of_the_same_id_begins_after_the_one_before_also_when_the_store_was_wiped() {
    for (key, begins) in [("0", 160_001), ("1", 131_000)] {
        let (mut test, _) = won(None);
        test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
        test.pass(31);
        let gone = Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) };
        test.step(Event::Renewed(gone));
        let taken: &[&str] = if key == "0" { &[] } else { &["0"] };
        let claim = test.begun(test.view(taken));
        let [Action::Claim(request)] = claim.as_slice() else { panic!("{claim:?}") };
        assert_eq!(request.key.as_deref(), Some(key));
        // Nobody has reserved anything, says the store.
        test.step(Event::Claimed(MachineTest::won(9)));
        test.pass_millis(begins - 131_000);
        test.step(Event::Renewed(test.renewal(9, 9)));
        test.step(Event::Reserved(ReserveAnswer::Reserved(10)));
        assert_eq!(bounds(&test).0, i64::try_from(begins).unwrap(), "{key}");
    }
}

#[test]
fn a_release_says_how_far_it_went_when_that_is_known() {
    let request = |minted: Option<i64>| {
        let (mut test, _) = won(None);
        test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
        let fence = Fence { epoch: 5, revision: 7 };
        if let Some(until) = minted {
            let pool = SNOWFLAKE.parse().unwrap();
            test.machine.note_minted(&pool, Fence { revision: 6, ..fence }, at(159_999));
            test.machine.note_minted(&pool, fence, at(until));
        }
        test.pass(5);
        let actions = test.step(Event::Terminate);
        let [Action::Release(request)] = actions.as_slice() else { panic!("{actions:?}") };
        request.clock.map(|clock| (clock.reserved_until.0 - at(0).0, clock.fence))
    };
    let fence = Fence { epoch: 5, revision: 7 };
    assert_eq!(request(None), None);
    assert_eq!(request(Some(103_000)), Some((105_000, fence)));
    assert_eq!(request(Some(107_000)), Some((107_000, fence)));
}
