//! Reserved time. The test's clock starts at 100 s.

use super::machine_test::at;
use super::*;
use crate::clock::{AHEAD, CATCH_UP, PERIOD};
use crate::clock::{ClockRecord, Reservation};

pub(super) const HOUR: i64 = 3_600_000;

pub(super) fn reservation(until: i64, revision: i64, found_at: i64) -> Reservation {
    let record = ClockRecord { reserved_until: at(until), fence: Fence { epoch: 5, revision } };
    Reservation { record, revision: found_at }
}

/// A machine whose claim of a node ID has been won, and what it did next.
pub(super) fn won(clock: Option<Reservation>) -> (MachineTest, Vec<Action>) {
    let mut test = MachineTest::new(&[SNOWFLAKE]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    let actions = test.step(Event::Claimed(Won { clock, ..MachineTest::won(7) }));
    (test, actions)
}

/// The one reservation among these actions.
pub(super) fn reserve(actions: &[Action]) -> ReserveRequest {
    let mut found = actions.iter().filter_map(|action| match action {
        Action::Reserve(request) => Some(ReserveRequest::clone(request)),
        _ => None,
    });
    let first = found.next().unwrap_or_else(|| panic!("nothing is reserved: {actions:?}"));
    assert!(found.next().is_none(), "{actions:?}");
    first
}

pub(super) fn reserves(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Reserve(_)))
}

/// Seconds pass, in which renewals go well; what is reserved at the end of them.
fn later(test: &mut MachineTest, seconds: u64) -> Vec<Action> {
    test.pass(seconds);
    test.step(Event::Renewed(test.renewal(7, 7)))
}

pub(super) fn bounds(test: &MachineTest) -> (i64, i64) {
    let slot = test.shown(SNOWFLAKE).identity.slot.unwrap();
    (slot.not_before.unwrap().0 - at(0).0, slot.not_after.unwrap().0 - at(0).0)
}

#[test]
fn a_node_id_is_held_once_time_is_reserved_under_it() {
    let (mut test, actions) = won(None);
    let request = reserve(&actions);
    assert_eq!((request.key.as_str(), request.own_mod_revision, request.seen), ("0", 7, 0));
    assert_eq!(request.record.reserved_until, at(160_000));
    assert_eq!(request.record.fence, Fence { epoch: 5, revision: 7 });
    let shown = test.shown(SNOWFLAKE);
    assert_eq!((shown.identity.state, shown.minting), (ClaimState::Waiting, None));
    test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Held);
    assert_eq!(bounds(&test), (100_000, 160_000));
}

#[test]
fn no_time_is_reserved_under_a_name_that_needs_none() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    assert_eq!(test.step(Event::Claimed(MachineTest::won(7))), []);
    let shown = test.shown(MOUNTAINS);
    assert_eq!((shown.minting, shown.clock), (None, Some(crate::pool::ClockRule::None)));
}

#[test]
fn a_successor_begins_after_the_last_timestamp_of_its_predecessor() {
    let (mut test, actions) = won(Some(reservation(104_000, 3, 6)));
    assert!(!reserves(&actions));
    let reason = test.shown(SNOWFLAKE).identity.reason.unwrap();
    assert!(reason.contains("cairn admin reset-clock snowflake 0"), "{reason}");
    assert_eq!(test.wakes_in(), 4001);
    test.pass_millis(4000);
    assert!(!reserves(&test.step(Event::Tick)));
    test.pass_millis(1);
    let request = reserve(&test.step(Event::Tick));
    assert_eq!((request.seen, request.record.reserved_until), (6, at(164_001)));
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Waiting);
    test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    assert_eq!(bounds(&test), (104_001, 164_001));
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Held);
}

#[test]
fn time_is_reserved_again_every_half_minute_by_one_request_at_a_time() {
    let (mut test, _) = won(None);
    assert!(!reserves(&later(&mut test, 60)), "one is under way");
    test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    assert_eq!(bounds(&test), (100_000, 160_000));
    let mut test = won(None).0;
    test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    assert!(!reserves(&later(&mut test, 29)));
    let request = reserve(&later(&mut test, 1));
    assert_eq!((request.seen, request.record.reserved_until), (8, at(190_000)));
    assert_eq!(bounds(&test), (100_000, 160_000), "not before it is in the store");
    test.step(Event::Reserved(ReserveAnswer::Reserved(9)));
    assert_eq!(bounds(&test), (100_000, 190_000));
}

