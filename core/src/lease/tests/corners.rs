//! Sentences about what may hang on which lease, and about tracks that must not fall asleep.

use super::*;

fn view_with(script: &Script, pool: &str, spec: &str) -> PoolView {
    let mut view = script.view(&[]);
    view.specs = vec![(pool.parse().unwrap(), spec.as_bytes().to_vec(), 3)];
    view
}

#[test]
fn a_keep_claim_whose_pool_needs_a_longer_lease_by_now_asks_for_one() {
    let mut script = Script::held(MOUNTAINS);
    script.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..script.renewal(7, 7) }));
    let longer = r#"{"names":{"builtin":"NorthAmericanMountains"},"validity":"120s"}"#;
    let view = view_with(&script, MOUNTAINS, longer);
    let actions = script.begun(view.clone());
    let [Action::Revoke(1), Action::Begin { ttl, .. }] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    let granted = Granted { sent: script.now().boot, lease: 2, ttl: *ttl };
    let claim = script.step(Event::Begun(granted, Box::new(view)));
    let [Action::Claim(order)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!(order.key.as_deref(), Some("Denali"));
}

#[test]
fn a_slot_found_without_its_spec_is_adopted_where_it_is() {
    let mut script = Script::new(&["ids"]);
    script.step(Event::Start);
    let slot = "/cairn/v1/cluster/ids/-/s/17".to_owned();
    let record = OwnerRecord { slot: slot.clone(), nonce: "older".into() };
    let mut view = PoolView { specs: Vec::new(), ..script.view(&[]) };
    view.owners.push(FoundOwner { record, ..script.owner("ids", "17", "older") });
    let resume = script.begun(view);
    let [Action::Resume { slots, .. }] = resume.as_slice() else { panic!("{resume:?}") };
    let adopt = script.step(Event::Resumed(script.resumed(slots, 99)));
    let Some(Action::Adopt(adoption)) = adopt.last() else { panic!("{adopt:?}") };
    assert_eq!(adoption.slot, slot);
}

#[test]
fn a_wiped_store_gets_a_greater_epoch_and_a_hold_from_whoever_knew_the_old_one() {
    let mut script = Script::held(MOUNTAINS);
    script.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..script.renewal(7, 7) }));
    let define = script.begun(PoolView { revision: 1, ..PoolView::default() });
    let [Action::Define { epoch, freeze, .. }] = define.as_slice() else { panic!("{define:?}") };
    assert!(*epoch > 5, "{epoch}");
    assert_eq!(*freeze, Some(Duration::from_secs(46)));
    let mut fresh = Script::new(&[MOUNTAINS]);
    fresh.step(Event::Start);
    let define = fresh.begun(PoolView { revision: 1, ..PoolView::default() });
    assert!(matches!(define.as_slice(), [Action::Define { freeze: None, .. }]), "{define:?}");
}

#[test]
fn a_lease_with_a_slot_is_not_given_up_for_an_attempt_that_landed_late_on_another() {
    let mut script = Script::new(&[MOUNTAINS, SNOWFLAKE]);
    script.step(Event::Start);
    script.begun(script.view(&[]));
    script.step(Event::Claimed(Script::won(7)));
    let mut view = script.view(&[]);
    view.owners.push(script.owner(SNOWFLAKE, "0", "dead"));
    let actions = script.step(Event::Viewed(Box::new(view)));
    assert_eq!(actions, [], "neither resumed nor revoked");
    assert_eq!(script.state(MOUNTAINS), ClaimState::Held);
    script.pass(2);
    assert!(matches!(script.step(Event::Tick).as_slice(), [Action::Read(_)]));
}

#[test]
fn a_lost_lease_wakes_the_claiming_track_that_slept_in_a_queue() {
    let mut script = Script::new(&[MOUNTAINS, SNOWFLAKE]);
    script.step(Event::Start);
    script.begun(script.view(&[]));
    script.step(Event::Claimed(Script::won(7)));
    let all: Vec<String> = (0..1024).map(|id| id.to_string()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    script.step(Event::Viewed(Box::new(script.view(&all))));
    script.step(Event::Queued(Queued { revision: 31, rank: Some(4) }));
    script.step(Event::Past(None));
    let stays = script.step(Event::Viewed(Box::new(script.in_line(&all, 31, 4))));
    assert!(matches!(stays.as_slice(), [Action::Watch(_)]), "{stays:?}");
    let gone = script.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..script.renewal(7, 7) }));
    assert!(matches!(gone.as_slice(), [Action::Begin { .. }, Action::Unwatch]), "{gone:?}");
}

