//! Sidecars that end alone and restart: driver and publisher on one volume, with virtual time.

use cairn_core::keys;
use cairn_store::{Op, Txn};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::applied::{self, Applied};
use crate::publish::Publisher;
use crate::publish::tree::Tree;

/// Validity and quarantine of the pools here.
const VALIDITY: u64 = 30;
const QUARANTINE: u64 = 30;

/// A pod, whose volume outlives its sidecars.
struct Pod {
    uid: &'static str,
    pool: &'static str,
    volume: TempDir,
    memory: MemoryKv,
    clock: Arc<dyn Clock>,
    sidecar: Option<(Sidecar, applied::Watch, JoinHandle<Publisher>)>,
}

impl Pod {
    fn new(memory: &MemoryKv, uid: &'static str, pool: &'static str) -> Self {
        let volume = tempfile::tempdir().unwrap();
        let clock = Arc::new(PausedClock(Instant::now()));
        let mut pod = Self { uid, pool, volume, memory: memory.clone(), clock, sidecar: None };
        pod.start();
        pod
    }

    fn start(&mut self) {
        let pools = [self.pool.parse().unwrap()];
        let tree = Tree::open(self.volume.path(), &pools).unwrap();
        let clock = Arc::clone(&self.clock);
        let sidecar = Sidecar::start_as(
            true,
            self.volume.path(),
            self.memory.clone(),
            Arc::clone(&clock),
            self.uid,
            &[self.pool],
        );
        let holder = Holder { uid: self.uid.into(), ..Holder::default() };
        let first = Snapshot::starting(&pools, "-", &holder);
        let (mut publisher, applied) =
            Publisher::new(tree, None, Some(self.uid.into()), clock, &first);
        let snapshots = sidecar.snapshots.clone();
        let publishing = spawn_local(async move {
            publisher.run(snapshots).await;
            publisher
        });
        self.sidecar = Some((sidecar, applied, publishing));
    }

    /// Stops the sidecar as after SIGTERM while the app runs.
    async fn term(&mut self) {
        let (sidecar, _, publishing) = self.sidecar.take().unwrap();
        assert_eq!(sidecar.stop().await, EndReason::Released);
        publishing.await.unwrap().withdraw().await.unwrap();
    }

    /// Stops the sidecar as after SIGKILL.
    async fn kill(&mut self) {
        let (sidecar, applied, publishing) = self.sidecar.take().unwrap();
        publishing.abort();
        let _ = publishing.await;
        sidecar.crash().await;
        drop(applied);
    }

    /// Waits until the published state meets a condition.
    async fn until(&mut self, what: &str, condition: impl Fn(&Applied) -> bool) {
        let (_, applied, _) = self.sidecar.as_mut().unwrap();
        let reached = applied.wait_for(|applied| condition(applied));
        let reached = tokio::time::timeout(Duration::from_secs(600), reached).await;
        assert!(reached.is_ok(), "never: {what}");
    }

    async fn holds(&mut self) -> String {
        self.until("held", |applied| applied.held().is_ok()).await;
        self.name().unwrap()
    }

    fn applied(&self) -> Arc<Applied> {
        Arc::clone(&self.sidecar.as_ref().unwrap().1.borrow())
    }

    fn fence(&self) -> cairn_core::claim::Fence {
        self.applied().snapshot.claims[0].status.identity.slot.as_ref().unwrap().fence
    }

    /// A file of the volume.
    fn name(&self) -> Option<String> {
        std::fs::read_to_string(self.volume.path().join(self.pool).join("name")).ok()
    }

    fn env(&self) -> Option<String> {
        std::fs::read_to_string(self.volume.path().join("env")).ok()
    }
}

/// Defines a pool as the webhook does.
async fn pool(memory: &MemoryKv, name: &str, json: &str) {
    let pool = Pool::from_json(name.parse().unwrap(), json.as_bytes()).unwrap();
    Store::new(memory.clone()).define(&pool, 5, None).await.unwrap();
}

