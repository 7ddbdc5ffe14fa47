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

/// A clock that stands until it is moved.
#[derive(Debug)]
struct Standing(Mutex<Now>);

impl Standing {
    fn pass(&self, span: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = Now { boot: now.boot.after(span), wall: now.wall.after(span) };
    }
}

impl Clock for Standing {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

struct Office {
    ids: Ids,
    clock: Arc<Standing>,
    believed: watch::Sender<Arc<Snapshot>>,
    published: watch::Sender<Arc<Applied>>,
    dir: TempDir,
}

fn pool() -> PoolName {
    "snowflake".parse().unwrap()
}

/// Node ID 17, held from now on.
fn held(revision: i64) -> Snapshot {
    let mut snapshot = Snapshot::starting(&[pool()], "-", &Holder::default());
    let fence = Fence { epoch: 1, revision };
    let not_after = WALL.after(Duration::from_secs(60));
    let claim = &mut snapshot.claims[0];
    claim.identity.state = ClaimState::Held;
    claim.on_loss = Some(OnLoss::Stop);
    claim.clock = Some(ClockRule::Reserve);
    claim.identity.slot = Some(Slot {
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
    claim.minting = Some(Minting {
        fence,
        node: 17,
        largest: 1023,
        not_before: WALL,
        from: WALL,
        not_after,
        steady: Steady::new(Now { boot: BOOT, wall: WALL }),
    });
    snapshot
}

impl Office {
    fn open() -> Self {
        Self::with(DEFAULT_LAYOUT)
    }

    fn with(layout: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(Standing(Mutex::new(Now { boot: BOOT, wall: WALL })));
        let (believed, beliefs) = watch::channel(Arc::new(held(7)));
        let applied = Applied { snapshot: Arc::new(held(7)), ..Applied::default() };
        let (published, _) = watch::channel(Arc::new(applied));
        let ids = Ids(Arc::new(Inner {
            dir: dir.path().to_owned(),
            uid: "u".into(),
            layout: Layout::parse(layout, DEFAULT_EPOCH).unwrap(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            believed: beliefs,
            pool_minters: Mutex::default(),
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

    /// Until when the file says that IDs were minted.
    fn kept(&self) -> i64 {
        let marks = mark::read(self.dir.path(), &[pool()], "u");
        marks[0].1.minted_until.unwrap().0
    }
}

#[tokio::test]
async fn the_deadline_counts_at_the_instant_of_minting_whatever_the_snapshots_say() {
    let office = Office::open();
    office.clock.pass(DEADLINE.saturating_sub(Duration::from_millis(1)));
    office.mint(1).await.unwrap();
    office.clock.pass(Duration::from_millis(1));
    let refusal = office.mint(1).await.unwrap_err();
    assert!(refusal.sentence.contains("since its deadline"), "{refusal:?}");
    assert!(refusal.retry.is_some());
}

#[tokio::test]
async fn a_claim_must_be_held_both_as_believed_and_as_published() {
    for (believed, published) in [(true, false), (false, true)] {
        let office = Office::open();
        let mut lost = held(7);
        lost.claims[0].identity.state = ClaimState::Lost;
        lost.claims[0].identity.reason = Some("'17' was given to another pod".into());
        if believed {
            office.publish(lost.clone());
        }
        if published {
            office.believe(lost);
        }
        let refusal = office.mint(1).await.unwrap_err();
        let expected = "pool 'snowflake' is lost: '17' was given to another pod";
        assert_eq!(refusal.sentence, expected);
    }
    let office = Office::open();
    office.believe(held(8));
    assert!(office.mint(1).await.unwrap_err().sentence.contains("being published"));
    office.publish(held(8));
    office.mint(1).await.unwrap();
}

#[tokio::test]
async fn the_file_is_ahead_of_every_id_that_is_given_out() {
    let office = Office::open();
    for _ in 0..200 {
        let last = *office.mint(10).await.unwrap().last().unwrap();
        let time = i64::try_from(last >> 22).unwrap() + 1_577_836_800_000;
        let kept = office.kept();
        assert!(time <= kept && kept <= time + 1000, "{time} {kept}");
        office.clock.pass(Duration::from_millis(17));
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_may_have_minted_is_passed_over() {
    let office = Office::open();
    let from = WALL.after(Duration::from_millis(500));
    let mut resumed = held(7);
    resumed.claims[0].minting.as_mut().unwrap().from = from;
    office.believe(resumed);
    assert!(office.mint(1).await.unwrap_err().sentence.contains("ahead of the clock"));
    office.clock.pass(Duration::from_millis(500));
    let first = office.mint(1).await.unwrap()[0];
    assert_eq!(i64::try_from(first >> 22).unwrap() + 1_577_836_800_000, from.0);
}

#[tokio::test]
async fn nothing_is_minted_when_the_file_cannot_be_written() {
    let office = Office::open();
    std::fs::write(office.dir.path().join("snowflake"), "not a directory").unwrap();
    let refusal = office.mint(1).await.unwrap_err();
    assert!(refusal.sentence.contains("snowflake"), "{refusal:?}");
}

#[tokio::test]
async fn once_closed_nothing_is_minted_and_what_was_is_told() {
    let office = Office::open();
    assert_eq!(office.ids.close(), []);
    let office = Office::open();
    office.clock.pass(Duration::from_millis(5));
    office.mint(4096 * 2).await.unwrap();
    let last = WALL.after(Duration::from_millis(6));
    assert_eq!(office.ids.close(), [(pool(), Fence { epoch: 1, revision: 7 }, last)]);
    assert_eq!(office.mint(1).await.unwrap_err().sentence, "the sidecar is stopping");
}

#[tokio::test]
async fn requests_at_once_get_different_ids() {
    let office = Office::open();
    let all = futures::future::join_all((0..50).map(|_| office.mint(80))).await;
    let mut ids: Vec<u64> = all.into_iter().flat_map(Result::unwrap).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4000);
}

#[tokio::test]
async fn a_pool_that_the_layout_cannot_hold_is_refused() {
    let office = Office::with("43/8/12");
    let refusal = office.mint(1).await.unwrap_err();
    assert!(refusal.sentence.contains("give the node 10 bits"), "{refusal:?}");
}

#[tokio::test(start_paused = true)]
async fn ids_that_run_ahead_of_the_clock_are_waited_for_a_while_and_then_refused() {
    // The clock stands: what is ahead stays ahead.
    let office = Office::with("52/10/1");
    office.mint(20).await.unwrap();
    let refusal = office.mint(1).await.unwrap_err();
    assert!(refusal.sentence.contains("10 ms ahead of the clock"), "{refusal:?}");
}

#[tokio::test]
async fn a_claim_that_goes_on_under_another_fence_repeats_no_id() {
    let office = Office::open();
    let last = office.mint(50).await.unwrap()[49];
    // The fence of 8 mints nothing, and what was minted before it counts all the same.
    for revision in [8, 9] {
        office.believe(held(revision));
        office.publish(held(revision));
        let refused = office.mint(50).await.unwrap_err();
        assert_eq!(refused.retry, Some(Duration::from_millis(1)), "{refused:?}");
    }
    office.clock.pass(Duration::from_millis(1));
    assert!(office.mint(50).await.unwrap()[0] > last);
}
