//! Clock reservations.

use std::collections::HashMap;
use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::clock::{ClockRecord, Reservation};
use cairn_core::keys;
use cairn_core::lease::{
    AdoptRequest, ReadRequest, ReleaseRequest, ReserveAnswer, ReserveRequest, Won,
};
use cairn_core::time::UnixMillis;
use cairn_store::{Error, Kv};

use crate::fixture::{Fixture, holder, path, quarantine_record, read_request, record, tea};

fn reserved(until: i64, fence: Fence) -> ClockRecord {
    ClockRecord { reserved_until: UnixMillis(until), fence }
}

fn reserve_request(uid: &str, won: Won, seen: i64, until: i64) -> ReserveRequest {
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

pub(crate) async fn only_the_holder_of_a_slot_reserves_time<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam","ceylon""#).await;
    let won = fixture.claim("u1", "assam", 60).await.0.unwrap();
    assert_eq!(won.clock, None);
    let other = fixture.claim("u2", "ceylon", 60).await.0.unwrap();
    // With the revision of another slot, in the name of another holder, and for another slot.
    for wrong in [
        ReserveRequest {
            own_mod_revision: other.own_mod_revision,
            ..reserve_request("u1", won, 0, 5)
        },
        reserve_request("u2", won, 0, 5),
        ReserveRequest { key: "ceylon".into(), ..reserve_request("u1", won, 0, 5) },
    ] {
        assert_eq!(fixture.store.reserve(&wrong).await.unwrap(), ReserveAnswer::Refused(None));
    }
    let revision = done(fixture.store.reserve(&reserve_request("u1", won, 0, 5)).await.unwrap());
    assert!(revision > won.own_mod_revision);
    assert_eq!(fixture.clocks().await, HashMap::from([("assam".to_owned(), UnixMillis(5))]));
    // The slot was not put again: the renew pair sees no change.
    assert!(fixture.release("u1", "assam", won.own_mod_revision, 0).await);
}

pub(crate) async fn a_reservation_conflicts_with_a_newer_one_and_reads_it<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let won = fixture.claim("u1", "assam", 60).await.0.unwrap();
    let first = done(fixture.store.reserve(&reserve_request("u1", won, 0, 5)).await.unwrap());
    let found = Reservation { record: reserved(5, won.fence), revision: first };
    let repeated = fixture.store.reserve(&reserve_request("u1", won, 0, 9)).await.unwrap();
    assert_eq!(repeated, ReserveAnswer::Refused(Some(found)));
    let second = done(fixture.store.reserve(&reserve_request("u1", won, first, 9)).await.unwrap());
    assert!(second > first);
    assert_eq!(fixture.clocks().await["assam"], UnixMillis(9));
}

pub(crate) async fn an_older_incarnation_reserves_nothing_after_a_younger_one_has_adopted<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    let won = won.unwrap();
    let adopted = fixture.store.adopt(&adopt_request(won, lease)).await.unwrap().unwrap();
    let late = fixture.store.reserve(&reserve_request("u1", won, 0, 5)).await.unwrap();
    assert_eq!(late, ReserveAnswer::Refused(None));
    let younger = Won { own_mod_revision: adopted.own_mod_revision, ..won };
    done(fixture.store.reserve(&reserve_request("u1", younger, 0, 5)).await.unwrap());
}

pub(crate) async fn nothing_is_reserved_when_slot_and_owner_record_differ_in_revision<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let me = keys::owner("shop", "u1", &tea());
    let won = fixture.claim("u1", "assam", 60).await.0.unwrap();
    fixture.put(&me, "{}").await;
    let refused = fixture.store.reserve(&reserve_request("u1", won, 0, 5)).await.unwrap();
    assert_eq!(refused, ReserveAnswer::Refused(None));
}

pub(crate) async fn claim_redeem_and_adopt_read_the_reservation<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    let (first, lease) = fixture.claim("u1", "assam", 60).await;
    let first = first.unwrap();
    let revision = done(fixture.store.reserve(&reserve_request("u1", first, 0, 5)).await.unwrap());
    let found = Some(Reservation { record: reserved(5, first.fence), revision });
    let adopted = fixture.store.adopt(&adopt_request(first, lease)).await.unwrap().unwrap();
    assert_eq!(adopted.clock, found);
    assert!(fixture.release("u1", "assam", adopted.own_mod_revision, 0).await);

    let second = fixture.claim("u2", "assam", 60).await.0.unwrap();
    assert_eq!(second.clock, found);
    assert_eq!((second.fence.epoch, second.fence.revision), (5, second.own_mod_revision));
    assert!(fixture.release("u2", "assam", second.own_mod_revision, 0).await);

    let lease = fixture.grant(60).await.lease;
    let ticket = fixture.join("u3", lease).await.revision;
    let redeem_request = fixture.redeem_request("u3", "assam", ticket, lease).await;
    let third = fixture.store.redeem(&redeem_request).await.unwrap().unwrap();
    assert_eq!((third.clock, third.fence.epoch), (found, 5));
}