/// A store with one node ID with reserved time, and one name.
async fn world() -> MemoryKv {
    let memory = MemoryKv::default();
    clock::define_ids(&Store::new(memory.clone())).await;
    pool(&memory, TEA, r#"{"names":{"list":["assam"]},"quarantine":"15s"}"#).await;
    memory
}

/// Empties the store and defines the pools, as the webhook does.
async fn wipe(memory: &MemoryKv) {
    let store = Store::new(memory.clone());
    let all = memory.read_all(keys::ROOT).await.unwrap();
    let specs: Vec<_> =
        all.iter().filter(|key| key.key.starts_with(keys::POOLS)).cloned().collect();
    for key in &all {
        if key.lease != 0 {
            let _ = memory.revoke(key.lease).await;
        }
        memory.delete(&key.key);
    }
    let pools: Vec<PoolName> = [clock::IDS, TEA].map(|pool| pool.parse().unwrap()).to_vec();
    assert!(store.begin(&pools, 6, Some(Duration::from_secs(90))).await.unwrap());
    for spec in specs {
        let then = vec![Op::put(spec.key, spec.value, 0)];
        memory.txn(Txn { then, ..Txn::default() }).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_sigterm_the_same_pod_gets_its_node_id_at_once_ahead_of_waiting_pods() {
    local(async {
        let memory = world().await;
        let mut pod = Pod::new(&memory, "u1", clock::IDS);
        assert_eq!(pod.holds().await, "7");
        let fence = pod.fence();
        let mut other = Sidecar::start(&memory, "u2", &[clock::IDS]);
        assert_eq!(other.waits().await, 0);
        pod.term().await;
        assert_eq!((pod.name(), pod.env()), (None, None));
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = Instant::now();
        pod.start();
        assert!(pod.applied().app_alive().is_err(), "not healthy before the name is back");
        assert!(pod.applied().startup_verdict().is_err());
        assert_eq!(pod.holds().await, "7");
        assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
        assert!(pod.fence() > fence);
        assert_eq!(pod.applied().app_alive(), Ok(()));
        assert_eq!((pod.name().as_deref(), pod.env().is_some()), (Some("7"), true));
        tokio::time::sleep(Duration::from_secs(2 * (VALIDITY + QUARANTINE))).await;
        assert_eq!(other.holds(), None);
        pod.term().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_id_goes_to_another_pod_once_its_app_has_certainly_stopped() {
    local(async {
        let memory = world().await;
        let mut pod = Pod::new(&memory, "u1", clock::IDS);
        pod.holds().await;
        let mut other = Sidecar::start(&memory, "u2", &[clock::IDS]);
        other.waits().await;
        // The last renewal is at most validity/3 ago, so the app may use the ID for at least 20 s.
        let until = pod.applied().snapshot.claims[0].status.identity.slot.clone().unwrap();
        pod.term().await;
        other.reaches(ClaimState::Held).await;
        let rested = pod.clock.now().boot.since(until.valid_until_boottime);
        assert!(rested >= Duration::from_secs(QUARANTINE), "{rested:?} after the deadline");
        // The pod that restarts too late has to wait, and its app has to stop.
        pod.start();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(pod.applied().app_alive().is_err());
        assert_eq!(pod.name(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_keep_name_goes_to_no_other_pod_while_its_pod_may_run() {
    local(async {
        let memory = world().await;
        let mut pod = Pod::new(&memory, "u1", TEA);
        assert_eq!(pod.holds().await, "assam");
        pod.term().await;
        assert_eq!(pod.name().as_deref(), Some("assam"), "the app keeps its files");
        assert!(pod.env().is_some());
        let mut other = Sidecar::start(&memory, "u2", &[TEA]);
        other.waits().await;
        tokio::time::sleep(Duration::from_secs(30 * 60)).await;
        assert_eq!(other.holds(), None);
        pod.start();
        assert_eq!(pod.holds().await, "assam");
        // After the end of the pod, the mirror shortens the quarantine.
        pod.term().await;
        let store = Store::new(memory.clone());
        let path = ClaimPath::new(TEA.parse().unwrap(), Scope::Namespace, "shop", None);
        let rest = store.quarantines(&path).await.unwrap().remove(0);
        let shortened = store.put_quarantine(
            &path,
            &rest.key,
            rest.revision,
            &rest.record,
            cairn_core::quarantine::AFTER_POD,
        );
        assert!(shortened.await.unwrap());
        let before = Instant::now();
        assert_eq!(other.reaches(ClaimState::Held).await.as_deref(), Some("assam"));
        assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_keep_pod_keeps_its_files_when_its_sidecar_restarts_during_an_outage() {
    local(async {
        let memory = world().await;
        let mut pod = Pod::new(&memory, "u1", TEA);
        pod.holds().await;
        for sigterm in [false, true] {
            if sigterm {
                pod.term().await;
            } else {
                pod.kill().await;
            }
            memory.set_down(true);
            pod.start();
            assert_eq!(pod.applied().startup_verdict(), Ok(()), "the gate opens once");
            pod.until("shown", |applied| {
                let identity = &applied.snapshot.claims[0].status.identity;
                identity.state == ClaimState::Degraded && identity.slot.is_some()
            })
            .await;
            tokio::time::sleep(Duration::from_secs(300)).await;
            assert_eq!(pod.applied().startup_verdict(), Ok(()));
            assert_eq!(pod.name().as_deref(), Some("assam"));
            memory.set_down(false);
            assert_eq!(pod.holds().await, "assam");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wiped_store_stops_no_app_and_repeats_no_id() {
    local(async {
        let memory = world().await;
        let mut pod = Pod::new(&memory, "u1", clock::IDS);
        pod.holds().await;
        let mint = async |pod: &Pod| pod.sidecar.as_ref().unwrap().0.mint(100).await.unwrap();
        let mut last = *mint(&pod).await.last().unwrap();
        for life in 0..2 {
            if life == 1 {
                // The sidecar ends with the store. The next one shows the claim until its deadline.
                pod.kill().await;
            }
            wipe(&memory).await;
            if life == 1 {
                pod.start();
            }
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert_eq!(pod.applied().app_alive(), Ok(()), "life {life}");
                assert_eq!(pod.name().as_deref(), Some("7"));
            }
            assert_eq!(pod.fence().epoch, 6);
            let ids = mint(&pod).await;
            assert!(ids[0] > last && ids.is_sorted_by(|a, b| a < b), "life {life}");
            last = *ids.last().unwrap();
            let seen = Store::new(memory.clone());
            let path = ClaimPath::new(clock::IDS.parse().unwrap(), Scope::Cluster, "shop", None);
            assert!(!seen.quarantines(&path).await.unwrap().iter().any(|rest| rest.key == "7"));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_released_stop_claim_is_not_claimed_again_during_a_freeze() {
    local(async {
        let memory = world().await;
        let mut pod = Pod::new(&memory, "u1", clock::IDS);
        pod.holds().await;
        pod.term().await;
        wipe(&memory).await;
        pod.start();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(pod.applied().app_alive().is_err());
        assert_eq!(pod.name(), None);
        assert_eq!(pod.holds().await, "7", "once the hold has ended");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_release_is_retried_within_the_time_before_sigkill() {
    for fault in
        [Fault::Refuse(Class::NotApplied), Fault::Refuse(Class::Ambiguous), Fault::LoseAnswer]
    {
        for position in 0..2 {
            local(async {
                let memory = world().await;
                let mut pod = Pod::new(&memory, "u1", TEA);
                pod.holds().await;
                memory.inject_after(position, fault);
                let before = Instant::now();
                pod.term().await;
                let (took, case) = (before.elapsed(), format!("{fault:?} at {position}"));
                assert!(took < Duration::from_millis(850), "{case}: {took:?}");
                let path = ClaimPath::new(TEA.parse().unwrap(), Scope::Namespace, "shop", None);
                let rests = Store::new(memory.clone()).quarantines(&path).await.unwrap();
                assert_eq!(rests.len(), 1, "{case}");
            })
            .await;
        }
    }
}
