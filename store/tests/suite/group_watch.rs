//! The watch of a group: the order of its changes, progress, and how it ends.

use std::pin::Pin;
use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::picture::{Change, Changes, Revised};
use cairn_core::coordination::write::{How, WriteKind};
use cairn_core::keys;
use cairn_store::coordination::Watch;
use cairn_store::{Coordination, Error, Kv};
use futures::stream::{Stream, StreamExt};
use tokio::time::timeout;

use crate::fixture::Fixture;
use crate::group::{PATIENCE, leader};

const HOLD: &str = "/cairn/v1/hold/-coordinate";

/// Long enough that no test waits for it, and short enough for one that does.
const PERIOD: Duration = Duration::from_millis(300);

struct Watching(Pin<Box<dyn Stream<Item = Result<Changes, Error>> + Send>>);

impl Watching {
    /// From the first change after a read on.
    async fn open<K: Kv + 'static>(coordination: &Coordination<K>, shards: bool) -> Self {
        let from = coordination.read(shards).await.unwrap().revision + 1;
        Self::from(coordination, from, shards)
    }

    fn from<K: Kv + 'static>(coordination: &Coordination<K>, from: i64, shards: bool) -> Self {
        let watch = Watch { from, shards, progress: PERIOD, elsewhere: false };
        Self(Box::pin(coordination.watch(watch)))
    }

    async fn item(&mut self) -> Option<Result<Changes, Error>> {
        timeout(PATIENCE, self.0.next()).await.unwrap()
    }

    /// The next changes, without progress.
    async fn next(&mut self) -> Changes {
        loop {
            let changes = self.item().await.unwrap().unwrap();
            if !changes.changes.is_empty() {
                return changes;
            }
        }
    }

    /// The first progress that has reached a revision, with the revisions of all that came before it.
    async fn progress(&mut self, revision: i64) -> Vec<i64> {
        let mut before = Vec::new();
        loop {
            let changes = self.item().await.unwrap().unwrap();
            if !changes.changes.is_empty() {
                before.push(changes.revision);
            } else if changes.revision >= revision {
                return before;
            }
        }
    }

    async fn failure(&mut self) -> Error {
        loop {
            if let Err(error) = self.item().await.unwrap() {
                assert!(self.item().await.is_none(), "it is the last one");
                return error;
            }
        }
    }
}

pub(crate) async fn a_watch_shows_records_and_owners_in_one_order<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    let mut watching = Watching::open(&one.coordination, true).await;
    let mut expected = vec![one.claims([3, 4, 5], one.session).await];
    let owners = watching.next().await;
    assert_eq!((owners.revision, owners.changes.len()), (expected[0], 3), "one transaction");
    // A new member gets a shard at once, and is gone; all of it many times.
    let mut fence = expected[0];
    expected.clear();
    for number in 0..20 {
        let two = fixture.pod(&format!("v{number}")).await;
        expected.push(two.session);
        let give = crate::group::shard(3, How::HandOver { fence, to: two.grant() });
        expected.push(one.commits(one.owners(vec![give])).await);
        fence = two
            .commits(two.owners(vec![crate::group::shard(
                3,
                How::HandOver { fence: *expected.last().unwrap(), to: one.grant() },
            )]))
            .await;
        expected.push(fence);
        expected.push(two.commits(WriteKind::Leave { mine: two.mine }).await);
    }
    let mut found = Vec::new();
    for _ in &expected {
        found.push(watching.next().await);
    }
    assert_eq!(found.iter().map(|changes| changes.revision).collect::<Vec<_>>(), expected);
    let last = found.last().unwrap();
    assert_eq!(last.changes, [Change::Member("v19".into(), None)], "a deletion has its revision");
    let joined = &found[found.len() - 4].changes;
    let [Change::Member(uid, Some(member))] = joined.as_slice() else { panic!("{joined:?}") };
    assert_eq!((uid.as_str(), member.session.epoch), ("v19", crate::group::EPOCH));
    assert_eq!(member.session.revision, member.revision);
    // The end of a lease is a change like any other.
    fixture.store.revoke(one.lease).await.unwrap();
    assert_eq!(watching.next().await.changes, [Change::Member("u1".into(), None)]);
}

pub(crate) async fn a_watch_without_shards_has_members_leader_and_its_value<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    let mut watching = Watching::open(&one.coordination, false).await;
    one.claims([3], one.session).await;
    let lead = leader(How::Claim { grant: one.grant(), map: None });
    let fence = one.commits(one.owners(vec![lead])).await;
    let found = watching.next().await;
    assert_eq!(found.revision, fence);
    assert!(matches!(found.changes.as_slice(), [Change::Owner(Ownable::Leader, Some(_))]));
    let value = b"a".to_vec();
    let put = WriteKind::LeaderValue { fence, seen: 0, value: value.clone() };
    let revision = one.commits(put).await;
    let found = watching.next().await.changes;
    assert_eq!(found, [Change::LeaderValue(Some(Revised { value, revision }))]);
    let two = fixture.pod("u2").await;
    assert_eq!(watching.next().await.revision, two.session);
}

pub(crate) async fn a_watch_reports_progress_after_everything_before_it<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    let mut watching = Watching::open(&one.coordination, true).await;
    let claimed = one.claims([3], one.session).await;
    // Elsewhere in the store.
    fixture.put("/cairn/v1/ns/shop/o/u9/tea", "x").await;
    let now = fixture.picture().await.revision;
    assert_eq!(watching.progress(now).await, [claimed]);
    fixture.put("/cairn/v1/ns/shop/o/u9/tea", "y").await;
    assert!(watching.progress(now + 1).await.is_empty(), "without any change of the group");
}

pub(crate) async fn a_watch_shows_a_hold_and_ends_with_the_epoch<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    let mut watching = Watching::open(&one.coordination, true).await;
    fixture.put(HOLD, "{}").await;
    assert_eq!(watching.next().await.changes, [Change::Hold(true)]);
    fixture.delete(HOLD).await;
    assert_eq!(watching.next().await.changes, [Change::Hold(false)]);
    // The same epoch again changes nothing.
    fixture.put(keys::EPOCH, "5").await;
    let claimed = one.claims([3], one.session).await;
    assert_eq!(watching.next().await.revision, claimed);
    fixture.put(keys::EPOCH, "6").await;
    assert!(matches!(watching.failure().await, Error::EpochChanged));
}

pub(crate) async fn a_watch_from_a_compacted_revision_ends<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let one = fixture.pod("u1").await;
    let from = fixture.picture().await.revision;
    for number in 0..3 {
        fixture.put(&crate::group::group().member("u2"), &number.to_string()).await;
    }
    fixture.compact().await;
    let error = Watching::from(&one.coordination, from, true).failure().await;
    assert!(error.is_transient(), "read again: {}", error.report());
    let mut again = Watching::open(&one.coordination, true).await;
    let claimed = one.claims([3], one.session).await;
    assert_eq!(again.next().await.revision, claimed);
}
