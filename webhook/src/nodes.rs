//! The Linux nodes whose kubelet is too old for `fileKeyRef`, with their labels and taints.
//!
//! An old kubelet sets such a variable to "" without an error. Admission therefore checks for each pod whether it may
//! run on one of these nodes ([`placement`]). Windows and virtual nodes do not count: Cairn refuses pods for them.
//!
//! It keeps old nodes, and only the names of the others. A node that joins later is known before the scheduler can use
//! it, but a pod that was admitted before may be placed on it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use kube::Client;
use kube::api::Api;
use kube::runtime::watcher::{self, Event};
use tracing::info;

use crate::ready::Block;
use crate::watching;
use kubelet::{Kubelet, NodeObject};

pub mod kubelet;
pub mod placement;

/// Nodes per page of the list: a node's status lists its images, so it has tens of kilobytes.
const PAGE: u32 = 100;

/// Nodes that a log line names.
const LOGGED: usize = 3;

/// A node whose kubelet does not know `fileKeyRef`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OldNode {
    /// Its name.
    pub name: String,
    /// The version that its kubelet reports.
    pub version: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// Its taints that keep pods away.
    pub taints: Vec<Taint>,
}

/// A taint with the effect `NoSchedule` or `NoExecute`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Its effect.
    pub effect: String,
}

/// The nodes at one moment.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Whether there is any Linux node. Without one, the kubelets' version is unknown.
    pub any: bool,
    /// The nodes that are too old.
    pub old: Vec<OldNode>,
}

/// All nodes. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Nodes(Arc<RwLock<Arc<Known>>>);

/// The Linux nodes by name; of those that are new enough, nothing else.
#[derive(Debug, Default)]
struct Table(HashMap<String, Option<OldNode>>);

// === impl Nodes ===

impl Nodes {
    /// The present nodes.
    pub fn known(&self) -> Arc<Known> {
        // A std lock: it is never held across an await.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows the cluster for ever; `block` is lifted after the first complete list.
    pub async fn run(self, client: Client, block: Block) {
        let mut block = Some(block);
        let (mut table, mut listed) = (Table::default(), Table::default());
        let resource = kubelet::resource();
        let all: Api<NodeObject> = Api::all_with(client, &resource);
        let config = watcher::Config::default().any_semantic().page_size(PAGE);
        watching::follow("nodes", watcher::watcher(all, config), |event| match event {
            Event::Init => listed = Table::default(),
            Event::InitApply(node) => {
                listed.apply(&node);
            }
            Event::InitDone => {
                table = std::mem::take(&mut listed);
                self.publish(&table);
                block.take();
            }
            Event::Apply(node) => {
                if table.apply(&node) {
                    self.publish(&table);
                }
            }
            Event::Delete(node) => {
                if table.remove(&node) {
                    self.publish(&table);
                }
            }
        })
        .await;
    }

    fn publish(&self, table: &Table) {
        let known = table.known();
        let before = self.known();
        if (before.any, &before.old) != (known.any, &known.old) {
            let old: Vec<&str> = known.old.iter().take(LOGGED).map(|node| &*node.name).collect();
            let old = old.join(",");
            info!(any = known.any, count = known.old.len(), old, "nodes with an old kubelet");
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }
}

// === impl Table ===

impl Table {
    /// Takes a node. True if that changed a relevant field: kubelets report their status every few minutes.
    fn apply(&mut self, node: &NodeObject) -> bool {
        let name = node.metadata.name.clone().unwrap_or_default();
        let entry = match kubelet::judge(node) {
            Kubelet::Ignored => return self.0.remove(&name).is_some(),
            Kubelet::NewEnough => None,
            Kubelet::TooOld(old) => Some(old),
        };
        let changed = self.0.get(&name) != Some(&entry);
        self.0.insert(name, entry);
        changed
    }

    fn remove(&mut self, node: &NodeObject) -> bool {
        node.metadata.name.as_ref().is_some_and(|name| self.0.remove(name).is_some())
    }

    fn known(&self) -> Known {
        let mut old: Vec<OldNode> = self.0.values().flatten().cloned().collect();
        // In order of names, so that a refusal names the same node each time.
        old.sort_by(|a, b| a.name.cmp(&b.name));
        Known { any: !self.0.is_empty(), old }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str, version: &str, label: &str) -> NodeObject {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"a": label}},
            "spec": {},
            "status": {"nodeInfo": {"operatingSystem": "linux", "kubeletVersion": version}},
        }))
        .unwrap()
    }

    #[test]
    fn only_changes_that_matter_are_changes() {
        let mut table = Table::default();
        assert!(!table.known().any);
        assert!(table.apply(&node("a", "v1.34.0", "x")));
        assert!(!table.apply(&node("a", "v1.34.0", "x")));
        assert!(table.apply(&node("a", "v1.34.0", "y")));
        assert!(table.apply(&node("b", "v1.35.0", "x")));
        assert!(!table.apply(&node("b", "v1.35.0", "y")), "labels of new nodes do not matter");
        let names = |table: &Table| -> Vec<String> {
            table.known().old.into_iter().map(|node| node.name).collect()
        };
        assert_eq!(names(&table), ["a"]);
        assert!(table.apply(&node("a", "v1.35.0", "y")), "an upgraded node is not old any more");
        assert_eq!(names(&table), Vec::<String>::new());
        assert!(table.remove(&node("a", "", "")) && table.remove(&node("b", "", "")));
        assert!(!table.remove(&node("b", "", "")));
        assert!(!table.known().any);
    }
}
