//! The sentences about reserved time.

use std::collections::HashMap;
use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::clock::{ClockRecord, Reservation};
use cairn_core::keys;
use cairn_core::lease::{
    AdoptRequest, ReadRequest, ReleaseRequest, ReserveAnswer, ReserveRequest, Won,
};
use cairn_core::time::UnixMillis;
use cairn_store::{Error, Kv, Op, Txn};

use crate::world::{World, holder, left_by, path, record, tea};

fn reserved(until: i64, fence: Fence) -> ClockRecord {
    ClockRecord { reserved_until: UnixMillis(until), fence }
}

fn extension(uid: &str, won: Won, seen: i64, until: i64) -> ReserveRequest {
    ReserveRequest {
        path: path(),
        key: "assam".into(),
        holder: holder(uid, 1),
        own_mod_revision: won.own_mod_revision,
        seen,
        record: reserved(until, won.fence),
    }
}

fn done(extended: ReserveAnswer) -> i64 {
    let ReserveAnswer::Reserved(revision) = extended else { panic!("{extended:?}") };
    revision
}

pub(crate) async fn time_is_reserved_by_the_holder_of_the_slot_alone<K: Kv>(world: &World<K>) {
    world.define(r#""assam","ceylon""#).await;
    let won = world.claim("u1", "assam", 60).await.0.unwrap();
    assert_eq!(won.clock, None);
    let other = world.claim("u2", "ceylon", 60).await.0.unwrap();
    // Neither with a revision of another slot, nor in another's name.
    for wrong in [
        ReserveRequest { own_mod_revision: other.own_mod_revision, ..extension("u1", won, 0, 5) },
        extension("u2", won, 0, 5),
        ReserveRequest { key: "ceylon".into(), ..extension("u1", won, 0, 5) },
    ] {
        assert_eq!(world.store.reserve(&wrong).await.unwrap(), ReserveAnswer::Refused(None));
    }
    let revision = done(world.store.reserve(&extension("u1", won, 0, 5)).await.unwrap());
    assert!(revision > won.own_mod_revision);
    assert_eq!(world.clocks().await, HashMap::from([("assam".to_owned(), UnixMillis(5))]));
    // The slot itself has not moved: the renew pair sees no change.
    assert!(world.release("u1", "assam", won.own_mod_revision, 0).await);
}

pub(crate) async fn a_reservation_loses_to_another_one_and_learns_it<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let won = world.claim("u1", "assam", 60).await.0.unwrap();
    let first = done(world.store.reserve(&extension("u1", won, 0, 5)).await.unwrap());
    let found = Reservation { record: reserved(5, won.fence), revision: first };
    let repeated = world.store.reserve(&extension("u1", won, 0, 9)).await.unwrap();
    assert_eq!(repeated, ReserveAnswer::Refused(Some(found)));
    let second = done(world.store.reserve(&extension("u1", won, first, 9)).await.unwrap());
    assert!(second > first);
    assert_eq!(world.clocks().await["assam"], UnixMillis(9));
}

pub(crate) async fn an_older_incarnation_reserves_nothing_once_a_younger_one_has_adopted<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let (won, lease) = world.claim("u1", "assam", 60).await;
    let won = won.unwrap();
    let adopted = world.store.adopt(&adoption(won, lease)).await.unwrap().unwrap();
    let late = world.store.reserve(&extension("u1", won, 0, 5)).await.unwrap();
    assert_eq!(late, ReserveAnswer::Refused(None));
    let younger = Won { own_mod_revision: adopted.own_mod_revision, ..won };
    done(world.store.reserve(&extension("u1", younger, 0, 5)).await.unwrap());
}

pub(crate) async fn a_slot_and_an_owner_record_that_do_not_belong_together_reserve_nothing<
    K: Kv,
>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let me = keys::owner("shop", "u1", &tea());
    let won = world.claim("u1", "assam", 60).await.0.unwrap();
    let then = vec![Op::put(&me, "{}", 0)];
    world.store.kv().txn(Txn { then, ..Txn::default() }).await.unwrap();
    let refused = world.store.reserve(&extension("u1", won, 0, 5)).await.unwrap();
    assert_eq!(refused, ReserveAnswer::Refused(None));
}

pub(crate) async fn a_claim_a_redemption_and_an_adoption_learn_what_was_reserved<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let (first, lease) = world.claim("u1", "assam", 60).await;
    let first = first.unwrap();
    let revision = done(world.store.reserve(&extension("u1", first, 0, 5)).await.unwrap());
    let found = Some(Reservation { record: reserved(5, first.fence), revision });
    let adopted = world.store.adopt(&adoption(first, lease)).await.unwrap().unwrap();
    assert_eq!(adopted.clock, found);
    assert!(world.release("u1", "assam", adopted.own_mod_revision, 0).await);

    let second = world.claim("u2", "assam", 60).await.0.unwrap();
    assert_eq!(second.clock, found);
    assert_eq!((second.fence.epoch, second.fence.revision), (5, second.own_mod_revision));
    assert!(world.release("u2", "assam", second.own_mod_revision, 0).await);

    let lease = world.grant(60).await.lease;
    let ticket = world.join("u3", lease).await.revision;
    let redemption = world.redemption("u3", "assam", ticket, lease).await;
    let third = world.store.redeem(&redemption).await.unwrap().unwrap();
    assert_eq!((third.clock, third.fence.epoch), (found, 5));
}

