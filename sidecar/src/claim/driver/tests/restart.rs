//! Sidecars of pods that end alone, and come back: driver and publisher on one volume, on virtual time.

use cairn_core::keys;
use cairn_store::{Op, Txn};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::applied::{self, Applied};
use crate::publish::Publisher;
use crate::publish::tree::Tree;

/// V and Q of the pools here.
const V: u64 = 30;
const Q: u64 = 30;

/// A pod: its volume outlives its sidecars.
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

    /// SIGTERM while the app lives.
    async fn term(&mut self) {
        let (sidecar, _, publishing) = self.sidecar.take().unwrap();
        assert_eq!(sidecar.stop().await, DriverEnd::Released);
        publishing.await.unwrap().withdraw().await.unwrap();
    }

    /// SIGKILL.
    async fn kill(&mut self) {
        let (sidecar, applied, publishing) = self.sidecar.take().unwrap();
        publishing.abort();
        let _ = publishing.await;
        sidecar.crash().await;
        drop(applied);
    }

    /// Waits until what is published is so.
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
        self.applied().snapshot.claims[0].identity.slot.as_ref().unwrap().fence
    }

    /// What the app finds in its volume.
    fn name(&self) -> Option<String> {
        std::fs::read_to_string(self.volume.path().join(self.pool).join("name")).ok()
    }

    fn env(&self) -> Option<String> {
        std::fs::read_to_string(self.volume.path().join("env")).ok()
    }
}

/// A pool that is defined as the webhook does it.
async fn pool(memory: &MemoryKv, name: &str, json: &str) {
    let pool = Pool::from_json(name.parse().unwrap(), json.as_bytes()).unwrap();
    Store::new(memory.clone()).define(&pool, 5, None).await.unwrap();
}

/// One node ID, with reserved time, and one name.
async fn world() -> MemoryKv {
    let memory = MemoryKv::default();
    clock::define_ids(&Store::new(memory.clone())).await;
    pool(&memory, TEA, r#"{"names":{"list":["assam"]},"quarantine":"15s"}"#).await;
    memory
}

/// The store comes back empty, and the webhook sets it up.
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
async fn after_a_sigterm_the_same_pod_has_the_same_node_id_at_once_ahead_of_those_who_wait() {
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
        tokio::time::sleep(Duration::from_secs(2 * (V + Q))).await;
        assert_eq!(other.holds(), None);
        pod.term().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_id_whose_sidecar_does_not_come_back_is_given_on_once_its_app_is_certainly_dead() {
    local(async {
        let memory = world().await;
        let mut pod = Pod::new(&memory, "u1", clock::IDS);
        pod.holds().await;
        let mut other = Sidecar::start(&memory, "u2", &[clock::IDS]);
        other.waits().await;
        // A renewal is at most V/3 ago, so that the app may believe for 20 s at least.
        let until = pod.applied().snapshot.claims[0].identity.slot.clone().unwrap();
        pod.term().await;
        other.reaches(ClaimState::Held).await;
        let rested = pod.clock.now().boot.since(until.valid_until_boottime);
        assert!(rested >= Duration::from_secs(Q), "{rested:?} after the deadline");
        // And the pod that comes back too late has to wait, its app being told to stop.
        pod.start();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(pod.applied().app_alive().is_err());
        assert_eq!(pod.name(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_keep_name_stays_with_its_app_and_is_nobody_elses_while_the_pod_may_live() {
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
        // Once the pod has ended, the mirror shortens the rest.
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
async fn a_keep_pod_whose_sidecar_restarts_while_etcd_is_away_stays_as_it_is() {
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
                let identity = &applied.snapshot.claims[0].identity;
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
                // The sidecar dies with the store, and the next one believes what its app may.
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
async fn a_stop_claim_that_was_released_is_not_claimed_again_during_a_hold() {
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
async fn a_release_that_fails_is_tried_again_within_the_time_that_a_container_has() {
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
