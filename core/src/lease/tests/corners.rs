//! What may hang on which lease, and about tracks that must not fall asleep.

use super::queue::origin;
use super::*;

fn view_with(test: &MachineTest, pool: &str, spec: &str) -> PoolView {
    let mut view = test.view(&[]);
    view.specs = vec![(pool.parse().unwrap(), spec.as_bytes().to_vec(), 3)];
    view
}

#[test]
fn a_keep_claim_whose_pool_needs_a_longer_lease_by_now_asks_for_one() {
    let mut test = MachineTest::held(MOUNTAINS);
    test.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) }));
    let longer = r#"{"names":{"builtin":"NorthAmericanMountains"},"validity":"120s"}"#;
    let view = view_with(&test, MOUNTAINS, longer);
    let actions = test.begun(view.clone());
    let [Action::Revoke(1), Action::Begin { ttl, .. }] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    let granted = Granted { sent: test.now().boot, lease: 2, ttl: *ttl };
    let claim = test.step(Event::Begun(granted, Box::new(view)));
    let [Action::Claim(request)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!(request.key.as_deref(), Some("Denali"));
}

#[test]
fn a_slot_found_without_its_spec_is_adopted_where_it_is() {
    let mut test = MachineTest::new(&["ids"]);
    test.step(Event::Start);
    let slot = "/cairn/v1/cluster/ids/-/s/17".to_owned();
    let record = OwnerRecord { slot: slot.clone(), nonce: "older".into() };
    let mut view = PoolView { specs: Vec::new(), ..test.view(&[]) };
    view.owners.push(FoundOwner { record, ..test.owner("ids", "17", "older") });
    let resume = test.begun(view);
    let [Action::Resume { slots, .. }] = resume.as_slice() else { panic!("{resume:?}") };
    let adopt = test.step(Event::Resumed(test.resumed(slots, 99)));
    let Some(Action::Adopt(request)) = adopt.last() else { panic!("{adopt:?}") };
    assert_eq!(request.slot, slot);
}

#[test]
fn a_process_that_knew_the_old_epoch_gives_a_wiped_store_a_greater_one_and_a_freeze() {
    let mut test = MachineTest::held(MOUNTAINS);
    test.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) }));
    let define = test.begun(PoolView { revision: 1, ..PoolView::default() });
    let [Action::Define { epoch, freeze, .. }] = define.as_slice() else { panic!("{define:?}") };
    assert!(*epoch > 5, "{epoch}");
    assert_eq!(*freeze, Some(Duration::from_secs(46)));
    let mut fresh = MachineTest::new(&[MOUNTAINS]);
    fresh.step(Event::Start);
    let define = fresh.begun(PoolView { revision: 1, ..PoolView::default() });
    assert!(matches!(define.as_slice(), [Action::Define { freeze: None, .. }]), "{define:?}");
}

#[test]
fn a_lease_with_a_slot_is_not_given_up_for_an_attempt_that_landed_late_on_another() {
    let mut test = MachineTest::new(&[MOUNTAINS, SNOWFLAKE]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    test.step(Event::Claimed(MachineTest::won(7)));
    let mut view = test.view(&[]);
    view.owners.push(test.owner(SNOWFLAKE, "0", "dead"));
    let actions = test.step(Event::Viewed(Box::new(view)));
    assert_eq!(actions, [], "neither resumed nor revoked");
    assert_eq!(test.state(MOUNTAINS), ClaimState::Held);
    test.pass(2);
    assert!(matches!(test.step(Event::Tick).as_slice(), [Action::Read(_)]));
}

#[test]
fn a_lost_lease_wakes_the_claiming_track_that_slept_in_a_queue() {
    let mut test = MachineTest::new(&[MOUNTAINS, SNOWFLAKE]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    test.step(Event::Claimed(MachineTest::won(7)));
    let all: Vec<String> = (0..1024).map(|id| id.to_string()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    test.step(Event::Viewed(Box::new(test.view(&all))));
    test.step(Event::Queued(Queued { revision: 31, origin: Some(origin(4)) }));
    test.step(Event::Past(None));
    let stays = test.step(Event::Viewed(Box::new(test.in_line(&all, 31, 4))));
    assert!(matches!(stays.as_slice(), [Action::Watch(_)]), "{stays:?}");
    let gone = test.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) }));
    assert!(matches!(gone.as_slice(), [Action::Begin { .. }, Action::Unwatch]), "{gone:?}");
}

