//! What the machine promises, each test a short sequence of events.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::claim::{ClaimState, Fence, Holder, OwnerRecord};
use crate::clock::MintCheckpoint;
use crate::keys;
use crate::pool::{MOUNTAINS, Pool, PoolName, SNOWFLAKE};
use crate::quarantine::{Quarantine, QuarantineRecord, WaitsFor};
use crate::time::{BootInstant, Now, UnixMillis};

mod arbitrary;
mod corners;
mod evidence;
mod look;
mod machine_test;
mod past;
mod patience;
mod queue;
mod queue_ends;
mod regain;
mod reserving;
mod reserving_again;
mod silence;
mod yielding;

use arbitrary::histories;
use machine_test::{MachineTest, Pair};

const AHEAD: QueueMode = QueueMode::Ahead { despite_freeze: false };

#[test]
fn a_pod_claims_the_first_free_name_in_two_round_trips() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    let begin = test.step(Event::Start);
    let [Action::Begin { ttl, .. }] = begin.as_slice() else { panic!("{begin:?}") };
    assert_eq!(*ttl, Duration::from_secs(46));
    let claim = test.begun(test.view(&["Denali"]));
    let [Action::Claim(request)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!(request.key.as_deref(), Some("MtLogan"));
    assert_eq!(test.step(Event::Claimed(MachineTest::won(7))), []);
    let shown = test.shown(MOUNTAINS);
    assert_eq!(shown.identity.state, ClaimState::Held);
    assert_eq!(shown.identity.slot.unwrap().prefix, "shop.checkout.MtLogan");
}

#[test]
fn the_deadline_starts_when_the_grant_was_sent_not_when_the_claim_was_won() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    test.pass(20);
    test.step(Event::Claimed(MachineTest::won(7)));
    test.pass(9);
    assert_eq!(test.state(MOUNTAINS), ClaimState::Held);
    test.pass(1);
    assert_eq!(test.state(MOUNTAINS), ClaimState::Degraded);
}

#[test]
fn a_keep_pool_keeps_its_name_after_the_deadline_and_a_stop_pool_does_not() {
    for (pool, named, state) in
        [(MOUNTAINS, true, ClaimState::Degraded), (SNOWFLAKE, false, ClaimState::Lost)]
    {
        let mut test = MachineTest::held(pool);
        test.pass(31);
        let shown = test.shown(pool).identity;
        assert_eq!((shown.slot.is_some(), shown.state), (named, state), "{pool}");
    }
}

#[test]
fn a_pair_that_answers_after_the_deadline_resumes_the_same_claim() {
    let mut test = MachineTest::held(SNOWFLAKE);
    let fence = test.shown(SNOWFLAKE).identity.slot.unwrap().fence;
    test.pass(40);
    test.step(Event::Renewed(test.renewal(7, 7)));
    let shown = test.shown(SNOWFLAKE);
    assert_eq!(shown.identity.state, ClaimState::Held);
    assert_eq!(shown.identity.slot.unwrap().fence, fence);
}

#[test]
fn a_late_answer_to_an_early_pair_does_not_move_the_deadline_past_its_send() {
    let mut test = MachineTest::held(SNOWFLAKE);
    let early = test.renewal(7, 7);
    test.pass(35);
    test.step(Event::Renewed(early));
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Lost);
}

#[test]
fn a_force_release_is_noticed_by_the_next_pair_although_the_keepalive_was_fine() {
    let mut test = MachineTest::held(SNOWFLAKE);
    let mut renewal = test.renewal(7, 7);
    renewal.slots().iter_mut().for_each(|(_, seen)| *seen = None);
    test.step(Event::Renewed(renewal));
    let shown = test.shown(SNOWFLAKE);
    assert_eq!(shown.identity.slot, None);
    assert!(shown.identity.reason.unwrap().contains("released by an administrator"));
}

#[test]
fn a_younger_incarnation_fences_the_older() {
    let mut test = MachineTest::held(MOUNTAINS);
    let actions = test.step(Event::Renewed(test.renewal(7, 9)));
    let [Action::Finish(EndReason::Fenced(sentence))] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert!(sentence.contains("younger sidecar"), "{sentence}");
}

