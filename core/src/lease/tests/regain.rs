//! Names that a pod has again: after a SIGTERM of its sidecar, and after a store that was wiped.

use super::machine_test::at;
use super::*;
use crate::claim::ClaimState::{Degraded, Held, Lost, Waiting};
use crate::clock::ClockRecord;
use crate::quarantine::WITH_POD;

const WIPED: Fence = Fence { epoch: 6, revision: 4 };

/// The first look of a restarted sidecar at a store in which the old name rests.
fn view_with_quarantine(test: &MachineTest, pool: &str, uid: &str) -> PoolView {
    let found = test.rest(pool, uid);
    let quarantined = HashSet::from([found.key.clone()]);
    PoolView { quarantined, wanted_quarantine: Some(found), ..test.view(&[]) }
}

fn request(actions: &[Action]) -> ClaimRequest {
    let found = actions.iter().find_map(|action| match action {
        Action::Claim(request) => Some(ClaimRequest::clone(request)),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing is claimed: {actions:?}"))
}

fn released(mut test: MachineTest) -> ReleaseRequest {
    let actions = test.step(Event::Terminate);
    let [Action::Release(request)] = actions.as_slice() else { panic!("{actions:?}") };
    ReleaseRequest::clone(request)
}

/// A lease that a wiped store knows nothing of.
fn gone(test: &mut MachineTest) {
    test.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) }));
}

/// A store that was wiped, during its freeze.
fn wiped(test: &MachineTest) -> PoolView {
    PoolView { revision: 2, epoch: Some(6), frozen: true, ..test.view(&[]) }
}

#[test]
fn a_release_says_whose_the_name_was_and_since_when() {
    let record = released(MachineTest::held(SNOWFLAKE)).record;
    assert_eq!((record.holder.uid.as_str(), record.fence.revision), ("u1", 7));
    assert_eq!((record.since, record.waits_for), (at(100_000), WaitsFor::Time));
}

#[test]
fn in_a_pod_the_quarantine_in_a_stop_pool_follows_the_deadline_of_the_app() {
    let rest = |passed: u64, in_pod: bool| {
        let test = MachineTest::held(SNOWFLAKE);
        let mut test = if in_pod { test.in_pod() } else { test };
        test.pass(passed);
        released(test).quarantine
    };
    // V is 30 s and Q is 30 s; clocks may drift by one in a hundred.
    assert_eq!(rest(0, true), Duration::from_secs(61));
    assert_eq!(rest(20, true), Duration::from_secs(41));
    assert_eq!(rest(29, true), Duration::from_secs(32));
    assert_eq!(rest(20, false), Duration::from_secs(30));
}

#[test]
fn in_a_pod_the_quarantine_in_a_keep_pool_lasts_as_long_as_the_pod() {
    let request = released(MachineTest::held(MOUNTAINS).in_pod());
    assert_eq!((request.quarantine, request.record.waits_for), (WITH_POD, WaitsFor::PodEnd));
    let outside = released(MachineTest::held(MOUNTAINS));
    assert_eq!(outside.quarantine, Duration::from_secs(5));
    assert_eq!(outside.record.waits_for, WaitsFor::Time);
}

#[test]
fn no_pair_prolongs_what_the_release_has_counted_from() {
    let mut test = MachineTest::held(SNOWFLAKE).in_pod();
    test.pass(10);
    test.step(Event::Tick);
    let under_way = test.renewal(7, 7);
    test.step(Event::Terminate);
    let before = test.shown(SNOWFLAKE).identity.slot.unwrap().valid_until_boottime;
    test.step(Event::Renewed(under_way));
    assert_eq!(test.shown(SNOWFLAKE).identity.slot.unwrap().valid_until_boottime, before);
}

#[test]
fn a_restarted_sidecar_takes_exactly_its_old_name_back_ahead_of_everybody() {
    for (pool, key) in [(MOUNTAINS, "PicodeOrizaba"), (SNOWFLAKE, "2")] {
        let mut test = MachineTest::inheriting(pool);
        let start = test.step(Event::Start);
        let [Action::Begin { read, .. }] = start.as_slice() else { panic!("{start:?}") };
        assert_eq!(read.wanted.as_deref(), Some(key));
        // Others wait, and no other name is free.
        let view = PoolView { queued: 3, ..view_with_quarantine(&test, pool, "u1") };
        let request = request(&test.begun(view));
        assert_eq!((request.key.as_deref(), request.quarantine), (Some(key), 25));
        assert_eq!(request.queue, AHEAD);
        assert_eq!((request.record.since, request.record.holder.incarnation), (UnixMillis(1), 2));
    }
}

