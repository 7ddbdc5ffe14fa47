use cairn_core::claim::{ClaimState, Holder};
use cairn_core::clock::Steady;
use cairn_core::identity::Slot;
use cairn_core::ids::{DEFAULT_EPOCH, DEFAULT_LAYOUT};
use cairn_core::pool::{ClockRule, OnLoss};
use cairn_core::time::BootInstant;
use tempfile::TempDir;

use super::*;
use crate::applied::Applied;

/// What the clock reads when a test begins.
const WALL: UnixMillis = UnixMillis(1_795_230_000_000);
const BOOT: BootInstant = BootInstant::from_nanos(1_000_000_000_000);
const DEADLINE: Duration = Duration::from_secs(30);

/// A clock that only the test advances.
#[derive(Debug)]
struct ManualClock(Mutex<Now>);

impl ManualClock {
    fn advance(&self, span: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = Now { boot: now.boot.after(span), wall: now.wall.after(span) };
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

struct Fixture {
    ids: Ids,
    clock: Arc<ManualClock>,
    believed: watch::Sender<Arc<Snapshot>>,
    published: watch::Sender<Arc<Applied>>,
    dir: TempDir,
}

fn pool() -> PoolName {
    "snowflake".parse().unwrap()
}

/// A claim of node ID 17 that is held from now on.
fn held(revision: i64) -> Snapshot {
    let mut snapshot = Snapshot::starting(&[pool()], "-", &Holder::default());
    let fence = Fence { epoch: 1, revision };
    let not_after = WALL.after(Duration::from_secs(60));
    let claim = &mut snapshot.claims[0];
    claim.status.identity.state = ClaimState::Held;
    claim.status.on_loss = Some(OnLoss::Stop);
    claim.status.clock = Some(ClockRule::Reserve);
    claim.status.identity.slot = Some(Slot {
        name: "17".into(),
        index: Some(17),
        prefix: "17".into(),
        fence,
        since: WALL,
        valid_until: WALL.after(DEADLINE),
        valid_until_boottime: BOOT.after(DEADLINE),
        not_before: Some(WALL),
        not_after: Some(not_after),
    });
    claim.status.minting = Some(Minting {
        fence,
        node: 17,
        largest: 1023,
        layout: None,
        not_before: WALL,
        from: WALL,
        not_after,
        steady: Steady::new(Now { boot: BOOT, wall: WALL }),
    });
    snapshot
}

impl Fixture {
    fn new() -> Self {
        Self::with(DEFAULT_LAYOUT)
    }

    fn with(layout: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock(Mutex::new(Now { boot: BOOT, wall: WALL })));
        let (believed, beliefs) = watch::channel(Arc::new(held(7)));
        let applied = Applied { snapshot: Arc::new(held(7)), ..Applied::default() };
        let (published, _) = watch::channel(Arc::new(applied));
        let ids = Ids(Arc::new(Inner {
            dir: dir.path().to_owned(),
            uid: "u".into(),
            layout: Layout::parse(layout, DEFAULT_EPOCH).unwrap(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            believed: beliefs,
            minters: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }));
        Self { ids, clock, believed, published, dir }
    }

    async fn mint(&self, count: u32) -> Result<Vec<u64>, Unavailable> {
        let minted = self.ids.mint(&self.published.subscribe(), &pool(), count).await?;
        Ok(minted.ids.iter().map(|id| id.parse().unwrap()).collect())
    }

    fn believe(&self, snapshot: Snapshot) {
        self.believed.send_replace(Arc::new(snapshot));
    }

    fn publish(&self, snapshot: Snapshot) {
        let applied = Applied { snapshot: Arc::new(snapshot), ..Applied::default() };
        self.published.send_replace(Arc::new(applied));
    }

    /// The end of the time that the checkpoint covers.
    fn checkpoint(&self) -> i64 {
        let checkpoints = checkpoint::read(self.dir.path(), &[pool()], "u");
        checkpoints[0].1.minted_until.unwrap().0
    }
}

#[tokio::test]
async fn nothing_is_minted_after_the_deadline_even_if_both_snapshots_show_the_claim_as_held() {
    let fixture = Fixture::new();
    fixture.clock.advance(DEADLINE.saturating_sub(Duration::from_millis(1)));
    fixture.mint(1).await.unwrap();
    fixture.clock.advance(Duration::from_millis(1));
    let refusal = fixture.mint(1).await.unwrap_err();
    assert!(refusal.message.contains("since its deadline"), "{refusal:?}");
    assert!(refusal.retry.is_some());
}

#[tokio::test]
async fn nothing_is_minted_unless_the_driver_and_the_files_both_show_the_claim_as_held() {
    for (believed, published) in [(true, false), (false, true)] {
        let fixture = Fixture::new();
        let mut lost = held(7);
        lost.claims[0].status.identity.state = ClaimState::Lost;
        lost.claims[0].status.identity.reason = Some("'17' was given to another pod".into());
        if believed {
            fixture.publish(lost.clone());
        }
        if published {
            fixture.believe(lost);
        }
        let refusal = fixture.mint(1).await.unwrap_err();
        let expected = "pool 'snowflake' is lost: '17' was given to another pod";
        assert_eq!(refusal.message, expected);
    }
    let fixture = Fixture::new();
    fixture.believe(held(8));
    assert!(fixture.mint(1).await.unwrap_err().message.contains("being published"));
    fixture.publish(held(8));
    fixture.mint(1).await.unwrap();
}

#[tokio::test]
async fn the_checkpoint_covers_every_id_that_is_minted() {
    let fixture = Fixture::new();
    for _ in 0..200 {
        let last = *fixture.mint(10).await.unwrap().last().unwrap();
        let time = i64::try_from(last >> 22).unwrap() + 1_577_836_800_000;
        let covered = fixture.checkpoint();
        assert!(time <= covered && covered <= time + 1000, "{time} {covered}");
        fixture.clock.advance(Duration::from_millis(17));
    }
}

#[tokio::test(start_paused = true)]
async fn timestamps_that_an_earlier_process_may_have_used_are_skipped() {
    let fixture = Fixture::new();
    let from = WALL.after(Duration::from_millis(500));
    let mut resumed = held(7);
    resumed.claims[0].status.minting.as_mut().unwrap().from = from;
    fixture.believe(resumed);
    assert!(fixture.mint(1).await.unwrap_err().message.contains("ahead of the clock"));
    fixture.clock.advance(Duration::from_millis(500));
    let first = fixture.mint(1).await.unwrap()[0];
    assert_eq!(i64::try_from(first >> 22).unwrap() + 1_577_836_800_000, from.0);
}

#[tokio::test]
async fn nothing_is_minted_when_the_checkpoint_cannot_be_written() {
    let fixture = Fixture::new();
    std::fs::write(fixture.dir.path().join("snowflake"), "not a directory").unwrap();
    let refusal = fixture.mint(1).await.unwrap_err();
    assert!(refusal.message.contains("snowflake"), "{refusal:?}");
}

#[tokio::test]
async fn closing_ends_minting_and_returns_the_last_timestamp() {
    let fixture = Fixture::new();
    assert_eq!(fixture.ids.close(), []);
    let fixture = Fixture::new();
    fixture.clock.advance(Duration::from_millis(5));
    fixture.mint(4096 * 2).await.unwrap();
    let last = WALL.after(Duration::from_millis(6));
    assert_eq!(fixture.ids.close(), [(pool(), Fence { epoch: 1, revision: 7 }, last)]);
    assert_eq!(fixture.mint(1).await.unwrap_err().message, "the sidecar is stopping");
}

#[tokio::test]
async fn requests_at_once_get_different_ids() {
    let fixture = Fixture::new();
    let all = futures::future::join_all((0..50).map(|_| fixture.mint(80))).await;
    let mut ids: Vec<u64> = all.into_iter().flat_map(Result::unwrap).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4000);
}

#[tokio::test]
async fn a_pool_that_the_layout_cannot_hold_is_refused() {
    let fixture = Fixture::with("43/8/12");
    let refusal = fixture.mint(1).await.unwrap_err();
    assert!(refusal.message.contains("give the node 10 bits"), "{refusal:?}");
}

#[tokio::test(start_paused = true)]
async fn ids_ahead_of_the_clock_are_refused_after_a_wait() {
    // The clock does not advance, so the minter stays ahead of it.
    let fixture = Fixture::with("52/10/1");
    fixture.mint(20).await.unwrap();
    let refusal = fixture.mint(1).await.unwrap_err();
    assert!(refusal.message.contains("10 ms ahead of the clock"), "{refusal:?}");
}

#[tokio::test]
async fn a_claim_that_goes_on_under_another_fence_repeats_no_id() {
    let fixture = Fixture::new();
    let last = fixture.mint(50).await.unwrap()[49];
    // Nothing is minted under fence 8, and the IDs from before it still count.
    for revision in [8, 9] {
        fixture.believe(held(revision));
        fixture.publish(held(revision));
        let refused = fixture.mint(50).await.unwrap_err();
        assert_eq!(refused.retry, Some(Duration::from_millis(1)), "{refused:?}");
    }
    fixture.clock.advance(Duration::from_millis(1));
    assert!(fixture.mint(50).await.unwrap()[0] > last);
}
