//! Reserved time and minted IDs, with wall clocks that are wrong, set back or set ahead.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use cairn_store::{Deltas, Follow, KeyValue, Op, Span, Txn, TxnReply};
use tempfile::TempDir;
use tokio::time::sleep;

use super::*;
use crate::applied::Applied;
use crate::ids::{Minted, Unavailable};

pub(super) const IDS: &str = "ids";
const HOUR: i64 = 3_600_000;

/// The clocks of a machine: the common boot-time clock, and a wall clock that may be wrong.
#[derive(Debug)]
struct Skewed {
    boot: PausedClock,
    millis: AtomicI64,
}

impl Skewed {
    fn by(began: Instant, millis: i64) -> Arc<Self> {
        Arc::new(Self { boot: PausedClock(began), millis: AtomicI64::new(millis) })
    }

    fn set(&self, millis: i64) {
        self.millis.store(millis, Ordering::Relaxed);
    }
}

impl Clock for Skewed {
    fn now(&self) -> Now {
        let now = self.boot.now();
        Now { wall: UnixMillis(now.wall.0 + self.millis.load(Ordering::Relaxed)), ..now }
    }
}

/// A store that refuses only reservations, while the test wants it.
#[derive(Clone)]
struct Veto {
    memory: MemoryKv,
    refuses: Arc<AtomicBool>,
}

impl Veto {
    fn set(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }
}

impl Kv for Veto {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        let reserves =
            txn.then.iter().any(|op| matches!(op, Op::Put { key, .. } if key.contains("/h/")));
        if reserves && self.refuses.load(Ordering::Relaxed) {
            return Err(Error::Injected(Class::NotApplied));
        }
        self.memory.txn(txn).await
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        self.memory.grant(ttl).await
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        self.memory.keep_alive(lease).await
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.memory.revoke(lease).await
    }

    async fn changed(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        self.memory.changed(spans, from).await
    }

    async fn follow(&self, follow: Follow, deltas: Deltas) -> Error {
        self.memory.follow(follow, deltas).await
    }
}

/// Defines the pool with one node ID.
pub(super) async fn define_ids<K: Kv>(store: &Store<K>) {
    let json = r#"{"names":{"range":{"from":7,"to":7}},"scope":"Cluster","quarantine":"30s",
        "onLoss":"Stop","clock":"Reserve"}"#;
    let pool = Pool::from_json(IDS.parse().unwrap(), json.as_bytes()).unwrap();
    store.define(&pool, 5, None).await.unwrap();
}

/// A store with one node ID, and the directories of its sidecars.
struct Fixture {
    veto: Veto,
    began: Instant,
    dirs: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let memory = MemoryKv::default();
        define_ids(&Store::new(memory.clone())).await;
        let veto = Veto { memory, refuses: Arc::default() };
        Self { veto, began: Instant::now(), dirs: tempfile::tempdir().unwrap() }
    }

    fn clock(&self, skew: i64) -> Arc<Skewed> {
        Skewed::by(self.began, skew)
    }

    fn start(&self, dir: &str, uid: &str, clock: &Arc<Skewed>) -> Sidecar {
        let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
        Sidecar::start_in(&self.dirs.path().join(dir), self.veto.clone(), clock, uid, &[IDS])
    }

    /// The reservation in the store.
    async fn reserved(&self) -> i64 {
        let path = ClaimPath::new(IDS.parse().unwrap(), Scope::Cluster, "shop", None);
        let found = self.veto.memory.get(path.clock("7")).await.unwrap().unwrap();
        let value = |key: &KeyValue| serde_json::from_slice::<serde_json::Value>(&key.value);
        let record = value(&found).unwrap();
        record["reserved_until_ms"].as_i64().unwrap()
    }
}

impl Sidecar {
    /// Mints IDs as if the driver's state were published.
    pub(super) async fn mint(&self, count: u32) -> Result<Vec<u64>, Unavailable> {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let (_applied, watch) =
            watch::channel(Arc::new(Applied { snapshot, ..Applied::default() }));
        let Minted { ids, .. } = self.ids.mint(&watch, &IDS.parse().unwrap(), count).await?;
        Ok(ids.iter().map(|id| id.parse().unwrap()).collect())
    }

