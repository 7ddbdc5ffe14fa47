//! Pods as the API server sends them, through the decision and its patch.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_core::pool::Pool;
use serde_json::{Value, json};

use super::*;
use crate::env_mode::FileSupport;
use crate::nodes::{Known, OldNode};
use crate::pools::catalog::CatalogEntry;

mod apps;
mod coordination;
mod inits;
mod once;
mod refusals;
mod settings;
mod sidecar;
mod stop;
mod surroundings;

/// The token of pods that are injected for the first time.
pub(super) const TOKEN: &str = "0123";

/// A cluster with the shipped pools, a list pool for team `a`, and a broken one.
pub(super) struct Fixture {
    settings: Settings,
    catalog: Catalog,
    namespace: NamespaceFacts,
    env: EnvFacts,
    token: fn() -> String,
    now: UnixMillis,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let builtin = Pool::builtin_names().into_iter().map(|name| {
            (name.clone(), CatalogEntry::Ready(Arc::new(Pool::builtin(&name).unwrap())))
        });
        let tea = br#"{"names":{"list":["green"]},"onLoss":"Stop","quarantine":"2s",
            "allowedNamespaces":{"matchLabels":{"team":"a"}}}"#;
        let tea = Pool::from_json("tea".parse().unwrap(), tea).unwrap();
        let broken = "name 'x' is in the list twice; every name may appear once".to_owned();
        let others = [
            ("tea".parse().unwrap(), CatalogEntry::Ready(Arc::new(tea))),
            ("broken".parse().unwrap(), CatalogEntry::Broken(broken)),
        ];
        Self {
            settings: Settings::of_tests(),
            catalog: builtin.chain(others).collect(),
            namespace: NamespaceFacts::default(),
            env: EnvFacts {
                default: None,
                files: with_nodes(Vec::new()),
                nodes: Arc::new(Known::default()),
            },
            token: || TOKEN.to_owned(),
            now: UnixMillis(1_795_230_000_000),
        }
    }

    pub(super) fn with_only(self, pool: Pool) -> Self {
        self.with_all([pool])
    }

    /// With these pools and no others.
    pub(super) fn with_all<const N: usize>(mut self, pools: [Pool; N]) -> Self {
        let ready = |pool: Pool| (pool.name.clone(), CatalogEntry::Ready(Arc::new(pool)));
        self.catalog = pools.into_iter().map(ready).collect();
        self
    }

    /// At a later request, which comes with another token and another time.
    pub(super) fn later(mut self) -> Self {
        self.token = || "4567".to_owned();
        self.now = UnixMillis(1_795_230_060_000);
        self
    }

    pub(super) fn without_env_files(mut self) -> Self {
        self.env.files = FileSupport::Refused;
        self
    }

    /// With one node that is too old, which has this label.
    pub(super) fn with_old_node(mut self, key: &str, value: &str) -> Self {
        self.env.files = with_nodes(vec![OldNode {
            name: "old-1".to_owned(),
            version: "v1.34.1-eks-abc".to_owned(),
            labels: [(key.to_owned(), value.to_owned())].into(),
            taints: Vec::new(),
        }]);
        self
    }

    /// With one node of this version, as any cluster's webhook knows it.
    pub(super) fn with_node_of(mut self, version: &str) -> Self {
        let node =
            OldNode { name: "n-1".to_owned(), version: version.to_owned(), ..OldNode::default() };
        self.env.nodes = Arc::new(Known { any: true, old: vec![node] });
        self
    }

    pub(super) fn labelled(mut self, key: &str, value: &str) -> Self {
        self.namespace.labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        self
    }

    #[expect(clippy::unwrap_in_result, reason = "a fixture that is not a pod is a broken test")]
    pub(super) fn decide(&self, pod: &Value) -> Result<Plan, Refusal> {
        let raw = pod.to_string();
        let pod: Pod<'_> = serde_json::from_str(&raw).unwrap();
        decide(
            &pod,
            &Facts {
                settings: &self.settings,
                etcd_cluster_id: self.settings.etcd_cluster_id,
                agent_ca: "QUJD",
                catalog: &self.catalog,
                namespace: "shop",
                namespace_facts: &self.namespace,
                env: &self.env,
                probe_token: self.token,
                now: self.now,
            },
        )
    }

    /// The pod after the patch.
    pub(super) fn inject(&self, pod: &Value) -> Value {
        applied(pod, &self.decide(pod).unwrap())
    }

    pub(super) fn refuse(&self, pod: &Value) -> String {
        self.decide(pod).unwrap_err().to_string()
    }
}

fn with_nodes(old: Vec<OldNode>) -> FileSupport {
    FileSupport::ByNode(Arc::new(Known { any: true, old }))
}

pub(super) fn applied(pod: &Value, plan: &Plan) -> Value {
    let mut pod = pod.clone();
    let patch: json_patch::Patch = serde_json::from_slice(&plan.patch.to_json()).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

/// A Deployment's pod, defaulted as the API server does before it calls.
#[expect(clippy::needless_pass_by_value, reason = "reads better at fifty callers")]
pub(super) fn pod(annotations: Value) -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "generateName": "checkout-5d4f-",
            "namespace": "shop",
            "creationTimestamp": null,
            "labels": {"app": "checkout", "pod-template-hash": "5d4f"},
            "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "checkout-5d4f",
                "uid": "0b", "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "volumes": [{"name": "kube-api-access-abcde", "projected": {"defaultMode": 420}}],
            "containers": [{
                "name": "app",
                "image": "example.com/app:1",
                "env": [{"name": "GREETING", "value": "hello $(CAIRN_NAME)"}],
                "resources": {},
                "volumeMounts": [{
                    "name": "kube-api-access-abcde", "readOnly": true,
                    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                }],
                "terminationMessagePath": "/dev/termination-log",
                "newerThanThisProgram": {"x": [1, 2.5e3, "é\u{1F3D4}"]},
            }],
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "securityContext": {},
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}],
            "futureField": {"deep": true},
        },
        "status": {},
    })
}

/// [`pod`] with one value put where a JSON pointer says.
pub(super) fn with(mut pod: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match pod.pointer_mut(parent).unwrap() {
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        Value::Array(list) => list.push(value),
        other => panic!("{other} has no members"),
    }
    pod
}

pub(super) fn mountains() -> Value {
    pod(json!({"cairn.dev/pool": "mountains"}))
}

/// The strings of a list.
pub(super) fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

/// The names of a list of named things.
pub(super) fn names_of(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}