#[test]
fn a_name_that_somebody_else_holds_is_lost_for_good_and_no_other_is_claimed() {
    let mut test = MachineTest::held(MOUNTAINS);
    let mut renewal = test.renewal(7, 7);
    renewal.ttl = Duration::ZERO;
    let again = test.step(Event::Renewed(renewal));
    assert!(matches!(again.as_slice(), [Action::Begin { .. }]), "{again:?}");
    test.begun(test.view(&["Denali"]));
    assert_eq!(test.state(MOUNTAINS), ClaimState::Lost);
    let lost = test.shown(MOUNTAINS).identity.slot.unwrap();
    assert_eq!(lost.name, "Denali");
    test.pass(5);
    assert_eq!(test.shown(MOUNTAINS).identity.slot.unwrap(), lost);
    let later = test.step(Event::Tick);
    assert!(later.iter().all(|action| matches!(action, Action::Renew { .. })), "{later:?}");
}

#[test]
fn a_keep_pool_claims_the_same_name_again_when_its_lease_is_gone() {
    let mut test = MachineTest::held(MOUNTAINS);
    test.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) }));
    assert_eq!(test.state(MOUNTAINS), ClaimState::Degraded);
    let claim = test.begun(test.view(&["MtLogan"]));
    let [Action::Claim(request)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!(request.key.as_deref(), Some("Denali"));
}

#[test]
fn a_restarted_sidecar_takes_up_its_old_lease_and_holds_only_after_a_pair() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    test.step(Event::Start);
    let owner = test.owner(MOUNTAINS, "Denali", "older");
    let mut view = test.view(&["Denali"]);
    view.owners.push(owner);
    let resume = test.begun(view);
    let [Action::Resume { lease: 99, slots }] = resume.as_slice() else { panic!("{resume:?}") };
    let resumed = test.resumed(slots, 99);
    let actions = test.step(Event::Resumed(resumed));
    let [Action::Revoke(1), Action::Adopt(request)] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!(request.record.holder.incarnation, 2);
    let renew = test.step(Event::Adopted(Adopted { own_mod_revision: 12, clock: None }));
    assert!(matches!(renew.as_slice(), [Action::Renew { lease: 99, .. }]), "{renew:?}");
    assert_ne!(test.state(MOUNTAINS), ClaimState::Held);
    let renewal = Renewal { lease: 99, ..test.renewal(7, 12) };
    test.step(Event::Renewed(renewal));
    assert_eq!(test.state(MOUNTAINS), ClaimState::Held);
}

#[test]
fn an_attempt_without_an_answer_is_recognised_by_its_nonce_on_our_lease() {
    let mut test = MachineTest::unanswered();
    let mut view = test.view(&["Denali"]);
    view.owners.push(FoundOwner { lease: 1, ..test.owner(MOUNTAINS, "Denali", "nonce") });
    test.step(Event::Viewed(Box::new(view)));
    assert_eq!(test.state(MOUNTAINS), ClaimState::Held);
    assert_eq!(test.shown(MOUNTAINS).identity.slot.unwrap().name, "Denali");
}

#[test]
fn an_attempt_that_landed_on_another_lease_than_ours_is_not_believed_but_taken_up() {
    let mut test = MachineTest::unanswered();
    let mut view = test.view(&["Denali"]);
    view.owners.push(test.owner(MOUNTAINS, "Denali", "nonce"));
    let actions = test.step(Event::Viewed(Box::new(view)));
    assert!(matches!(actions.as_slice(), [Action::Resume { lease: 99, .. }]), "{actions:?}");
    assert_eq!(test.state(MOUNTAINS), ClaimState::Waiting);
}