#[test]
fn the_quarantine_of_another_pod_is_left_alone() {
    let mut stop = MachineTest::inheriting(SNOWFLAKE);
    stop.step(Event::Start);
    let request = request(&stop.begun(view_with_quarantine(&stop, SNOWFLAKE, "u2")));
    assert_eq!((request.key.as_deref(), request.quarantine), (Some("0"), 0));

    let mut keep = MachineTest::inheriting(MOUNTAINS);
    keep.step(Event::Start);
    assert_eq!(keep.begun(view_with_quarantine(&keep, MOUNTAINS, "u2")), []);
    let reason = keep.shown(MOUNTAINS).identity.reason.unwrap();
    assert!(reason.contains("rests after another claim"), "{reason}");
}

#[test]
fn a_name_that_was_released_is_not_claimed_again_during_a_freeze() {
    for pool in [MOUNTAINS, SNOWFLAKE] {
        let mut test = MachineTest::inheriting(pool);
        test.step(Event::Start);
        let view = PoolView { frozen: true, ..view_with_quarantine(&test, pool, "u1") };
        assert_eq!(test.begun(view), [], "{pool}");
    }
}

#[test]
fn a_pod_that_has_begun_to_wait_for_another_name_goes_on_waiting() {
    let mut test = MachineTest::inheriting(SNOWFLAKE);
    test.step(Event::Start);
    let ticket = Some(Ticket { revision: 20, lease: 99 });
    let actions = test.begun(PoolView { ticket, ..view_with_quarantine(&test, SNOWFLAKE, "u1") });
    assert!(matches!(actions.as_slice(), [Action::Resume { lease: 99, .. }]), "{actions:?}");
}

#[test]
fn a_node_id_that_is_taken_back_goes_on_after_what_was_minted() {
    let mark = MintCheckpoint {
        fence: MachineTest::inherited(SNOWFLAKE).fence,
        not_before: at(50_000),
        minted_until: Some(at(100_700)),
    };
    let inherited = vec![MachineTest::inherited(SNOWFLAKE)];
    let mut test =
        MachineTest::with(&[SNOWFLAKE], inherited, vec![(SNOWFLAKE.parse().unwrap(), mark)]);
    test.step(Event::Start);
    test.begun(view_with_quarantine(&test, SNOWFLAKE, "u1"));
    let record = ClockRecord { reserved_until: at(155_000), fence: mark.fence };
    let clock = Some(crate::clock::Reservation { record, revision: 9 });
    let actions = test.step(Event::Claimed(Won { clock, ..MachineTest::won(26) }));
    assert!(matches!(actions.as_slice(), [Action::Reserve(_)]), "it waits: {actions:?}");
    test.step(Event::Reserved(ReserveAnswer::Reserved(27)));
    let minting = test.shown(SNOWFLAKE).minting.unwrap();
    assert_eq!((minting.not_before, minting.from), (at(50_000), at(100_701)));
}

#[test]
fn a_keep_claim_is_shown_as_it_was_before_etcd_has_answered() {
    let mut test = MachineTest::inheriting(MOUNTAINS);
    test.step(Event::Start);
    let shown = test.shown(MOUNTAINS);
    let slot = shown.identity.slot.clone().unwrap();
    assert_eq!(shown.identity.state, Degraded);
    assert_eq!((slot.name.as_str(), slot.index), ("PicodeOrizaba", Some(2)));
    assert_eq!(slot.prefix, "as.before.PicodeOrizaba");
    let failure = Failure { lease_gone: false, message: "etcd does not answer".into() };
    test.step(Event::ClaimingFailed(failure));
    let shown = test.shown(MOUNTAINS).identity;
    assert_eq!(shown.reason.as_deref(), Some("etcd does not answer"));
    assert_eq!(shown.slot.unwrap(), slot);
}

