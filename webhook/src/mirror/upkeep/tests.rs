use std::sync::Arc;

use cairn_core::keys;
use cairn_core::lease::{ClaimRequest, QueueMode};
use cairn_store::etcd::Etcd;
use cairn_test_etcd::TestEtcd;

use super::*;
use crate::mirror::testing::{Sidecars, path};

/// The least that etcd grants is 2 s; nothing of these tests takes longer than a minute.
const LONG: Duration = Duration::from_mins(1);

/// An API server that knows of one life.
#[derive(Clone, Copy)]
struct Pod(Option<Life>);

impl PodLookup for Pod {
    async fn life(&self, _: &str, name: &str, uid: &str) -> Result<Option<Life>, UpkeepError> {
        assert_eq!((name, uid), ("p", "u1"));
        Ok(self.0)
    }
}

/// A real etcd in which claims are made as sidecars make them.
struct Fixture {
    _process: TestEtcd,
    sidecars: Sidecars,
}

fn chore(task: Task) -> Chore {
    Chore { path: path(), task }
}

impl Fixture {
    async fn start() -> Self {
        let process = TestEtcd::start().unwrap();
        let sidecars = Sidecars::of(&process).await;
        Self { _process: process, sidecars }
    }

    fn store(&self) -> &Store<Arc<Etcd>> {
        &self.sidecars.store
    }

    async fn revision(&self, key: &str) -> i64 {
        let found = self.store().kv().get(key).await.unwrap();
        found.map_or(0, |found| found.mod_revision)
    }

    /// What a pod would claim `Denali` with that joins the queue.
    async fn claim_request(&self, uid: &str) -> ClaimRequest {
        self.sidecars.claim_request(uid, "Denali", LONG, QueueMode::Join).await
    }

    /// A pod that gives its name up until it has ended.
    async fn quarantine(&self) -> QuarantineAt {
        let request = self.claim_request("u1").await;
        let mine = self.store().claim(&request).await.unwrap().won().unwrap().own_mod_revision;
        self.sidecars.release("u1", "Denali", mine, WITH_POD, WaitsFor::PodEnd).await;
        self.seen().await.unwrap().0
    }

    async fn seen(&self) -> Option<(QuarantineAt, WaitsFor)> {
        let quarantine = self.store().quarantines(&path()).await.unwrap().pop()?;
        let uid = quarantine.record.holder.uid.clone();
        let at = QuarantineAt { key: quarantine.key, revision: quarantine.revision, uid };
        Some((at, quarantine.record.waits_for))
    }

    async fn perform(&self, pod: Pod, task: Task) -> Result<(), UpkeepError> {
        perform(self.store(), &pod, &chore(task)).await
    }

    async fn lease_of_rest(&self) -> Duration {
        let found = self.store().kv().get(path().quarantine("Denali")).await.unwrap();
        let lease = found.unwrap().lease;
        self.store().kv().time_to_live(lease).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn the_rest_of_a_pod_that_has_ended_is_over_within_seconds_and_is_shortened_once() {
    let fixture = Fixture::start().await;
    let quarantine = fixture.quarantine().await;
    assert!(fixture.lease_of_rest().await > Duration::from_mins(50));
    fixture.perform(Pod(None), Task::Shorten(quarantine.clone())).await.unwrap();
    assert!(fixture.lease_of_rest().await <= AFTER_POD);
    let (shortened, waits_for) = fixture.seen().await.unwrap();
    assert_eq!(waits_for, WaitsFor::Time, "the mirror does not begin it again");
    fixture.perform(Pod(None), Task::Shorten(quarantine)).await.unwrap();
    assert_eq!(fixture.seen().await.unwrap().0, shortened);
}

#[tokio::test]
async fn a_pod_that_is_not_watched_is_asked_for_before_its_name_is_given_on() {
    for (life, shortened) in [(None, true), (Some(Life::Ended), true), (Some(Life::Runs), false)] {
        let fixture = Fixture::start().await;
        let quarantine = fixture.quarantine().await;
        let done = fixture.perform(Pod(life), Task::ShortenUnlessFound(quarantine)).await;
        assert_eq!(done.is_ok(), shortened, "{life:?}");
        assert_eq!(fixture.lease_of_rest().await <= AFTER_POD, shortened, "{life:?}");
    }
}

#[tokio::test]
async fn the_rest_of_a_pod_that_runs_goes_on_for_another_hour() {
    let fixture = Fixture::start().await;
    let quarantine = fixture.quarantine().await;
    fixture.perform(Pod(None), Task::Prolong(quarantine.clone())).await.unwrap();
    let (prolonged, waits_for) = fixture.seen().await.unwrap();
    assert_eq!(waits_for, WaitsFor::PodEnd);
    assert!(prolonged.revision > quarantine.revision);
    assert!(fixture.lease_of_rest().await > Duration::from_mins(50));
}

#[tokio::test]
async fn the_keys_of_an_unused_group_are_deleted_unless_a_pod_has_joined_meanwhile() {
    let fixture = Fixture::start().await;
    let put = |key: String| Txn { then: vec![Op::put(key, "", 0)], ..Txn::default() };
    let sweep = async |last| Task::Sweep {
        sentinel: fixture.revision(&path().sentinel()).await,
        reclaims: fixture.revision(&path().reclaims()).await,
        clocks: vec![("Denali".into(), fixture.revision(&path().clock("Denali")).await)],
        last,
    };
    for key in [path().sentinel(), path().reclaims(), path().clock("Denali")] {
        fixture.store().kv().txn(put(key)).await.unwrap();
    }
    for moved in
        [path().sentinel(), path().reclaims(), path().clock("Denali"), path().slot("Denali")]
    {
        let task = sweep(true).await;
        fixture.store().kv().txn(put(moved.clone())).await.unwrap();
        fixture.perform(Pod(None), task).await.unwrap();
        assert!(fixture.revision(&path().sentinel()).await > 0, "{moved}");
    }
    let free = Txn { then: vec![Op::Delete(path().slot("Denali"))], ..Txn::default() };
    fixture.store().kv().txn(free).await.unwrap();
    fixture.perform(Pod(None), sweep(false).await).await.unwrap();
    assert_eq!(fixture.revision(&path().clock("Denali")).await, 0);
    assert!(fixture.revision(&path().sentinel()).await > 0);
    fixture.perform(Pod(None), sweep(true).await).await.unwrap();
    assert_eq!(fixture.revision(&path().sentinel()).await, 0);
    assert_eq!(fixture.revision(&path().reclaims()).await, 0);
    assert!(fixture.revision(keys::EPOCH).await > 0);
}

#[tokio::test]
async fn a_pod_that_starts_while_its_groups_keys_go_queues_and_has_its_name() {
    let fixture = Fixture::start().await;
    let put = Txn { then: vec![Op::put(path().sentinel(), "", 0)], ..Txn::default() };
    fixture.store().kv().txn(put).await.unwrap();
    let early = fixture.claim_request("u2").await;
    let sentinel = fixture.revision(&path().sentinel()).await;
    let task = Task::Sweep { sentinel, reclaims: 0, clocks: Vec::new(), last: true };
    fixture.perform(Pod(None), task).await.unwrap();
    assert_eq!(fixture.revision(&path().sentinel()).await, 0);
    assert!(
        fixture.store().claim(&early).await.unwrap().won().is_none(),
        "it joins the queue instead"
    );
    let ticket = fixture.revision(&path().ticket("u2")).await;
    assert!(ticket > 0 && fixture.revision(&path().sentinel()).await == ticket);
}
