//! Deterministic runs of the driver: on the memory store, with virtual time.

use std::path::Path;
use std::time::Duration;

use cairn_core::claim::{ClaimState, Holder};
use cairn_core::ids::{DEFAULT_EPOCH, DEFAULT_LAYOUT, Layout};
use cairn_core::keys::ClaimPath;
use cairn_core::lease::{PoolView, ReadRequest};
use cairn_core::pool::{MOUNTAINS, Pool, PoolName, SNOWFLAKE, Scope};
use cairn_core::time::{Now, UnixMillis};
use cairn_kit::etcd::EtcdTarget;
use cairn_kit::log::LogArgs;
use cairn_kit::shutdown::{self, Trigger};
use cairn_store::Class;
use cairn_store::memory::{Fault, MemoryKv};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

use super::*;
use crate::config::{Access, Config};
use crate::ids::Ids;

mod clock;
mod faults;
mod herd;
mod real;
mod restart;
mod waiting;

/// A clock that follows tokio's paused time, so that leases, timers and deadlines agree.
#[derive(Debug)]
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Now {
        let passed = self.0.elapsed();
        let base = Duration::from_secs(1000);
        Now {
            boot: BootInstant::default().after(base + passed),
            wall: UnixMillis(1_795_230_000_000).after(passed),
        }
    }
}

const TEA: &str = "tea";

/// One sidecar under test.
struct Sidecar {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    ids: Ids,
    trigger: Trigger,
    ended: tokio::task::JoinHandle<EndReason>,
}

impl Sidecar {
    fn start(memory: &MemoryKv, uid: &str, pools: &[&str]) -> Self {
        Self::start_on(memory.clone(), Arc::new(PausedClock(Instant::now())), uid, pools)
    }

    fn start_on<K: Kv + 'static>(kv: K, clock: Arc<dyn Clock>, uid: &str, pools: &[&str]) -> Self {
        Self::start_in(Path::new("/nonexistent"), kv, clock, uid, pools)
    }

    fn start_in<K: Kv + 'static>(
        dir: &Path,
        kv: K,
        clock: Arc<dyn Clock>,
        uid: &str,
        pools: &[&str],
    ) -> Self {
        Self::start_as(false, dir, kv, clock, uid, pools)
    }

    fn start_as<K: Kv + 'static>(
        in_pod: bool,
        dir: &Path,
        kv: K,
        clock: Arc<dyn Clock>,
        uid: &str,
        pools: &[&str],
    ) -> Self {
        let config = Arc::new(Config {
            coordination: None,
            access: Access::Direct(EtcdTarget::default()),
            pools: pools.iter().map(|pool| pool.parse().unwrap()).collect(),
            dir: dir.to_owned(),
            group: None,
            namespace: "shop".into(),
            instance: Some(uid.into()),
            pod: format!("pod-{uid}"),
            node: String::new(),
            prefix: None,
            ids: Layout::parse(DEFAULT_LAYOUT, DEFAULT_EPOCH).unwrap(),
            api: None,
            api_v6: None,
            admin: None,
            new_store: true,
            in_pod,
            gate_file: None,
            app_probes: crate::app_probes::Settings::default(),
            log: LogArgs::default(),
        });
        let holder = Holder {
            namespace: "shop".into(),
            pod: config.pod.clone(),
            uid: uid.into(),
            ..Holder::default()
        };
        let (snapshots, watch) = watch::channel(Arc::new(Snapshot::default()));
        let (trigger, shutdown) = shutdown::channel();
        let (_, metrics) = crate::metrics::build(Arc::clone(&clock), None);
        let ids = Ids::new(&config, uid, Arc::clone(&clock), watch.clone());
        let minting = ids.clone();
        let deps =
            Deps { config, holder, clock, snapshots, ids, coordination: None, metrics, shutdown };
        let store = Store::new(kv);
        let ended = spawn_local(async move { Driver::new(&deps, store).run(&deps).await });
        Self { snapshots: watch, ids: minting, trigger, ended }
    }

    /// Waits until the first claim is in a state. Returns its name.
    async fn reaches(&mut self, state: ClaimState) -> Option<String> {
        let limit = Duration::from_secs(600);
        let reached = self.snapshots.wait_for(|snapshot| {
            snapshot.claims.first().is_some_and(|claim| claim.status.identity.state == state)
        });
        let snapshot = tokio::time::timeout(limit, reached).await.unwrap().unwrap();
        snapshot.claims[0].status.identity.slot.as_ref().map(|slot| slot.name.clone())
    }

    /// Waits until the first claim has a rank in the queue. Returns the rank.
    async fn waits(&mut self) -> usize {
        let limit = Duration::from_secs(600);
        let reached = self.snapshots.wait_for(|snapshot| {
            snapshot.claims.first().is_some_and(|claim| claim.status.identity.rank.is_some())
        });
        let snapshot = tokio::time::timeout(limit, reached).await.unwrap().unwrap();
        snapshot.claims[0].status.identity.rank.unwrap()
    }

    /// The name that the first claim holds.
    fn holds(&self) -> Option<String> {
        let snapshot = self.snapshots.borrow();
        let identity = &snapshot.claims.first()?.status.identity;
        let slot = identity.slot.as_ref().filter(|_| identity.state == ClaimState::Held)?;
        Some(slot.name.clone())
    }

    /// Ends at once and releases nothing, as after SIGKILL.
    async fn crash(self) {
        self.ended.abort();
        let _ = self.ended.await;
    }

    fn fence(&self) -> cairn_core::claim::Fence {
        self.snapshots.borrow().claims[0].status.identity.slot.as_ref().unwrap().fence
    }

    async fn stop(self) -> EndReason {
        self.trigger.next();
        self.ended.await.unwrap()
    }
}