#[test]
fn a_keep_claim_keeps_its_name_although_its_place_in_the_list_has_changed() {
    let mut test = MachineTest::inheriting(MOUNTAINS);
    test.step(Event::Start);
    let mut view = test.view(&[]);
    let spec = br#"{"names":{"list":["Assam","Ceylon","Darjeeling","PicodeOrizaba"]}}"#;
    view.specs = vec![(MOUNTAINS.parse().unwrap(), spec.to_vec(), 3)];
    let request = request(&test.begun(view.clone()));
    assert_eq!(request.key.as_deref(), Some("PicodeOrizaba"));
    // Also when the list has it no more: a running pod never changes its name.
    view.specs[0].1 = br#"{"names":{"list":["Assam"]}}"#.to_vec();
    let mut removed = MachineTest::inheriting(MOUNTAINS);
    removed.step(Event::Start);
    assert_eq!(self::request(&removed.begun(view)).key.as_deref(), Some("PicodeOrizaba"));
}

#[test]
fn a_stop_claim_stays_held_through_a_wipe_and_is_claimed_again_during_the_freeze() {
    let mut test = MachineTest::held(SNOWFLAKE);
    test.pass(5);
    gone(&mut test);
    let before = test.shown(SNOWFLAKE);
    assert_eq!((before.identity.state, before.minting.is_some()), (Held, true));
    let request = request(&test.begun(wiped(&test)));
    assert_eq!(request.queue, QueueMode::Ahead { despite_freeze: true });
    assert_eq!((request.key.as_deref(), request.record.holder.incarnation), (Some("0"), 2));
    // The store has forgotten what was reserved.
    let known = ClockRecord { reserved_until: at(160_000), fence: Fence { epoch: 5, revision: 7 } };
    assert_eq!(request.clock, Some(known));
    let clock = Some(crate::clock::Reservation { record: known, revision: 4 });
    let actions = test.step(Event::Claimed(Won { fence: WIPED, own_mod_revision: 4, clock }));
    assert_eq!(actions, [], "time is reserved for long enough");
    let after = test.shown(SNOWFLAKE);
    assert_eq!(after.identity.state, Held);
    let slot = after.identity.slot.unwrap();
    assert_eq!((slot.fence, slot.not_before), (WIPED, Some(at(100_000))));
    assert_eq!(slot.valid_until_boottime.as_nanos(), 135_000_000_000);
    let minting = after.minting.unwrap();
    assert_eq!((minting.fence, minting.not_after), (WIPED, at(160_000)));
    test.pass(25);
    let reserve = test.step(Event::Tick);
    let request = reserve.iter().find_map(|action| match action {
        Action::Reserve(request) => Some(request),
        _ => None,
    });
    let request = request.unwrap();
    assert_eq!((request.seen, request.own_mod_revision, request.record.fence), (4, 4, WIPED));
}

#[test]
fn what_a_restored_store_says_to_be_reserved_is_not_lowered() {
    let mut test = MachineTest::held(SNOWFLAKE);
    gone(&mut test);
    let mut view = wiped(&test);
    view.clocks.insert("0".into(), at(170_000));
    assert_eq!(request(&test.begun(view)).clock, None);
}

#[test]
fn a_stop_claim_whose_deadline_has_passed_is_given_up() {
    for passed in [30, 45] {
        let mut test = MachineTest::held(SNOWFLAKE);
        test.pass(5);
        gone(&mut test);
        test.pass(passed);
        let frozen = test.begun(wiped(&test));
        assert_eq!(test.state(SNOWFLAKE), Waiting, "{frozen:?}");
        let [Action::Read(ReadRequest { wanted: None, .. })] = frozen.as_slice() else {
            panic!("{frozen:?}")
        };
    }
}

#[test]
fn until_its_deadline_a_stop_claim_that_cannot_be_claimed_again_is_held_and_then_lost() {
    let mut test = MachineTest::held(SNOWFLAKE);
    gone(&mut test);
    test.step(Event::ClaimingFailed(Failure { lease_gone: false, message: "away".into() }));
    test.pass(29);
    assert_eq!(test.state(SNOWFLAKE), Held);
    assert!(test.wakes_in() <= 1000);
    test.pass(1);
    let shown = test.shown(SNOWFLAKE).identity;
    assert_eq!((shown.state, shown.slot), (Lost, None));
    assert_eq!(shown.reason.as_deref(), Some("away"));
}

