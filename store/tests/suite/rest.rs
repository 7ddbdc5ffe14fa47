//! Rests that name a pod: who takes the name back, and who says how long it rests.

use std::time::Duration;

use cairn_core::clock::ClockRecord;
use cairn_core::keys;
use cairn_core::lease::{ClaimRequest, PoolView, ReadRequest};
use cairn_core::quarantine::{self, Quarantine};
use cairn_core::time::UnixMillis;
use cairn_store::{Kv, Op, Txn};

use crate::world::{World, left_by, marks, path, tea};

pub(crate) async fn a_released_name_is_taken_back_by_its_own_pod_before_its_rest_is_over<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let before = world.claim("u1", "assam", 60).await.0.unwrap();
    assert!(world.release("u1", "assam", before.own_mod_revision, 60).await);
    let waiting = world.join("u2", world.grant(60).await.lease).await;
    assert_eq!(world.claim("u2", "assam", 60).await.0, None);

    let view = world.look_back("u1").await;
    assert_eq!(view.wanted_quarantine.as_ref().unwrap().record, left_by("u1"));
    assert!(view.quarantined.contains("assam"));
    let lease = world.grant(60).await.lease;
    let won = world.store.claim(&back(&view, lease)).await.unwrap().won().unwrap();
    assert!(won.fence > before.fence);
    let view = world.look_back("u1").await;
    assert_eq!((view.wanted_quarantine, view.quarantined.len(), view.notes.len()), (None, 0, 0));
    assert!(view.held.contains("assam"));
    assert_eq!(world.view_from("u2", Some(waiting.revision)).await.ahead.unwrap().rank, 0);
    assert!(world.release("u1", "assam", won.own_mod_revision, 1).await);
}

pub(crate) async fn a_name_is_not_taken_back_when_anything_has_changed_since_it_was_seen<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let before = world.claim("u1", "assam", 60).await.0.unwrap();
    assert!(world.release("u1", "assam", before.own_mod_revision, 60).await);
    let lease = world.grant(60).await.lease;
    let json = serde_json::to_string(&left_by("u1")).unwrap();
    let changes = [
        Op::put(path().quarantine("assam"), json, 0),
        Op::put(path().ticket("u1"), "", 0),
        Op::put(path().slot("assam"), "", 0),
        Op::put(keys::owner("shop", "u1", &tea()), "", 0),
        Op::put(keys::freeze(&tea()), "", 0),
        Op::put(keys::pool(&tea()), r#"{"names":{"list":["assam","ceylon"]}}"#, 0),
        Op::put(path().note("assam"), "46", 0),
    ];
    for change in changes {
        let Op::Put { key, .. } = &change else { continue };
        let order = back(&world.look_back("u1").await, lease);
        let undo = Op::Delete(key.clone());
        let stays = *key == path().quarantine("assam") || *key == keys::pool(&tea());
        let write = |op: Op| Txn { then: vec![op], ..Txn::default() };
        world.store.kv().txn(write(change.clone())).await.unwrap();
        assert_eq!(world.store.claim(&order).await.unwrap().won(), None, "{change:?}");
        if !stays {
            world.store.kv().txn(write(undo)).await.unwrap();
        }
    }
    let order = back(&world.look_back("u1").await, lease);
    assert!(world.store.claim(&order).await.unwrap().won().is_some());
}

pub(crate) async fn a_name_that_is_taken_back_outdates_every_rank_behind_it<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam","darjeeling""#).await;
    let before = world.claim("u1", "assam", 60).await.0.unwrap();
    assert!(world.release("u1", "assam", before.own_mod_revision, 60).await);
    let lease = world.grant(60).await.lease;
    let ticket = world.join("u2", lease).await.revision;
    let behind = world.redemption("u2", "darjeeling", ticket, lease).await;
    let order = back(&world.look_back("u1").await, world.grant(60).await.lease);
    assert!(world.store.claim(&order).await.unwrap().won().is_some());
    assert_eq!(world.store.redeem(&behind).await.unwrap(), None);
    let again = world.redemption("u2", "darjeeling", ticket, lease).await;
    assert_eq!(again.seen, marks(&world.view("u2").await));
    assert!(world.store.redeem(&again).await.unwrap().is_some());
}

pub(crate) async fn a_rest_that_waits_for_its_pod_is_prolonged_and_shortened<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let before = world.claim("u1", "assam", 60).await.0.unwrap();
    assert!(world.release("u1", "assam", before.own_mod_revision, 2).await);
    let found = world.only_rest().await;
    assert_eq!((found.key.as_str(), &found.record), ("assam", &left_by("u1")));
    let put = async |seen: &Quarantine, rest: Duration| {
        let Quarantine { key, revision, record } = seen;
        world.store.put_rest(&path(), key, *revision, record, rest).await.unwrap()
    };
    assert!(put(&found, quarantine::WITH_POD).await);
    // Past the end of the lease that the release has granted.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let prolonged = world.only_rest().await;
    assert_eq!(prolonged.record, found.record);
    assert!(!put(&found, Duration::from_secs(2)).await, "it has changed since");
    assert_eq!(world.only_rest().await, prolonged);
    assert!(put(&prolonged, Duration::from_secs(2)).await);
    world
        .until("the end of the rest", async || world.view("u2").await.quarantined.is_empty())
        .await;
    assert!(!put(&prolonged, quarantine::WITH_POD).await, "a rest that is over is not begun again");
    assert!(world.claim("u2", "assam", 60).await.0.is_some());
}

pub(crate) async fn a_claim_that_goes_on_writes_what_it_had_reserved<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let lease = world.grant(60).await.lease;
    let view = world.look_back("u1").await;
    let fence = cairn_core::claim::Fence { epoch: 4, revision: 900 };
    let known = ClockRecord { reserved_until: UnixMillis(77), fence };
    let order =
        ClaimRequest { clock: Some(known), ..World::<K>::order(&view, "u1", "assam", lease) };
    let won = world.store.claim(&order).await.unwrap().won().unwrap();
    let clock = won.clock.unwrap();
    assert_eq!((clock.record, clock.revision), (known, won.own_mod_revision));
    assert_eq!(won.fence.epoch, 5);
    assert_eq!(world.view("u2").await.clocks["assam"], UnixMillis(77));
}

/// What takes the name back that the view shows at rest.
fn back(view: &PoolView, lease: i64) -> ClaimRequest {
    let rest = view.wanted_quarantine.as_ref().map_or(0, |rest| rest.revision);
    ClaimRequest {
        quarantine: rest,
        ..World::<cairn_store::memory::Memory>::order(view, "u1", "assam", lease)
    }
}

impl<K: Kv> World<K> {
    /// As one who held this name before sees it.
    async fn look_back(&self, uid: &str) -> PoolView {
        let look = ReadRequest {
            path: path(),
            pools: vec![tea()],
            namespace: "shop".into(),
            uid: uid.into(),
            ticket: None,
            clocks: true,
            wanted: Some("assam".into()),
        };
        self.store.read(&look).await.unwrap()
    }

    async fn only_rest(&self) -> Quarantine {
        let mut rests = self.store.rests(&path()).await.unwrap();
        assert_eq!(rests.len(), 1);
        rests.remove(0)
    }
}