#[test]
fn a_reservation_without_an_answer_is_asked_for_again() {
    let (mut test, _) = won(None);
    assert!(!reserves(&test.step(Event::ReservingFailed)));
    test.pass(2);
    let again = reserve(&test.step(Event::Tick));
    assert_eq!(again.seen, 0);
    // It had landed: the store has one under our own fence, which is no predecessor's.
    let found = Some(reservation(160_000, 7, 8));
    let third = reserve(&test.step(Event::Reserved(ReserveAnswer::Refused(found))));
    assert_eq!((third.seen, third.record.reserved_until), (8, at(162_000)));
    test.step(Event::Reserved(ReserveAnswer::Reserved(9)));
    assert_eq!(bounds(&test), (100_000, 162_000));
}

#[test]
fn after_a_lost_compare_the_reservation_is_asked_for_again_and_a_renewal_says_who_holds_the_slot() {
    let (mut test, _) = won(None);
    // The reservation was another one.
    let found = Some(reservation(130_000, 3, 6));
    assert!(!reserves(&test.step(Event::Reserved(ReserveAnswer::Refused(found)))));
    test.pass_millis(30_001);
    assert_eq!(reserve(&test.step(Event::Tick)).seen, 6);
    // It was that one, so the slot is not ours any more.
    test.step(Event::Renewed(test.renewal(7, 7)));
    let actions = test.step(Event::Reserved(ReserveAnswer::Refused(found)));
    assert!(matches!(actions.as_slice(), [Action::Renew { .. }]), "{actions:?}");
    let fenced = test.step(Event::Renewed(test.renewal(7, 9)));
    assert!(matches!(fenced.as_slice(), [Action::Finish(EndReason::Fenced(_))]), "{fenced:?}");
}

#[test]
fn what_is_reserved_never_shrinks_and_goes_on_when_the_wall_clock_is_set_back() {
    let (mut test, _) = won(None);
    test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    test.skew = -HOUR;
    let request = reserve(&later(&mut test, 30));
    assert_eq!(request.record.reserved_until, at(190_000));
    test.step(Event::Reserved(ReserveAnswer::Reserved(9)));
    let minting = test.shown(SNOWFLAKE).minting.unwrap();
    assert_eq!(minting.steady.at(test.now().boot), at(130_000));
}

#[test]
fn a_wall_clock_that_jumps_ahead_by_years_spoils_a_minute_per_reservation() {
    let (mut test, _) = won(None);
    test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    test.skew = 100_000 * HOUR;
    let request = reserve(&later(&mut test, 30));
    assert_eq!(request.record.reserved_until, at(250_000));
}

#[test]
fn a_clock_that_is_plainly_wrong_claims_nothing() {
    let mut test = MachineTest::new(&[SNOWFLAKE]);
    test.step(Event::Start);
    let mut view = test.view(&["0"]);
    view.clocks.insert("0".into(), at(160_000));
    // Left behind by one that is gone: says nothing about what time it is.
    view.clocks.insert("1".into(), at(100_000 * HOUR));
    test.skew = 25 * HOUR;
    assert_eq!(test.begun(view.clone()), []);
    let reason = test.shown(SNOWFLAKE).identity.reason.unwrap();
    assert!(reason.contains("set the clock"), "{reason}");
    test.skew = 0;
    test.pass(2);
    test.step(Event::Tick);
    let claim = test.step(Event::Viewed(Box::new(view)));
    assert!(matches!(claim.as_slice(), [Action::Claim(_), ..]), "{claim:?}");

    let mut early = MachineTest::new(&[SNOWFLAKE]);
    early.step(Event::Start);
    early.skew = -at(0).0;
    assert_eq!(early.begun(early.view(&[])), []);
    let reason = early.shown(SNOWFLAKE).identity.reason.unwrap();
    assert!(reason.contains("reads 1970-01-01T00:01:40Z"), "{reason}");
}

