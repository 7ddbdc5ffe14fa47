use cairn_core::claim::Holder;
use cairn_core::identity::Slot;
use cairn_core::pool::Scope;

use super::*;

fn at(seconds: u64) -> Now {
    Now {
        boot: BootInstant::from_nanos(seconds * 1_000_000_000),
        wall: UnixMillis(i64::try_from(seconds).unwrap() * 1000),
    }
}

fn fence(revision: i64) -> Fence {
    Fence { epoch: 1, revision }
}

fn waiting() -> Snapshot {
    Snapshot::starting(&["snowflake".parse().unwrap()], "-", &Holder::default())
}

fn held(revision: i64, until: u64) -> Snapshot {
    let mut snapshot = waiting();
    let claim = &mut snapshot.claims[0];
    claim.status.on_loss = Some(OnLoss::Stop);
    claim.was_held = true;
    claim.status.identity.state = ClaimState::Held;
    claim.status.identity.slot = Some(Slot {
        name: "17".into(),
        index: Some(17),
        prefix: "17".into(),
        fence: fence(revision),
        since: UnixMillis(0),
        valid_until: at(until).wall,
        valid_until_boottime: at(until).boot,
        not_before: None,
        not_after: None,
    });
    claim.status.mark = Some(mark(revision, 1));
    snapshot
}

fn mark(revision: i64, incarnation: u32) -> Inherited {
    Inherited {
        pool: "snowflake".parse().unwrap(),
        on_loss: OnLoss::Stop,
        scope: Scope::Cluster,
        key: "17".into(),
        name: "17".into(),
        index: Some(17),
        prefix: "17".into(),
        fence: fence(revision),
        since: UnixMillis(0),
        incarnation,
        validity_ms: 30_000,
        quarantine_ms: 30_000,
        deadline: None,
        not_before: None,
        not_after: None,
    }
}

/// The claim under a new fence: no other pod had the name in between.
fn continued(revision: i64, until: u64) -> Snapshot {
    let mut snapshot = held(revision, until);
    snapshot.claims[0].status.mark = Some(mark(revision, 2));
    snapshot
}

fn lost(revision: i64) -> Snapshot {
    let mut snapshot = held(revision, 0);
    snapshot.claims[0].status.identity.state = ClaimState::Lost;
    snapshot
}

fn last_published(until: Option<(BootInstant, UnixMillis)>) -> LastPublished {
    LastPublished { claim: Some(mark(5, 1).into()), until, stopping: None }
}

/// What a restarted sidecar finds: claim 5, 30 s before its deadline.
fn guard() -> PublishGuard {
    let last = last_published(Some((at(30).boot, at(30).wall)));
    PublishGuard::new([("snowflake".parse().unwrap(), last)])
}

fn stops(snapshot: &Snapshot) -> bool {
    snapshot.claims[0].must_stop()
}

#[test]
fn after_a_restart_the_old_claim_counts_until_its_deadline_and_not_longer() {
    let mut guard = guard();
    assert!(!stops(&guard.review(&waiting(), at(29))));
    assert!(guard.is_pending(&waiting()));
    assert!(stops(&guard.review(&waiting(), at(30))));
    assert!(!guard.is_pending(&waiting()));
    // A clock that steps back does not revive it.
    assert!(stops(&guard.review(&waiting(), at(3))));
}

#[test]
fn after_a_reboot_the_wall_clock_ends_the_old_claim() {
    let rebooted = Now { boot: at(1).boot, wall: at(500).wall };
    assert!(stops(&guard().review(&waiting(), rebooted)));
}

#[test]
fn an_adopted_claim_is_published_at_once() {
    let mut guard = guard();
    assert!(!stops(&guard.review(&waiting(), at(1))));
    let shown = guard.review(&held(5, 60), at(2));
    assert_eq!(shown, held(5, 60));
}

#[test]
fn the_same_claim_is_published_at_once_after_it_was_lost_for_a_while() {
    let mut guard = PublishGuard::default();
    guard.review(&held(5, 30), at(1));
    assert!(stops(&guard.review(&lost(5), at(31))));
    assert_eq!(guard.review(&held(5, 70), at(40)), held(5, 70));
}

#[test]
fn a_different_claim_is_published_only_after_the_app_had_time_to_stop() {
    for mut guard in [guard(), PublishGuard::default()] {
        guard.review(&held(5, 30), at(1));
        let hidden = guard.review(&held(6, 60), at(2));
        assert!(stops(&hidden) && hidden.claims[0].status.identity.slot.is_none());
        assert!(guard.is_pending(&held(6, 60)));
        assert!(stops(&guard.review(&held(6, 60), at(16))));
        assert_eq!(guard.review(&held(6, 60), at(17)), held(6, 60));
        assert!(!guard.is_pending(&held(6, 60)));
    }
}

#[test]
fn the_time_without_a_claim_counts_as_time_to_stop() {
    let mut guard = PublishGuard::default();
    guard.review(&held(5, 30), at(1));
    guard.review(&lost(5), at(31));
    assert_eq!(guard.review(&held(6, 90), at(46)), held(6, 90));
}

#[test]
fn a_sidecar_restarted_after_its_files_were_withdrawn_still_stops_the_app() {
    let last = last_published(None);
    let mut guard = PublishGuard::new([("snowflake".parse().unwrap(), last)]);
    assert!(stops(&guard.review(&waiting(), at(1))));
    assert_eq!(guard.review(&held(5, 60), at(2)), held(5, 60));
}

#[test]
fn first_claims_and_claims_of_keep_pools_are_published_at_once() {
    let mut guard = PublishGuard::default();
    assert_eq!(guard.review(&waiting(), at(0)), waiting());
    assert_eq!(guard.review(&held(6, 60), at(2)), held(6, 60));
    for revision in [7, 8] {
        let mut keep = held(revision, 60);
        keep.claims[0].status.on_loss = Some(OnLoss::Keep);
        assert_eq!(guard.review(&keep, at(3)), keep);
    }
}

#[test]
fn a_different_claim_waits_longer_in_a_pool_with_a_long_quarantine() {
    let mut guard = guard();
    let slow = |until| {
        let mut snapshot = held(6, until);
        snapshot.claims[0].status.quarantine = Duration::from_secs(60);
        snapshot
    };
    assert!(stops(&guard.review(&slow(100), at(1))));
    assert!(stops(&guard.review(&slow(100), at(30))));
    assert!(!stops(&guard.review(&slow(100), at(31))));
}

#[test]
fn a_name_that_was_claimed_again_is_published_at_once_although_its_fence_is_another() {
    let last = last_published(None);
    let mut guard = PublishGuard::new([("snowflake".parse().unwrap(), last)]);
    assert!(stops(&guard.review(&waiting(), at(1))), "until then the app is not healthy");
    assert_eq!(guard.review(&continued(9, 60), at(2)), continued(9, 60));
    // So is a name that was claimed again during a freeze. There the app is not told to stop.
    assert_eq!(guard.review(&continued(12, 90), at(30)), continued(12, 90));
}

#[test]
fn the_same_name_is_another_claim_if_another_pod_had_it_in_between() {
    let mut guard = guard();
    let mut other = continued(9, 60);
    other.claims[0].status.mark.as_mut().unwrap().since = UnixMillis(1);
    assert!(stops(&guard.review(&other, at(2))));
    let mut first = held(9, 60);
    first.claims[0].status.mark.as_mut().unwrap().incarnation = 1;
    assert!(stops(&guard.review(&first, at(3))));
}
