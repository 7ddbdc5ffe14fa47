//! For tests: keys as values, and claims and releases on a real etcd, as sidecars make them.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::{Fence, Holder, SlotRecord};
use cairn_core::keys::ClaimPath;
use cairn_core::lease::{ClaimRequest, QueueMode, ReadRequest, ReleaseRequest};
use cairn_core::pool::{Pool, PoolName, Scope};
use cairn_core::quarantine::{QuarantineRecord, WaitsFor};
use cairn_core::time::{BootInstant, UnixMillis};
use cairn_store::etcd::Etcd;
use cairn_store::{KeyValue, Store};
use cairn_test_etcd::TestEtcd;

use super::claims::Claims;

/// The epoch of the store.
const EPOCH: i64 = 5;

/// Sidecars of pods `p` in `shop` that claim from `mountains` in the group `checkout`.
pub(super) struct Sidecars {
    pub(super) store: Store<Arc<Etcd>>,
}

pub(super) fn pool() -> PoolName {
    "mountains".parse().unwrap()
}

pub(super) fn path() -> ClaimPath {
    ClaimPath::new(pool(), Scope::Namespace, "shop", Some("checkout".parse().unwrap()))
}

/// A key that was put once.
pub(super) fn key(key: &str, value: &str, revision: i64) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: value.into(),
        create_revision: revision,
        mod_revision: revision,
        lease: 0,
    }
}

/// The view of an etcd with these keys.
pub(super) fn claims(keys: &[KeyValue]) -> Claims {
    let mut claims = Claims::default();
    claims.add(keys);
    claims
}

pub(super) async fn connect(etcd: &TestEtcd) -> Etcd {
    Etcd::connect(&[etcd.url().to_owned()], None, Duration::from_secs(2)).await.unwrap()
}

fn holder(uid: &str) -> Holder {
    Holder { namespace: "shop".into(), pod: "p".into(), uid: uid.into(), ..Holder::default() }
}

impl Sidecars {
    /// On a fresh etcd, in which the pool is defined here.
    pub(super) async fn of(etcd: &TestEtcd) -> Self {
        let store = Store::new(Arc::new(connect(etcd).await));
        store.define(&Pool::builtin(&pool()).unwrap(), EPOCH, None).await.unwrap();
        Self { store }
    }

    /// What a pod would claim with that has read the store now, on a lease of its own.
    pub(super) async fn claim_request(
        &self,
        uid: &str,
        name: &str,
        ttl: Duration,
        queue: QueueMode,
    ) -> ClaimRequest {
        let lease = self.store.grant(BootInstant::default(), ttl).await.unwrap().lease;
        let request = ReadRequest {
            lists: true,
            path: path(),
            pools: vec![pool()],
            namespace: "shop".into(),
            uid: uid.into(),
            ticket: None,
            clocks: false,
            wanted: None,
        };
        let view = self.store.read(&request).await.unwrap();
        let record = SlotRecord {
            holder: holder(uid),
            nonce: uid.into(),
            since: UnixMillis(0),
            validity_ms: 30_000,
            quarantine_ms: 15_000,
        };
        ClaimRequest {
            key: Some(name.to_owned()),
            queue,
            sentinel: view.sentinel,
            spec: view.specs[0].2,
            ..ClaimRequest::unread(path(), record, lease)
        }
    }

    /// Claims a name without a ticket and tells its revision.
    pub(super) async fn claim(&self, uid: &str, name: &str, ttl: Duration) -> i64 {
        let request =
            self.claim_request(uid, name, ttl, QueueMode::Ahead { despite_freeze: false }).await;
        self.store.claim(&request).await.unwrap().won().unwrap().own_mod_revision
    }

    /// Gives a claimed name into a quarantine.
    pub(super) async fn release(
        &self,
        uid: &str,
        name: &str,
        mine: i64,
        quarantine: Duration,
        waits_for: WaitsFor,
    ) {
        let record = QuarantineRecord {
            holder: holder(uid),
            fence: Fence { epoch: EPOCH, revision: mine },
            since: UnixMillis(0),
            waits_for,
        };
        let key = name.to_owned();
        let request = ReleaseRequest {
            path: path(),
            key,
            record,
            own_mod_revision: mine,
            quarantine,
            clock: None,
        };
        assert!(self.store.release(&request).await.unwrap());
    }
}
