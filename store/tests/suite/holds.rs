//! The hold of coordination: every place that makes or moves the epoch puts it.

use std::time::Duration;

use cairn_core::coordination::path::HOLD;
use cairn_core::coordination::session::{Action, Event};
use cairn_core::keys;
use cairn_core::pool::Pool;
use cairn_store::{KeyValue, Kv};

use crate::fixture::{Fixture, tea};
use crate::group::now;

const FREEZE: Duration = Duration::from_secs(3600);

impl<K: Kv> Fixture<K> {
    async fn hold(&self) -> Option<KeyValue> {
        self.get(HOLD).await
    }

    /// The hold is on a lease, and this is about how long it lasts.
    async fn holds_for(&self, seconds: u64) -> KeyValue {
        let hold = self.hold().await.unwrap();
        assert_ne!(hold.lease, 0, "{hold:?}");
        let left = self.store.kv().time_to_live(hold.lease).await.unwrap().unwrap();
        let (longest, shortest) = (seconds, seconds.saturating_sub(10));
        assert!((shortest..=longest).contains(&left.as_secs()), "{left:?}");
        hold
    }

    async fn wipe(&self) {
        for key in [keys::EPOCH.to_owned(), HOLD.to_owned(), keys::pool(&tea())] {
            self.delete(&key).await;
        }
    }
}

fn teapot() -> Pool {
    Pool::from_json(tea(), br#"{"names":{"list":["assam"]}}"#).unwrap()
}

pub(crate) async fn whoever_makes_the_epoch_holds_owners_for_the_longest_takeover_delay<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    assert!(fixture.admin.begin(&[tea()], 5, Some(FREEZE)).await.unwrap());
    let hold = fixture.holds_for(64).await;
    assert!(hold.create_revision < hold.mod_revision, "first without a lease, then on one");
    let epoch = fixture.get(keys::EPOCH).await.unwrap();
    assert!(hold.create_revision <= epoch.create_revision, "not later than the epoch");
    fixture.wipe().await;
    fixture.admin.define(&teapot(), 5, Some(FREEZE)).await.unwrap();
    fixture.holds_for(64).await;
    fixture.wipe().await;
    fixture.admin.define_alone(&teapot(), 5, Some(FREEZE)).await.unwrap();
    fixture.holds_for(64).await;
    fixture.delete(HOLD).await;
    fixture.delete(&keys::pool(&tea())).await;
    fixture.admin.define_alone(&teapot(), 6, Some(FREEZE)).await.unwrap();
    assert!(fixture.hold().await.is_none(), "the epoch is not moved");
}

pub(crate) async fn nobody_is_held_in_a_store_that_is_known_to_be_new<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    assert!(fixture.admin.begin(&[tea()], 5, None).await.unwrap());
    assert!(fixture.hold().await.is_none());
    fixture.wipe().await;
    fixture.admin.define(&teapot(), 5, None).await.unwrap();
    assert!(fixture.hold().await.is_none());
    fixture.wipe().await;
    fixture.admin.define_alone(&teapot(), 5, None).await.unwrap();
    assert!(fixture.hold().await.is_none());
}

pub(crate) async fn a_restored_store_is_held_not_later_than_its_epoch_moves<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    // More pools than fit into one transaction: the first one moves the epoch.
    let many: Vec<_> = (0..200).map(|number| format!("pool-{number}").parse().unwrap()).collect();
    let former = fixture.get(keys::EPOCH).await.unwrap().mod_revision;
    fixture.admin.restored(&many, 9, FREEZE).await.unwrap();
    let hold = fixture.holds_for(64).await;
    assert_eq!(hold.create_revision, former + 1, "in the first transaction that moves the epoch");
    fixture.admin.restored(&[], 0, FREEZE).await.unwrap();
    assert!(fixture.holds_for(64).await.mod_revision > hold.mod_revision, "it begins anew");
}

pub(crate) async fn a_hold_whose_author_died_is_started_for_its_own_time<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    fixture.put(HOLD, r#"{"seconds":64,"cause":"restored"}"#).await;
    fixture.put(&keys::freeze(&tea()), r#"{"seconds":3600}"#).await;
    fixture.admin.start_freezes().await.unwrap();
    fixture.holds_for(64).await;
    let freeze = fixture.get(&keys::freeze(&tea())).await.unwrap();
    let left = fixture.store.kv().time_to_live(freeze.lease).await.unwrap().unwrap();
    assert!(left > FREEZE / 2);
}

pub(crate) async fn without_kubernetes_the_first_sidecar_makes_epoch_and_hold<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    let coordination = cairn_store::Coordination::new(
        std::sync::Arc::new(fixture.admin.clone()),
        crate::group::group(),
        "u1",
    );
    let hold = Duration::from_millis(7_122);
    let define = async |epoch| {
        let performed = coordination.perform(now(), Action::Define { epoch, hold }).await;
        assert!(matches!(performed.event, Some(Event::Defined)), "{performed:?}");
    };
    define(7).await;
    assert_eq!(fixture.store.epoch().await.unwrap(), Some(7));
    let found = fixture.holds_for(8).await;
    define(9).await;
    assert_eq!(fixture.store.epoch().await.unwrap(), Some(7));
    assert_eq!(fixture.hold().await.map(|hold| hold.mod_revision), Some(found.mod_revision));
    // Its author died between the two steps.
    fixture.put(HOLD, r#"{"seconds":64}"#).await;
    define(9).await;
    fixture.holds_for(64).await;
}