#[test]
fn a_claim_is_believed_from_what_was_known_when_its_attempt_was_sent() {
    let mut script = Script::new(&[SNOWFLAKE]);
    script.step(Event::Start);
    script.begun(script.view(&[]));
    // A pair that did not ask for the slot answers before the claim does.
    script.pass(20);
    script.step(Event::Tick);
    script.step(Event::Renewed(Renewal { read: None, ..script.renewal(0, 0) }));
    script.step(Event::Claimed(Script::won(7)));
    script.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    assert_eq!(script.state(SNOWFLAKE), ClaimState::Held);
    script.pass(11);
    assert_eq!(script.state(SNOWFLAKE), ClaimState::Lost);
}

#[test]
fn a_reservation_that_fails_again_and_again_leaves_room_for_another_pools() {
    let spec = r#"{"names":{"range":{"from":0,"to":9}},"scope":"Cluster","clock":"Reserve"}"#;
    let mut script = Script::new(&["aa", SNOWFLAKE]);
    script.step(Event::Start);
    let mut view = script.view(&[]);
    view.specs.push(("aa".parse().unwrap(), spec.as_bytes().to_vec(), 3));
    script.begun(view.clone());
    // Wherever the first look went, the second is at the right place.
    script.step(Event::Viewed(Box::new(view.clone())));
    let reserving = |actions: &[Action]| {
        let pool = |action: &Action| match action {
            Action::Reserve(extension) => Some(extension.path.pool.to_string()),
            _ => None,
        };
        actions.iter().find_map(pool)
    };
    let first = script.step(Event::Claimed(Script::won(7)));
    assert_eq!(reserving(&first).as_deref(), Some("aa"), "{first:?}");
    script.step(Event::Viewed(Box::new(view)));
    script.step(Event::Claimed(Script::won(7)));
    let next = script.step(Event::ReservingFailed);
    assert_eq!(reserving(&next).as_deref(), Some(SNOWFLAKE), "{next:?}");
}

#[test]
fn two_jumps_between_two_pairs_count_together() {
    let mut script = Script::held(SNOWFLAKE);
    script.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    for _ in 0..2 {
        assert_eq!(script.state(SNOWFLAKE), ClaimState::Held);
        script.pass_millis(1);
        script.set_clock(6);
        script.step(Event::Tick);
    }
    assert_eq!(script.state(SNOWFLAKE), ClaimState::Lost);
}

#[test]
fn a_pool_with_a_short_validity_is_renewed_in_time_from_the_beginning() {
    let mut script = Script::new(&["tea"]);
    script.step(Event::Start);
    let spec = r#"{"names":{"list":["Assam"]},"validity":"3s","quarantine":"2s"}"#;
    script.begun(view_with(&script, "tea", spec));
    script.step(Event::Claimed(Script::won(7)));
    script.pass_millis(1200);
    let pair = script.step(Event::Tick);
    assert!(matches!(pair.as_slice(), [Action::Renew { .. }]), "{pair:?}");
}

#[test]
fn a_store_that_fails_is_asked_less_and_less_often_but_every_six_seconds() {
    let mut script = Script::new(&[MOUNTAINS]);
    script.step(Event::Start);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        script.step(Event::ClaimingFailed(Failure { lease_gone: false, message: "full".into() }));
        let pause = script.wakes_in();
        pauses.push(pause);
        script.pass_millis(u64::try_from(pause).unwrap());
        assert!(matches!(script.step(Event::Tick).as_slice(), [Action::Begin { .. }]));
    }
    let bounds = [(500, 1500), (1000, 3000), (2000, 6000), (2000, 6000), (2000, 6000)];
    for (pause, (least, most)) in pauses.iter().zip(bounds) {
        assert!((least..=most).contains(pause), "{pauses:?}");
    }
}