pub(crate) async fn a_reservation_outlives_its_holder_and_a_release_may_shorten_it<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    let won = won.unwrap();
    done(fixture.store.reserve(&reserve_request("u1", won, 0, 90)).await.unwrap());
    fixture.store.revoke(lease).await.unwrap();
    assert_eq!(fixture.clocks().await["assam"], UnixMillis(90));

    // As if the quarantine had passed.
    fixture.delete(&path().note("assam")).await;
    let won = fixture.claim("u2", "assam", 60).await.0.unwrap();
    let seen = won.clock.unwrap().revision;
    done(fixture.store.reserve(&reserve_request("u2", won, seen, 120)).await.unwrap());
    assert!(fixture.store.release(&release_request("u2", won, Some(100))).await.unwrap());
    let third = fixture.claim("u3", "assam", 60).await.0.unwrap();
    assert_eq!(third.clock.unwrap().record, reserved(100, won.fence));
    assert!(fixture.store.release(&release_request("u3", third, None)).await.unwrap());
    assert_eq!(fixture.clocks().await["assam"], UnixMillis(100));
}

pub(crate) async fn a_refused_release_does_not_change_the_reservation<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    let won = won.unwrap();
    done(fixture.store.reserve(&reserve_request("u1", won, 0, 90)).await.unwrap());
    fixture.store.adopt(&adopt_request(won, lease)).await.unwrap().unwrap();
    assert!(!fixture.store.release(&release_request("u1", won, Some(10))).await.unwrap());
    assert_eq!(fixture.clocks().await["assam"], UnixMillis(90));
}

pub(crate) async fn reservations_are_read_only_on_request<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    let won = fixture.claim("u1", "assam", 60).await.0.unwrap();
    done(fixture.store.reserve(&reserve_request("u1", won, 0, 5)).await.unwrap());
    let ticket = fixture.join("u2", fixture.grant(60).await.lease).await.revision;
    let request = |clocks| ReadRequest { ticket: Some(ticket), clocks, ..read_request("u2") };
    let with = fixture.store.read(&request(true)).await.unwrap();
    assert_eq!((with.clocks.len(), with.ahead.map(|ahead| ahead.rank)), (1, Some(0)));
    let without = fixture.store.read(&request(false)).await.unwrap();
    assert_eq!((without.clocks.len(), without.ahead.map(|ahead| ahead.rank)), (0, Some(0)));
}

pub(crate) async fn a_reservation_that_cannot_be_parsed_is_unknown_to_a_claim_and_an_error_of_t4<
    K: Kv,
>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    fixture.put(&path().clock("assam"), "soon").await;
    assert_eq!(fixture.clocks().await["assam"], UnixMillis(i64::MAX));
    let won = fixture.claim("u1", "assam", 60).await.0.unwrap();
    assert_eq!(won.clock, None);
    let refused = fixture.store.reserve(&reserve_request("u1", won, 0, 5)).await.unwrap_err();
    let Error::Record { key, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(*key, path().clock("assam"));
}

pub(crate) async fn an_administrator_resets_the_reservation_of_a_slot_that_nobody_holds<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let won = fixture.claim("u1", "assam", 60).await.0.unwrap();
    done(fixture.store.reserve(&reserve_request("u1", won, 0, i64::MAX)).await.unwrap());
    assert!(!fixture.admin.reset_clock(&path(), "assam").await.unwrap());
    assert_eq!(fixture.clocks().await.len(), 1);
    assert!(fixture.release("u1", "assam", won.own_mod_revision, 0).await);
    assert!(fixture.admin.reset_clock(&path(), "assam").await.unwrap());
    assert_eq!(fixture.clocks().await.len(), 0);
}

fn adopt_request(won: Won, lease: i64) -> AdoptRequest {
    AdoptRequest {
        slot: path().slot("assam"),
        pool: tea(),
        record: record("u1", 2),
        create_revision: won.fence.revision,
        mod_revision: won.own_mod_revision,
        lease,
    }
}

fn release_request(uid: &str, won: Won, minted: Option<i64>) -> ReleaseRequest {
    ReleaseRequest {
        path: path(),
        key: "assam".into(),
        record: quarantine_record(uid),
        own_mod_revision: won.own_mod_revision,
        quarantine: Duration::ZERO,
        clock: minted.map(|until| reserved(until, won.fence)),
    }
}

impl<K: Kv> Fixture<K> {
    /// Until when time is reserved, by slot.
    async fn clocks(&self) -> HashMap<String, UnixMillis> {
        self.view("nobody").await.clocks
    }
}
