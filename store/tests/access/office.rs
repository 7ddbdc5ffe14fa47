//! An etcd with authentication, the namespaces `shop` and `bar`, a namespaced pool `tea`, and the cluster pools
//! `numbers`, which is open to `shop`, and `letters`, which is open to nobody.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::keys::ClaimPath;
use cairn_core::pool::{Pool, PoolName, Scope};
use cairn_store::etcd::Etcd;
use cairn_store::{Batch, Class, Error, KeyValue, Kv, Store, UserName};
use cairn_test_etcd::TestEtcd;
use etcd_client::Client;
use tokio::time::sleep;

use crate::fixture::{Compactor, Fixture};
use crate::users;

/// The longest wait. It is long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Office {
    pub(crate) process: TestEtcd,
    pub(crate) root: Arc<Etcd>,
    pub(crate) shop: Arc<Etcd>,
    pub(crate) bar: Arc<Etcd>,
}

impl Office {
    pub(crate) async fn open() -> Self {
        let process = TestEtcd::start_secure().unwrap();
        let root = users::user(&process, UserName::root().as_str()).await;
        root.enable_auth().await.unwrap();
        root.grant_namespace("shop", &[pool("numbers")]).await.unwrap();
        root.grant_namespace("bar", &[]).await.unwrap();
        let admin = Store::new(Arc::clone(&root));
        for (name, scope) in [("tea", "Namespace"), ("numbers", "Cluster"), ("letters", "Cluster")]
        {
            let spec = format!(r#"{{"names":{{"list":["assam","ceylon"]}},"scope":"{scope}"}}"#);
            let pool = Pool::from_json(pool(name), spec.as_bytes()).unwrap();
            admin.define(&pool, 5, None).await.unwrap();
        }
        let shop = users::user(&process, "cairn:shop").await;
        let bar = users::user(&process, "cairn:bar").await;
        Self { process, root, shop, bar }
    }

    /// Pods of the namespace `shop` with its certificate.
    pub(crate) async fn fixture(&self) -> Fixture<Arc<Etcd>> {
        let client = self.raw("root").await;
        Fixture::new(
            Arc::clone(&self.shop),
            Arc::clone(&self.root),
            Compactor::Etcd(Box::new(client)),
        )
    }

    /// The client library itself, as a user.
    pub(crate) async fn raw(&self, user: &str) -> Client {
        users::raw(&self.process, user).await
    }

    /// A key as it stands in the store.
    pub(crate) async fn get(&self, key: &str) -> Option<KeyValue> {
        self.root.get(key).await.unwrap()
    }
}

pub(crate) fn pool(name: &str) -> PoolName {
    name.parse().unwrap()
}

pub(crate) fn cluster_path(name: &str) -> ClaimPath {
    ClaimPath::new(pool(name), Scope::Cluster, "", None)
}

/// A batch with one put.
pub(crate) fn put(key: &str, lease: i64) -> Batch {
    let mut batch = Batch::default();
    batch.put(key, "x", lease);
    batch
}

/// The request was refused for want of permission, and certainly not applied.
#[track_caller]
pub(crate) fn is_denied<T>(what: &str, outcome: Result<T, Error>) {
    let Err(error) = outcome else { panic!("{what} was permitted") };
    assert_eq!(error.class(), Class::Denied, "{what}: {}", error.report());
    assert!(error.report().contains("permission denied"), "{what}: {}", error.report());
}

pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, waiting).await.is_ok(), "{what} did not happen");
}