#[test]
fn a_claim_is_believed_from_what_was_known_when_its_attempt_was_sent() {
    let mut test = MachineTest::new(&[SNOWFLAKE]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    // A pair that did not ask for the slot answers before the claim does.
    test.pass(20);
    test.step(Event::Tick);
    test.step(Event::Renewed(Renewal { read: None, ..test.renewal(0, 0) }));
    test.step(Event::Claimed(MachineTest::won(7)));
    test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Held);
    test.pass(11);
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Lost);
}

#[test]
fn a_reservation_that_fails_again_and_again_leaves_room_for_another_pools() {
    let spec = r#"{"names":{"range":{"from":0,"to":9}},"scope":"Cluster","clock":"Reserve"}"#;
    let mut test = MachineTest::new(&["aa", SNOWFLAKE]);
    test.step(Event::Start);
    let mut view = test.view(&[]);
    view.specs.push(("aa".parse().unwrap(), spec.as_bytes().to_vec(), 3));
    test.begun(view.clone());
    // Wherever the first look went, the second is at the right place.
    test.step(Event::Viewed(Box::new(view.clone())));
    let reserving = |actions: &[Action]| {
        let pool = |action: &Action| match action {
            Action::Reserve(request) => Some(request.path.pool.to_string()),
            _ => None,
        };
        actions.iter().find_map(pool)
    };
    let first = test.step(Event::Claimed(MachineTest::won(7)));
    assert_eq!(reserving(&first).as_deref(), Some("aa"), "{first:?}");
    test.step(Event::Viewed(Box::new(view)));
    test.step(Event::Claimed(MachineTest::won(7)));
    let next = test.step(Event::ReservingFailed);
    assert_eq!(reserving(&next).as_deref(), Some(SNOWFLAKE), "{next:?}");
}

#[test]
fn two_jumps_between_two_pairs_count_together() {
    let mut test = MachineTest::held(SNOWFLAKE);
    test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    for _ in 0..2 {
        assert_eq!(test.state(SNOWFLAKE), ClaimState::Held);
        test.pass_millis(1);
        test.set_clock(6);
        test.step(Event::Tick);
    }
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Lost);
}

#[test]
fn a_pool_with_a_short_validity_is_renewed_in_time_from_the_beginning() {
    let mut test = MachineTest::new(&["tea"]);
    test.step(Event::Start);
    let spec = r#"{"names":{"list":["Assam"]},"validity":"3s","quarantine":"2s"}"#;
    test.begun(view_with(&test, "tea", spec));
    test.step(Event::Claimed(MachineTest::won(7)));
    test.pass_millis(1200);
    let pair = test.step(Event::Tick);
    assert!(matches!(pair.as_slice(), [Action::Renew { .. }]), "{pair:?}");
}

#[test]
fn a_store_that_fails_is_asked_less_and_less_often_but_every_six_seconds() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    test.step(Event::Start);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        test.step(Event::ClaimingFailed(Failure { lease_gone: false, message: "full".into() }));
        let pause = test.wakes_in();
        pauses.push(pause);
        test.pass_millis(u64::try_from(pause).unwrap());
        assert!(matches!(test.step(Event::Tick).as_slice(), [Action::Begin { .. }]));
    }
    let bounds = [(500, 1500), (1000, 3000), (2000, 6000), (2000, 6000), (2000, 6000)];
    for (pause, (least, most)) in pauses.iter().zip(bounds) {
        assert!((least..=most).contains(pause), "{pauses:?}");
    }
}