#[test]
fn a_stop_claim_that_somebody_else_has_by_now_is_given_up_at_once() {
    let mut test = MachineTest::held(SNOWFLAKE);
    gone(&mut test);
    test.begun(PoolView { revision: 60, ..test.view(&["0"]) });
    assert_eq!(test.state(SNOWFLAKE), Waiting);
    assert_eq!(test.shown(SNOWFLAKE).identity.slot, None);
}

#[test]
fn a_slot_that_is_missing_in_a_new_epoch_was_not_released_by_anybody() {
    for pool in [MOUNTAINS, SNOWFLAKE] {
        let mut test = MachineTest::held(pool);
        let mut renewal = test.renewal(7, 7);
        renewal.proof().epoch = Some(6);
        renewal.slots().iter_mut().for_each(|(_, seen)| *seen = None);
        let actions = test.step(Event::Renewed(renewal));
        assert!(matches!(actions.as_slice(), [Action::Read(_)]), "{actions:?}");
        let view = PoolView { revision: 60, ..wiped(&test) };
        let request = request(&test.step(Event::Viewed(Box::new(view))));
        assert_eq!(request.queue, QueueMode::Ahead { despite_freeze: true }, "{pool}");
    }
}

#[test]
fn a_restarted_sidecar_believes_what_its_app_may_believe_and_not_longer() {
    for pool in [MOUNTAINS, SNOWFLAKE] {
        for (passed, claims) in [(19, true), (20, false)] {
            let mut test = MachineTest::believing(pool, 20);
            test.step(Event::Start);
            test.pass(passed);
            let actions = test.begun(wiped(&test));
            let despite_freeze = actions.iter().any(|action| match action {
                Action::Claim(request) => {
                    request.queue == QueueMode::Ahead { despite_freeze: true }
                }
                _ => false,
            });
            assert_eq!(despite_freeze, claims, "{pool}, {passed} s: {actions:?}");
        }
    }
}

#[test]
fn a_clock_that_jumps_ends_what_a_restarted_sidecar_believes() {
    let mut test = MachineTest::believing(SNOWFLAKE, 20);
    test.step(Event::Start);
    test.set_clock(60);
    test.pass(1);
    test.begun(wiped(&test));
    assert_eq!(test.shown(SNOWFLAKE).identity.slot, None);
}

#[test]
fn the_deadline_for_people_does_not_change_between_two_renewals() {
    let mut test = MachineTest::held(MOUNTAINS);
    let until = |test: &MachineTest| test.shown(MOUNTAINS).identity.slot.unwrap().valid_until;
    let first = until(&test);
    test.skew = 1;
    test.pass_millis(7);
    assert_eq!(until(&test), first);
    test.step(Event::Renewed(test.renewal(7, 7)));
    assert_eq!(until(&test), first.after(Duration::from_millis(8)));
}

#[test]
fn a_pool_that_does_not_ship_with_cairn_is_read_before_a_lease_is_granted() {
    let spec = br#"{"names":{"list":["Assam"]},"validity":"3s","quarantine":"2s"}"#;
    let mut test = MachineTest::new(&["tea"]);
    test.machine.config.define_missing = false;
    let start = test.step(Event::Start);
    assert!(matches!(start.as_slice(), [Action::Read(_)]), "{start:?}");
    assert_eq!(test.step(Event::Viewed(Box::new(test.view(&[])))), []);
    let reason = test.shown("tea").identity.reason.unwrap();
    assert!(reason.contains("not in etcd yet"), "{reason}");
    test.pass(2);
    test.step(Event::Tick);
    let mut view = test.view(&[]);
    view.specs.push(("tea".parse().unwrap(), spec.to_vec(), 3));
    let begin = test.step(Event::Viewed(Box::new(view)));
    let [Action::Begin { ttl, .. }] = begin.as_slice() else { panic!("{begin:?}") };
    assert_eq!(*ttl, Duration::from_secs(6));
}

#[test]
fn a_release_without_an_answer_is_tried_again_at_once() {
    let mut test = MachineTest::held(SNOWFLAKE);
    test.step(Event::Terminate);
    test.step(Event::ClaimingFailed(Failure { lease_gone: false, message: "timeout".into() }));
    assert!(test.wakes_in() <= 10, "{}", test.wakes_in());
}
