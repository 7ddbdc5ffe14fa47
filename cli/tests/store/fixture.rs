//! A real etcd with pools and claims, and helpers that run the command line.

use std::cell::Cell;
use std::process::{Command, Output};
use std::time::Duration;

use cairn_core::claim::{Fence, Holder, SlotRecord};
use cairn_core::keys::ClaimPath;
use cairn_core::lease::{ClaimRequest, QueueMode, ReadRequest, ReleaseRequest, Won};
use cairn_core::pool::{Pool, PoolName, Scope};
use cairn_core::quarantine::{QuarantineRecord, WaitsFor};
use cairn_core::time::{BootInstant, UnixMillis};
use cairn_store::Store;
use cairn_store::etcd::Etcd;
use cairn_test_etcd::TestEtcd;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Longer than any test: no test waits for the end of a lease.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// A real etcd in which the pools that ship with Cairn are defined.
pub(crate) struct Fixture {
    pub(crate) process: TestEtcd,
    pub(crate) runtime: Runtime,
    pub(crate) store: Store<Etcd>,
    /// Since when the claims of [`Fixture::claim`] are held.
    pub(crate) since: Cell<UnixMillis>,
}

// === impl Fixture ===

impl Fixture {
    pub(crate) fn new() -> Self {
        let process = TestEtcd::start().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let store = runtime.block_on(async {
            let endpoints = [process.url().to_owned()];
            let store = Store::new(
                Etcd::connect(&endpoints, None, Etcd::DEFAULT_REQUEST_TIMEOUT).await.unwrap(),
            );
            for name in Pool::builtin_names() {
                store.define(&Pool::builtin(&name).unwrap(), 5, None).await.unwrap();
            }
            store
        });
        Self { process, runtime, store, since: Cell::new(UnixMillis(1_795_230_000_000)) }
    }

    pub(crate) fn claim(
        &self,
        pool: &str,
        namespace: &str,
        group: Option<&str>,
        key: &str,
        pod: &str,
    ) -> Won {
        self.try_claim(pool, namespace, group, key, pod).unwrap()
    }

    /// `None` for a name that is not free.
    pub(crate) fn try_claim(
        &self,
        pool: &str,
        namespace: &str,
        group: Option<&str>,
        key: &str,
        pod: &str,
    ) -> Option<Won> {
        let path = path(pool, namespace, group);
        let read = ReadRequest {
            lists: true,
            path: path.clone(),
            pools: vec![path.pool.clone()],
            namespace: namespace.to_owned(),
            uid: pod.to_owned(),
            ticket: None,
            clocks: false,
            wanted: None,
        };
        self.runtime.block_on(async {
            let granted = self.store.grant(BootInstant::default(), LONG).await.unwrap();
            let view = self.store.read(&read).await.unwrap();
            let request = ClaimRequest {
                key: Some(key.to_owned()),
                queue: QueueMode::Ahead { despite_freeze: false },
                sentinel: view.sentinel,
                spec: view.specs[0].2,
                ..ClaimRequest::unread(path, self.record(namespace, pod), granted.lease)
            };
            self.store.claim(&request).await.unwrap().won()
        })
    }

    /// Joins the queue on a lease of its own.
    pub(crate) fn join(&self, pool: &str, namespace: &str, group: Option<&str>, pod: &str) {
        let granted =
            self.runtime.block_on(self.store.grant(BootInstant::default(), LONG)).unwrap();
        let path = path(pool, namespace, group);
        let request = ClaimRequest::unread(path, self.record(namespace, pod), granted.lease);
        assert_eq!(self.runtime.block_on(self.store.claim(&request)).unwrap().won(), None);
    }

    pub(crate) fn release(
        &self,
        pool: &str,
        namespace: &str,
        group: Option<&str>,
        key: &str,
        pod: &str,
        own_mod_revision: i64,
    ) {
        let request = ReleaseRequest {
            path: path(pool, namespace, group),
            key: key.to_owned(),
            record: QuarantineRecord {
                holder: holder(namespace, pod),
                fence: Fence::default(),
                since: UnixMillis(0),
                waits_for: WaitsFor::Time,
            },
            own_mod_revision,
            quarantine: LONG,
            clock: None,
        };
        assert!(self.runtime.block_on(self.store.release(&request)).unwrap());
    }

    fn record(&self, namespace: &str, pod: &str) -> SlotRecord {
        SlotRecord {
            holder: holder(namespace, pod),
            nonce: pod.to_owned(),
            since: self.since.get(),
            validity_ms: 30_000,
            quarantine_ms: 15_000,
        }
    }
}

pub(crate) fn path(pool: &str, namespace: &str, group: Option<&str>) -> ClaimPath {
    let pool: PoolName = pool.parse().unwrap();
    let scope = Pool::builtin(&pool).map_or(Scope::Namespace, |pool| pool.spec.scope);
    ClaimPath::new(pool, scope, namespace, group.map(|group| group.parse().unwrap()))
}

pub(crate) fn holder(namespace: &str, pod: &str) -> Holder {
    Holder {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        uid: pod.to_owned(),
        node: "node-1".to_owned(),
        incarnation: 1,
    }
}

pub(crate) fn words(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

pub(crate) fn say(etcd: &str, args: &[&str]) -> String {
    let output = cairn(etcd, args);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn json_of(etcd: &str, args: &[&str]) -> Value {
    serde_json::from_str(&say(etcd, &[args, &["-o", "json"]].concat())).unwrap()
}

/// Refused with exit code 1 and this message.
pub(crate) fn assert_refused(etcd: &str, args: &[&str], message: &str) {
    let output = cairn(etcd, args);
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("cairn: {message}\n"), "{args:?}");
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true));
}

/// Passes the address in its environment variable, as in a pod.
pub(crate) fn cairn(etcd: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
    for variable in ["CAIRN_NAMESPACE", "CAIRN_GROUP", "CAIRN_POOL", "CAIRN_OUTPUT"] {
        command.env_remove(variable);
    }
    command.env("CAIRN_ETCD", etcd).args(args).output().unwrap()
}