#[test]
fn a_free_id_that_needs_no_wait_is_preferred_and_else_the_one_that_needs_the_shortest() {
    let choice = |clocks: &[(&str, i64)]| {
        let mut test = MachineTest::new(&["ids"]);
        let spec = br#"{"names":{"range":{"from":0,"to":3}},"clock":"Reserve"}"#;
        let specs = vec![("ids".parse().unwrap(), spec.to_vec(), 3)];
        let clocks = clocks.iter().map(|(key, until)| ((*key).to_owned(), at(*until))).collect();
        let view = PoolView { specs, clocks, ..test.view(&["0"]) };
        test.step(Event::Start);
        // The first look did not ask for reservations, because nothing was known of the pool.
        let again =
            test.begun(PoolView { clocks: std::collections::HashMap::new(), ..view.clone() });
        let [Action::Read(ReadRequest { clocks: true, .. })] = again.as_slice() else {
            panic!("{again:?}")
        };
        let actions = test.step(Event::Viewed(Box::new(view)));
        let [Action::Claim(request)] = actions.as_slice() else { panic!("{actions:?}") };
        request.key.clone().unwrap()
    };
    assert_eq!(choice(&[]), "1");
    assert_eq!(choice(&[("1", 100_000), ("2", 99_999)]), "2");
    assert_eq!(choice(&[("1", 400_000), ("2", 300_000), ("3", 350_000)]), "2");
    assert_eq!(choice(&[("0", 1), ("1", 99_000), ("2", 300_000)]), "1");
}

proptest! {
    /// Whatever the wall clock does and whichever requests get through: what may be emitted was
    /// reserved before, begins after all that others reserved, never shrinks, and grows from one
    /// reservation to the next by at most what has passed and a minute.
    #[test]
    fn nothing_may_be_emitted_that_is_not_reserved(
        before in proptest::option::of(50_000_i64..140_000),
        history in proptest::collection::vec((0_u8..6, 0_u64..40, -HOUR..HOUR), 1..60)
    ) {
        let (mut run, mut actions) = won(before.map(|until| reservation(until, 3, 6)));
        let mut stored = before.map(|until| reservation(until, 3, 6));
        let mut revision = 20;
        let mut flying: Option<(BootInstant, ReserveRequest)> = None;
        let mut highest = i64::MIN;
        let mut reserved: Option<(BootInstant, UnixMillis)> = None;
        for (kind, seconds, skew) in history {
            if reserves(&actions) {
                prop_assert!(flying.is_none());
                flying = Some((run.now().boot, reserve(&actions)));
            }
            run.pass(seconds);
            run.skew = skew;
            let seen = stored.map_or(0, |stored| stored.revision);
            let event = match (&flying, kind) {
                // It arrives; kind 1 loses the answer.
                (Some((asked, request)), 0 | 1) if request.seen == seen => {
                    let until = request.record.reserved_until;
                    prop_assert!(stored.is_none_or(|stored| until >= stored.record.reserved_until));
                    if let Some((at, old)) = reserved {
                        prop_assert!(until <= old.after(asked.since(at) + CATCH_UP));
                    }
                    if kind == 0 {
                        reserved = Some((*asked, until));
                    }
                    revision += 1;
                    stored = Some(Reservation { record: request.record, revision });
                    flying = None;
                    if kind == 0 { Event::Reserved(ReserveAnswer::Reserved(revision)) }
                    else { Event::ReservingFailed }
                }
                (Some(_), 0 | 1) => {
                    flying = None;
                    Event::Reserved(ReserveAnswer::Refused(stored))
                }
                (Some(_), 2) => {
                    flying = None;
                    Event::ReservingFailed
                }
                _ => Event::Renewed(run.renewal(7, 7)),
            };
            actions = run.step(event);
            if let Some(minting) = run.shown(SNOWFLAKE).minting {
                let stored = stored.unwrap().record.reserved_until.0;
                prop_assert!(minting.not_after.0 <= stored);
                prop_assert!(minting.not_after.0 >= highest);
                highest = minting.not_after.0;
                prop_assert!(before.is_none_or(|before| minting.not_before > at(before)));
                prop_assert!(minting.from >= minting.not_before);
            }
        }
    }
}

#[test]
fn a_reservation_outlasts_one_that_is_lost() {
    assert!(PERIOD * 2 <= AHEAD);
}
