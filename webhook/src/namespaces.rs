//! The facts about namespaces for admission: their labels, and whether Linkerd injects into them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt as _};

use crate::ready::Block;
use crate::watching;

/// The lists of ports that a mesh reads from a namespace. Linkerd alone does.
const MESH_PORTS: [&str; 2] =
    ["config.linkerd.io/skip-inbound-ports", "config.linkerd.io/skip-outbound-ports"];

/// The facts about one namespace. The default, no labels and no mesh, is for one that the watch has not brought yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its annotations say that Linkerd injects into its pods.
    pub linkerd: bool,
    /// Its annotations with the ports that a mesh leaves alone in pods that name none.
    pub mesh_ports: BTreeMap<String, String>,
}

/// All namespaces. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Namespaces(Arc<RwLock<HashMap<String, Arc<NamespaceFacts>>>>);

// === impl Namespaces ===

impl Namespaces {
    /// The facts about one of them.
    pub fn get(&self, name: &str) -> Arc<NamespaceFacts> {
        // A std lock: it is never held across an await.
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned().unwrap_or_default()
    }

    /// Whether the namespace is known to be gone. Nothing is known before the first list.
    pub fn is_gone(&self, name: &str) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        !all.is_empty() && !all.contains_key(name)
    }

    /// Follows the cluster for ever; `block` is lifted after the first complete list.
    pub async fn run(self, client: Client, block: Block) {
        let mut block = Some(block);
        let mut listed = HashMap::new();
        let all: Api<PartialObjectMeta<Namespace>> = Api::all(client);
        let stream = watcher::watcher(all, watcher::Config::default().any_semantic());
        watching::follow("namespaces", stream, |event| match event {
            Event::Init => listed.clear(),
            Event::InitApply(namespace) => {
                listed.insert(namespace.name_any(), Arc::new(facts(&namespace)));
            }
            Event::InitDone => {
                self.change(|all| *all = std::mem::take(&mut listed));
                block.take();
            }
            Event::Apply(namespace) => {
                let facts = Arc::new(facts(&namespace));
                self.change(|all| all.insert(namespace.name_any(), facts));
            }
            Event::Delete(namespace) => {
                self.change(|all| all.remove(&namespace.name_any()));
            }
        })
        .await;
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<String, Arc<NamespaceFacts>>) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

fn facts(namespace: &PartialObjectMeta<Namespace>) -> NamespaceFacts {
    let inject = namespace.annotations().get("linkerd.io/inject");
    let ports = MESH_PORTS.iter().filter_map(|key| {
        let value = namespace.annotations().get(*key)?;
        Some(((*key).to_owned(), value.clone()))
    });
    NamespaceFacts {
        labels: namespace.labels().clone(),
        mesh_ports: ports.collect(),
        linkerd: inject.is_some_and(|value| matches!(value.as_str(), "enabled" | "ingress")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_was_not_seen_yet_has_no_labels() {
        assert_eq!(*Namespaces::default().get("shop"), NamespaceFacts::default());
    }

    #[test]
    fn labels_and_the_mesh_are_read() {
        let namespace: PartialObjectMeta<Namespace> = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "shop", "labels": {"team": "a"}, "annotations": {
                "linkerd.io/inject": "enabled", "config.linkerd.io/skip-outbound-ports": "4222",
            }},
        }))
        .unwrap();
        let facts = facts(&namespace);
        assert!(facts.linkerd);
        assert_eq!(facts.mesh_ports["config.linkerd.io/skip-outbound-ports"], "4222");
        assert_eq!(facts.labels["team"], "a");
    }
}