pub(crate) async fn a_reservation_outlives_its_holder_and_a_release_may_shorten_it<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let (won, lease) = world.claim("u1", "assam", 60).await;
    let won = won.unwrap();
    done(world.store.reserve(&extension("u1", won, 0, 90)).await.unwrap());
    world.store.revoke(lease).await.unwrap();
    assert_eq!(world.clocks().await["assam"], UnixMillis(90));

    // As if it had rested.
    let rested = Txn { then: vec![Op::Delete(path().note("assam"))], ..Txn::default() };
    world.store.kv().txn(rested).await.unwrap();
    let won = world.claim("u2", "assam", 60).await.0.unwrap();
    let seen = won.clock.unwrap().revision;
    done(world.store.reserve(&extension("u2", won, seen, 120)).await.unwrap());
    assert!(world.store.release(&surrender("u2", won, Some(100))).await.unwrap());
    let third = world.claim("u3", "assam", 60).await.0.unwrap();
    assert_eq!(third.clock.unwrap().record, reserved(100, won.fence));
    assert!(world.store.release(&surrender("u3", third, None)).await.unwrap());
    assert_eq!(world.clocks().await["assam"], UnixMillis(100));
}

pub(crate) async fn a_release_that_is_refused_leaves_the_reservation_alone<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let (won, lease) = world.claim("u1", "assam", 60).await;
    let won = won.unwrap();
    done(world.store.reserve(&extension("u1", won, 0, 90)).await.unwrap());
    world.store.adopt(&adoption(won, lease)).await.unwrap().unwrap();
    assert!(!world.store.release(&surrender("u1", won, Some(10))).await.unwrap());
    assert_eq!(world.clocks().await["assam"], UnixMillis(90));
}

pub(crate) async fn reservations_are_read_only_when_asked_for<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let won = world.claim("u1", "assam", 60).await.0.unwrap();
    done(world.store.reserve(&extension("u1", won, 0, 5)).await.unwrap());
    let ticket = world.join("u2", world.grant(60).await.lease).await.revision;
    let look = |clocks| ReadRequest {
        path: path(),
        pools: vec![tea()],
        namespace: "shop".into(),
        uid: "u2".into(),
        ticket: Some(ticket),
        clocks,
        wanted: None,
    };
    let with = world.store.read(&look(true)).await.unwrap();
    assert_eq!((with.clocks.len(), with.ahead.map(|ahead| ahead.rank)), (1, Some(0)));
    let without = world.store.read(&look(false)).await.unwrap();
    assert_eq!((without.clocks.len(), without.ahead.map(|ahead| ahead.rank)), (0, Some(0)));
}

pub(crate) async fn an_unreadable_reservation_is_learned_as_unknown_and_reported_by_the_next<
    K: Kv,
>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let then = vec![Op::put(path().clock("assam"), "soon", 0)];
    world.store.kv().txn(Txn { then, ..Txn::default() }).await.unwrap();
    assert_eq!(world.clocks().await["assam"], UnixMillis(i64::MAX));
    let won = world.claim("u1", "assam", 60).await.0.unwrap();
    assert_eq!(won.clock, None);
    let refused = world.store.reserve(&extension("u1", won, 0, 5)).await.unwrap_err();
    let Error::Record { key, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(*key, path().clock("assam"));
}

pub(crate) async fn an_administrator_resets_the_reservation_of_a_slot_that_nobody_holds<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let won = world.claim("u1", "assam", 60).await.0.unwrap();
    done(world.store.reserve(&extension("u1", won, 0, i64::MAX)).await.unwrap());
    assert!(!world.store.reset_clock(&path(), "assam").await.unwrap());
    assert_eq!(world.clocks().await.len(), 1);
    assert!(world.release("u1", "assam", won.own_mod_revision, 0).await);
    assert!(world.store.reset_clock(&path(), "assam").await.unwrap());
    assert_eq!(world.clocks().await.len(), 0);
}

fn adoption(won: Won, lease: i64) -> AdoptRequest {
    AdoptRequest {
        slot: path().slot("assam"),
        pool: tea(),
        record: record("u1", 2),
        create_revision: won.fence.revision,
        mod_revision: won.own_mod_revision,
        lease,
    }
}

fn surrender(uid: &str, won: Won, minted: Option<i64>) -> ReleaseRequest {
    ReleaseRequest {
        path: path(),
        key: "assam".into(),
        record: left_by(uid),
        own_mod_revision: won.own_mod_revision,
        quarantine: Duration::ZERO,
        clock: minted.map(|until| reserved(until, won.fence)),
    }
}

impl<K: Kv> World<K> {
    /// Until when time is reserved, by slot.
    async fn clocks(&self) -> HashMap<String, UnixMillis> {
        self.view("nobody").await.clocks
    }
}
