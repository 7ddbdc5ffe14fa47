//! Pools of a test's own, which are deleted after it: a Pool is an object of the whole cluster.

use serde_json::{Value, json};

use crate::Failure;
use crate::cluster::Cluster;

/// A `Pool` object that is deleted when this is dropped.
#[derive(Debug)]
pub struct TestPool {
    cluster: Cluster,
    /// Its name.
    pub name: String,
}

impl TestPool {
    /// Creates a pool with a unique name that starts with `topic`.
    pub fn create(cluster: &Cluster, topic: &str, spec: &Value) -> Result<Self, Failure> {
        let pool = Self::named(cluster, topic);
        let object = object(&pool.name, spec).to_string();
        cluster.kubectl_with(&["create", "-f", "-"], &object)?.ok()?;
        Ok(pool)
    }

    /// A unique name that starts with `topic`, for a pool that the test itself creates.
    pub fn named(cluster: &Cluster, topic: &str) -> Self {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let unique: String = unique.chars().take(6).collect();
        Self { cluster: cluster.clone(), name: format!("{topic}-{unique}") }
    }
}

impl Drop for TestPool {
    fn drop(&mut self) {
        let gone = self.cluster.kubectl(&[
            "delete",
            "pool",
            &self.name,
            "--wait=false",
            "--ignore-not-found",
        ]);
        if let Err(failure) = gone {
            eprintln!("cannot delete pool {}: {failure:?}", self.name);
        }
    }
}

/// A `Pool` object.
pub fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "cairn.dev/v1alpha1",
        "kind": "Pool",
        "metadata": {"name": name},
        "spec": spec,
    })
}