#[test]
fn pools_are_claimed_one_at_a_time_in_byte_order_and_shown_in_the_users() {
    let mut test = MachineTest::new(&[SNOWFLAKE, MOUNTAINS]);
    test.step(Event::Start);
    let first = test.begun(test.view(&[]));
    let [Action::Claim(request)] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!(request.path.pool.as_str(), MOUNTAINS);
    let second = test.step(Event::Claimed(MachineTest::won(7)));
    assert!(matches!(second.as_slice(), [Action::Read(_)]), "{second:?}");
    let third = test.step(Event::Viewed(Box::new(test.view(&[]))));
    let [Action::Claim(request)] = third.as_slice() else { panic!("{third:?}") };
    assert_eq!(request.path.pool.as_str(), SNOWFLAKE);
    let shown: Vec<_> = test.all().into_iter().map(|shown| shown.identity.pool).collect();
    assert_eq!(shown[0].as_str(), SNOWFLAKE);
}

#[test]
fn the_lease_is_asked_for_anew_when_a_pool_needs_a_longer_one() {
    let mut test = MachineTest::new(&["tea"]);
    test.step(Event::Start);
    let mut view = test.view(&[]);
    let spec = br#"{"names":{"list":["Assam"]},"validity":"120s","quarantine":"60s"}"#;
    view.specs = vec![("tea".parse().unwrap(), spec.to_vec(), 3)];
    let actions = test.begun(view);
    let [Action::Revoke(1), Action::Begin { ttl, .. }] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!(*ttl, Duration::from_secs(184));
}

#[test]
fn a_released_claim_gives_its_lease_back_and_an_unproven_one_does_not() {
    let mut test = MachineTest::held(SNOWFLAKE);
    let release = test.step(Event::Terminate);
    let [Action::Release(request)] = release.as_slice() else { panic!("{release:?}") };
    assert_eq!((request.own_mod_revision, request.quarantine), (7, Duration::from_secs(30)));
    assert_eq!(
        test.step(Event::Released(true)),
        [Action::Revoke(1), Action::Finish(EndReason::Released)]
    );

    let mut refused = MachineTest::held(SNOWFLAKE);
    refused.step(Event::Terminate);
    assert_eq!(refused.step(Event::Released(false)), [Action::Finish(EndReason::Released)]);

    // Its liveness probe fails: the app may be alive when SIGTERM comes.
    let mut expired = MachineTest::held(SNOWFLAKE);
    expired.pass(31);
    assert_eq!(expired.step(Event::Terminate), [Action::Finish(EndReason::Released)]);
}

#[test]
fn an_app_that_ran_on_without_its_sidecar_keeps_its_name_or_loses_it() {
    let mut free = MachineTest::inheriting(MOUNTAINS);
    free.step(Event::Start);
    let claim = free.begun(free.view(&[]));
    let [Action::Claim(request)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!(request.key.as_deref(), Some("PicodeOrizaba"));
    assert_eq!((request.record.holder.incarnation, request.queue), (2, AHEAD));

    let mut taken = MachineTest::inheriting(MOUNTAINS);
    taken.step(Event::Start);
    assert_eq!(taken.begun(taken.view(&["PicodeOrizaba"])), []);
    assert_eq!(taken.state(MOUNTAINS), ClaimState::Lost);

    let mut stop = MachineTest::inheriting(SNOWFLAKE);
    stop.step(Event::Start);
    let claim = stop.begun(stop.view(&[]));
    let [Action::Claim(request)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!(request.key.as_deref(), Some("0"));
}

proptest! {
    /// Whatever comes in whatever order: a claim is shown as held only within V of a send instant
    /// that was granted, after the last jump of a clock, and a `Stop` pool shows a name only while it is held.
    #[test]
    fn nothing_is_believed_longer_than_a_granted_send_plus_v(
        history in histories()
    ) {
        let mut run = MachineTest::new(&[MOUNTAINS, SNOWFLAKE]);
        run.step(Event::Start);
        for (event, seconds) in history {
            run.pass(seconds);
            run.happens(event);
            for shown in run.all() {
                let held = shown.identity.state == ClaimState::Held;
                if held {
                    let believed = run.last_good_send.expect("held without a grant");
                    prop_assert!(run.now().boot < believed.after(Duration::from_secs(30)));
                    prop_assert!(run.jumped_at.is_none_or(|jump| believed >= jump));
                }
                if shown.on_loss == Some(crate::pool::OnLoss::Stop) {
                    prop_assert_eq!(shown.identity.slot.is_some(), held);
                }
            }
        }
    }
}