/// A store with an epoch and the pool `tea` with this many names.
async fn define<K: Kv>(store: &Store<K>, names: usize, rule: &str) {
    let names: Vec<_> = (0..names).map(|n| format!("tea{n:03}")).collect();
    let json = serde_json::json!({"names": {"list": names}, "onExhausted": rule});
    let pool = Pool::from_json(TEA.parse().unwrap(), json.to_string().as_bytes()).unwrap();
    store.define(&pool, 5, None).await.unwrap();
}

/// The pool as an observer reads it.
async fn view<K: Kv>(store: &Store<K>, uid: &str) -> PoolView {
    let pool: PoolName = TEA.parse().unwrap();
    let look = ReadRequest {
        lists: true,
        path: ClaimPath::new(pool.clone(), Scope::Namespace, "shop", None),
        pools: vec![pool],
        namespace: "shop".into(),
        uid: uid.into(),
        ticket: None,
        clocks: false,
        wanted: None,
    };
    store.read(&look).await.unwrap()
}

async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

fn slot(pool: &str, scope: Scope, name: &str) -> String {
    ClaimPath::new(pool.parse().unwrap(), scope, "shop", None).slot(name)
}

#[tokio::test(start_paused = true)]
async fn twenty_sidecars_get_twenty_different_names_lowest_first() {
    local(async {
        let memory = MemoryKv::default();
        let mut sidecars: Vec<_> =
            (0..20).map(|n| Sidecar::start(&memory, &format!("u{n}"), &[SNOWFLAKE])).collect();
        let mut names = Vec::new();
        for sidecar in &mut sidecars {
            names.push(sidecar.reaches(ClaimState::Held).await.unwrap().parse::<u32>().unwrap());
        }
        names.sort_unstable();
        assert_eq!(names, (0..20).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_uncontended_claim_takes_two_writes() {
    local(async {
        let memory = MemoryKv::default();
        let mut first = Sidecar::start(&memory, "u1", &[MOUNTAINS]);
        first.reaches(ClaimState::Held).await;
        let before = memory.writes();
        let mut second = Sidecar::start(&memory, "u2", &[MOUNTAINS]);
        assert_eq!(second.reaches(ClaimState::Held).await.unwrap(), "MtLogan");
        assert_eq!(memory.writes() - before, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_response_never_costs_a_second_name() {
    // The lost response is that of each of the first requests: grant, read, define, read, claim, …
    for position in 0..8 {
        local(async {
            let memory = MemoryKv::default();
            for _ in 0..position {
                memory.inject(Fault::Refuse(Class::NotApplied));
            }
            memory.inject(Fault::LoseAnswer);
            let mut sidecar = Sidecar::start(&memory, "u1", &[MOUNTAINS]);
            assert_eq!(sidecar.reaches(ClaimState::Held).await.unwrap(), "Denali", "{position}");
            let mut other = Sidecar::start(&memory, "u2", &[MOUNTAINS]);
            assert_eq!(other.reaches(ClaimState::Held).await.unwrap(), "MtLogan", "{position}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_lost_at_its_deadline_during_an_outage_and_held_again_after_it() {
    for (pool, believed) in [(MOUNTAINS, ClaimState::Degraded), (SNOWFLAKE, ClaimState::Lost)] {
        local(async {
            let memory = MemoryKv::default();
            let mut sidecar = Sidecar::start(&memory, "u1", &[pool]);
            let name = sidecar.reaches(ClaimState::Held).await;
            let fence = sidecar.fence();
            memory.set_down(true);
            sidecar.reaches(believed).await;
            memory.set_down(false);
            assert_eq!(sidecar.reaches(ClaimState::Held).await, name);
            assert_eq!(sidecar.fence(), fence);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_changes_nothing() {
    local(async {
        let memory = MemoryKv::default();
        let mut sidecar = Sidecar::start(&memory, "u1", &[SNOWFLAKE]);
        sidecar.reaches(ClaimState::Held).await;
        memory.set_down(true);
        let watching = sidecar.snapshots.wait_for(|snapshot| {
            snapshot.claims.iter().any(|claim| claim.status.identity.state != ClaimState::Held)
        });
        let early = tokio::time::timeout(Duration::from_secs(19), watching).await.is_ok();
        assert!(!early, "the claim was given up during a short outage");
        memory.set_down(false);
        assert_eq!(sidecar.reaches(ClaimState::Held).await.unwrap(), "0");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_force_release_is_noticed_within_one_renewal() {
    local(async {
        let memory = MemoryKv::default();
        let mut sidecar = Sidecar::start(&memory, "u1", &[MOUNTAINS]);
        sidecar.reaches(ClaimState::Held).await;
        memory.delete(&slot(MOUNTAINS, Scope::Namespace, "Denali"));
        let before = Instant::now();
        sidecar.reaches(ClaimState::Lost).await;
        let waited = before.elapsed();
        assert!(waited <= Duration::from_secs(12), "{waited:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_restarted_sidecar_adopts_its_claim_and_fences_its_predecessor() {
    local(async {
        let memory = MemoryKv::default();
        let mut older = Sidecar::start(&memory, "u1", &[SNOWFLAKE]);
        older.reaches(ClaimState::Held).await;
        let fence = older.fence();
        let mut younger = Sidecar::start(&memory, "u1", &[SNOWFLAKE]);
        assert_eq!(younger.reaches(ClaimState::Held).await.unwrap(), "0");
        assert_eq!(younger.fence(), fence);
        let reason = older.ended.await.unwrap();
        assert!(matches!(reason, EndReason::Fenced(_)), "{reason:?}");
        assert_eq!(younger.stop().await, EndReason::Released);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_sidecar_releases_its_name_into_quarantine() {
    local(async {
        let memory = MemoryKv::default();
        let mut first = Sidecar::start(&memory, "u1", &[MOUNTAINS]);
        first.reaches(ClaimState::Held).await;
        let fence = first.fence();
        assert_eq!(first.stop().await, EndReason::Released);
        let mut second = Sidecar::start(&memory, "u2", &[MOUNTAINS]);
        assert_eq!(second.reaches(ClaimState::Held).await.unwrap(), "MtLogan");
        tokio::time::advance(Duration::from_secs(6)).await;
        let mut third = Sidecar::start(&memory, "u3", &[MOUNTAINS]);
        assert_eq!(third.reaches(ClaimState::Held).await.unwrap(), "Denali");
        assert!(third.fence() > fence);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn outside_a_pod_a_store_that_never_responds_is_reported() {
    local(async {
        let memory = MemoryKv::default();
        memory.set_down(true);
        let sidecar = Sidecar::start(&memory, "u1", &[MOUNTAINS]);
        let EndReason::Failed(message) = sidecar.ended.await.unwrap() else { panic!() };
        assert!(message.contains("is etcd running at the --etcd address?"), "{message}");
    })
    .await;
}
