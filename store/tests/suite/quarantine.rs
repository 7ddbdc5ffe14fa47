//! Quarantines that name a pod: re-claims out of them, and changes of their length.

use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::clock::ClockRecord;
use cairn_core::keys;
use cairn_core::lease::{ClaimRequest, PoolView, ReadRequest};
use cairn_core::quarantine::{self, Quarantine};
use cairn_core::time::UnixMillis;
use cairn_store::Kv;
use cairn_store::memory::MemoryKv;

use crate::fixture::{Fixture, path, quarantine_record, rank_guard, read_request, tea};

pub(crate) async fn a_pod_reclaims_its_released_name_out_of_the_quarantine<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let before = fixture.claim("u1", "assam", 60).await.0.unwrap();
    assert!(fixture.release("u1", "assam", before.own_mod_revision, 60).await);
    let waiting = fixture.join("u2", fixture.grant(60).await.lease).await;
    assert_eq!(fixture.claim("u2", "assam", 60).await.0, None);

    let view = fixture.view_of_former_holder("u1").await;
    assert_eq!(view.wanted_quarantine.as_ref().unwrap().record, quarantine_record("u1"));
    assert!(view.quarantined.contains("assam"));
    let lease = fixture.grant(60).await.lease;
    let won = fixture.store.claim(&reclaim_request(&view, lease)).await.unwrap().won().unwrap();
    assert!(won.fence > before.fence);
    let view = fixture.view_of_former_holder("u1").await;
    assert_eq!((view.wanted_quarantine, view.quarantined.len(), view.notes.len()), (None, 0, 0));
    assert!(view.held.contains("assam"));
    assert_eq!(fixture.view_from("u2", Some(waiting.revision)).await.ahead.unwrap().rank, 0);
    assert!(fixture.release("u1", "assam", won.own_mod_revision, 1).await);
}

pub(crate) async fn a_reclaim_conflicts_with_any_change_since_the_read<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let before = fixture.claim("u1", "assam", 60).await.0.unwrap();
    assert!(fixture.release("u1", "assam", before.own_mod_revision, 60).await);
    let lease = fixture.grant(60).await.lease;
    let json = serde_json::to_string(&quarantine_record("u1")).unwrap();
    let changes = [
        (path().quarantine("assam"), json.as_str()),
        (path().ticket("u1"), ""),
        (path().slot("assam"), ""),
        (keys::owner("shop", "u1", &tea()), ""),
        (keys::freeze(&tea()), ""),
        (keys::pool(&tea()), r#"{"names":{"list":["assam","ceylon"]}}"#),
        (path().note("assam"), "46"),
    ];
    for (key, value) in changes {
        let request = reclaim_request(&fixture.view_of_former_holder("u1").await, lease);
        fixture.put(&key, value).await;
        assert_eq!(fixture.store.claim(&request).await.unwrap().won(), None, "{key}");
        if key != path().quarantine("assam") && key != keys::pool(&tea()) {
            fixture.delete(&key).await;
        }
    }
    let request = reclaim_request(&fixture.view_of_former_holder("u1").await, lease);
    assert!(fixture.store.claim(&request).await.unwrap().won().is_some());
}

pub(crate) async fn a_reclaim_out_of_the_quarantine_invalidates_every_rank<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam","darjeeling""#).await;
    let before = fixture.claim("u1", "assam", 60).await.0.unwrap();
    assert!(fixture.release("u1", "assam", before.own_mod_revision, 60).await);
    let lease = fixture.grant(60).await.lease;
    let ticket = fixture.join("u2", lease).await.revision;
    let behind = fixture.redeem_request("u2", "darjeeling", ticket, lease).await;
    let request =
        reclaim_request(&fixture.view_of_former_holder("u1").await, fixture.grant(60).await.lease);
    assert!(fixture.store.claim(&request).await.unwrap().won().is_some());
    assert_eq!(fixture.store.redeem(&behind).await.unwrap(), None);
    let again = fixture.redeem_request("u2", "darjeeling", ticket, lease).await;
    assert_eq!(again.seen, rank_guard(&fixture.view("u2").await));
    assert!(fixture.store.redeem(&again).await.unwrap().is_some());
}

pub(crate) async fn a_quarantine_that_waits_for_the_end_of_its_pod_is_prolonged_and_shortened<
    K: Kv,
>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let before = fixture.claim("u1", "assam", 60).await.0.unwrap();
    assert!(fixture.release("u1", "assam", before.own_mod_revision, 2).await);
    let found = fixture.only_quarantine().await;
    assert_eq!((found.key.as_str(), &found.record), ("assam", &quarantine_record("u1")));
    let put = async |seen: &Quarantine, rest: Duration| {
        let Quarantine { key, revision, record } = seen;
        fixture.admin.put_quarantine(&path(), key, *revision, record, rest).await.unwrap()
    };
    assert!(put(&found, quarantine::WITH_POD).await);
    // Past the end of the lease that the release has granted.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let prolonged = fixture.only_quarantine().await;
    assert_eq!(prolonged.record, found.record);
    assert!(!put(&found, Duration::from_secs(2)).await, "it has changed since");
    assert_eq!(fixture.only_quarantine().await, prolonged);
    assert!(put(&prolonged, Duration::from_secs(2)).await);
    fixture
        .until("the end of the quarantine", async || {
            fixture.view("u2").await.quarantined.is_empty()
        })
        .await;
    assert!(
        !put(&prolonged, quarantine::WITH_POD).await,
        "a quarantine that has ended is not put again"
    );
    assert!(fixture.claim("u2", "assam", 60).await.0.is_some());
}

pub(crate) async fn a_reclaim_writes_back_the_reservation_of_its_holder<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let lease = fixture.grant(60).await.lease;
    let view = fixture.view_of_former_holder("u1").await;
    let fence = Fence { epoch: 4, revision: 900 };
    let known = ClockRecord { reserved_until: UnixMillis(77), fence };
    let request = ClaimRequest {
        clock: Some(known),
        ..Fixture::<K>::claim_request(&view, "u1", "assam", lease)
    };
    let won = fixture.store.claim(&request).await.unwrap().won().unwrap();
    let clock = won.clock.unwrap();
    assert_eq!((clock.record, clock.revision), (known, won.own_mod_revision));
    assert_eq!(won.fence.epoch, 5);
    assert_eq!(fixture.view("u2").await.clocks["assam"], UnixMillis(77));
}

/// A T7 that takes the name out of the quarantine that the view shows.
fn reclaim_request(view: &PoolView, lease: i64) -> ClaimRequest {
    let quarantine = view.wanted_quarantine.as_ref().map_or(0, |found| found.revision);
    ClaimRequest { quarantine, ..Fixture::<MemoryKv>::claim_request(view, "u1", "assam", lease) }
}

impl<K: Kv> Fixture<K> {
    /// What a pod reads that held the name before.
    async fn view_of_former_holder(&self, uid: &str) -> PoolView {
        let request = ReadRequest { wanted: Some("assam".into()), ..read_request(uid) };
        self.store.read(&request).await.unwrap()
    }

    async fn only_quarantine(&self) -> Quarantine {
        let mut found = self.store.quarantines(&path()).await.unwrap();
        assert_eq!(found.len(), 1);
        found.remove(0)
    }
}