    pub(super) fn bounds(&self) -> (i64, i64) {
        let snapshot = self.snapshots.borrow();
        let slot = snapshot.claims[0].status.identity.slot.as_ref().unwrap();
        (slot.not_before.unwrap().0, slot.not_after.unwrap().0)
    }
}

/// The timestamp of an ID in the default layout.
fn time(id: u64) -> i64 {
    i64::try_from(id >> 22).unwrap() + 1_577_836_800_000
}

#[tokio::test(start_paused = true)]
async fn a_successor_whose_clock_is_behind_starts_after_its_predecessors_last_timestamp() {
    local(async {
        let fixture = Fixture::new().await;
        let (ahead, behind) = (fixture.clock(20_000), fixture.clock(-100_000));
        let mut first = fixture.start("a", "u1", &ahead);
        first.reaches(ClaimState::Held).await;
        let last = *first.mint(4096).await.unwrap().last().unwrap();
        let reserved = first.bounds().1;
        first.crash().await;
        let mut second = fixture.start("b", "u2", &behind);
        second.reaches(ClaimState::Held).await;
        assert_eq!(second.bounds().0, reserved + 1);
        assert!(behind.now().wall.0 > reserved, "published before it was due");
        let ids = second.mint(10).await.unwrap();
        assert!(ids[0] > last && time(ids[0]) > reserved);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_not_held_and_nothing_is_minted_before_time_is_reserved() {
    local(async {
        let fixture = Fixture::new().await;
        fixture.veto.set(true);
        let clock = fixture.clock(0);
        let mut sidecar = fixture.start("a", "u1", &clock);
        sleep(Duration::from_secs(100)).await;
        assert_eq!(sidecar.holds(), None);
        let refusal = sidecar.mint(1).await.unwrap_err();
        assert!(refusal.message.contains("reserving time for '7' in etcd"), "{refusal:?}");
        fixture.veto.set(false);
        sidecar.reaches(ClaimState::Held).await;
        sidecar.mint(1).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_holder_without_new_reservations_mints_until_its_time_is_used_up() {
    local(async {
        let fixture = Fixture::new().await;
        let clock = fixture.clock(0);
        let mut sidecar = fixture.start("a", "u1", &clock);
        sidecar.reaches(ClaimState::Held).await;
        fixture.veto.set(true);
        sleep(Duration::from_secs(59)).await;
        let last = sidecar.mint(1).await.unwrap()[0];
        sleep(Duration::from_secs(2)).await;
        let refusal = sidecar.mint(1).await.unwrap_err();
        assert!(refusal.message.contains("used up") && refusal.retry.is_some(), "{refusal:?}");
        assert_eq!(sidecar.holds().as_deref(), Some("7"), "the claim itself is fine");
        fixture.veto.set(false);
        sleep(Duration::from_secs(2)).await;
        assert!(sidecar.mint(1).await.unwrap()[0] > last);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_or_ahead_stops_no_minting_and_repeats_no_id() {
    for skew in [-HOUR, -30_000, HOUR, 100_000 * HOUR] {
        local(async {
            let fixture = Fixture::new().await;
            let clock = fixture.clock(0);
            let mut sidecar = fixture.start("a", "u1", &clock);
            sidecar.reaches(ClaimState::Held).await;
            let mut last = *sidecar.mint(4096).await.unwrap().last().unwrap();
            clock.set(skew);
            for _ in 0..60 {
                let (_, not_after) = sidecar.bounds();
                let ids = sidecar.mint(100).await.unwrap();
                assert!(ids.is_sorted() && ids[0] > last, "skew {skew}");
                last = ids[99];
                assert!(time(last) <= not_after, "skew {skew}");
                sleep(Duration::from_secs(7)).await;
            }
            // The clock stays back, and no ID repeats.
            clock.set(0);
            assert!(sidecar.mint(1).await.unwrap()[0] > last, "skew {skew}");
            let passed = i64::try_from(fixture.began.elapsed().as_millis()).unwrap();
            let most = PausedClock(fixture.began).now().wall.0 + 60_000 + 2 * passed;
            assert!(fixture.reserved().await <= most + 60_000, "skew {skew}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restarted_sidecar_mints_at_once_and_repeats_no_id() {
    for skew in [0, -HOUR] {
        local(async {
            let fixture = Fixture::new().await;
            let clock = fixture.clock(0);
            let mut last = 0;
            for life in 0..5 {
                let began = Instant::now();
                let mut sidecar = fixture.start("a", "u1", &clock);
                sidecar.reaches(ClaimState::Held).await;
                let ids = sidecar.mint(100).await.unwrap();
                assert!(
                    began.elapsed() < Duration::from_millis(50),
                    "life {life}: {:?}",
                    began.elapsed()
                );
                assert!(ids[0] > last, "life {life}, skew {skew}");
                last = sidecar.mint(1).await.unwrap()[0];
                assert!(time(last) <= sidecar.bounds().1);
                sidecar.crash().await;
                clock.set(skew);
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restarted_sidecar_without_its_directory_waits_for_the_end_of_the_reservation() {
    local(async {
        let fixture = Fixture::new().await;
        let clock = fixture.clock(0);
        let mut first = fixture.start("a", "u1", &clock);
        first.reaches(ClaimState::Held).await;
        let last = first.mint(1).await.unwrap()[0];
        let reserved = first.bounds().1;
        first.crash().await;
        let mut second = fixture.start("b", "u1", &clock);
        second.reaches(ClaimState::Held).await;
        assert!(clock.now().wall.0 > reserved);
        let id = second.mint(1).await.unwrap()[0];
        assert!(id > last && time(id) > reserved);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_nothing_is_minted_until_the_claim_is_confirmed() {
    local(async {
        let fixture = Fixture::new().await;
        let clock = fixture.clock(0);
        let mut sidecar = fixture.start("a", "u1", &clock);
        sidecar.reaches(ClaimState::Held).await;
        let last = sidecar.mint(1).await.unwrap()[0];
        fixture.veto.memory.set_down(true);
        sleep(Duration::from_secs(31)).await;
        let refusal = sidecar.mint(1).await.unwrap_err();
        assert!(refusal.message.contains("since its deadline"), "{refusal:?}");
        fixture.veto.memory.set_down(false);
        sidecar.reaches(ClaimState::Held).await;
        sleep(Duration::from_secs(5)).await;
        assert!(sidecar.mint(1).await.unwrap()[0] > last);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_released_id_is_ready_for_the_next_holder_after_its_quarantine() {
    local(async {
        let fixture = Fixture::new().await;
        let mut first = fixture.start("a", "u1", &fixture.clock(5_000));
        first.reaches(ClaimState::Held).await;
        let last = first.mint(1).await.unwrap()[0];
        let (ids, snapshots) = (first.ids.clone(), first.snapshots.clone());
        let reserved = first.bounds().1;
        assert_eq!(first.stop().await, EndReason::Released);
        assert!((time(last)..reserved).contains(&fixture.reserved().await));
        let applied = Applied { snapshot: Arc::clone(&snapshots.borrow()), ..Applied::default() };
        let (_applied, watch) = watch::channel(Arc::new(applied));
        let closed = ids.mint(&watch, &IDS.parse().unwrap(), 1).await.unwrap_err();
        assert_eq!((closed.message.as_str(), closed.retry), ("the sidecar is stopping", None));
        let began = Instant::now();
        let mut second = fixture.start("b", "u2", &fixture.clock(0));
        second.reaches(ClaimState::Held).await;
        assert!(began.elapsed() < Duration::from_secs(32), "{:?}", began.elapsed());
        assert!(second.mint(1).await.unwrap()[0] > last);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_id_without_minted_ids_keeps_its_reservation() {
    local(async {
        let fixture = Fixture::new().await;
        let mut sidecar = fixture.start("a", "u1", &fixture.clock(0));
        sidecar.reaches(ClaimState::Held).await;
        let reserved = sidecar.bounds().1;
        assert_eq!(sidecar.stop().await, EndReason::Released);
        assert_eq!(fixture.reserved().await, reserved);
    })
    .await;
}
