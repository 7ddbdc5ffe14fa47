//! The registry in Kubernetes: a `ConfigMap`, a Secret, the StatefulSet, Events of this pod.
//!
//! The `ConfigMap` is made here and not by the chart, so that it outlives the release as the volumes do.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_kit::clock;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Client};
use tokio::sync::Mutex;

use super::{Registry, RegistryError, Stored};
use crate::config_map::ConfigMaps;
use crate::etcd_ca::Authorities;
use crate::etcd_ca::keeper::Keeper;
use crate::etcd_member::args::Shared;
use crate::etcd_member::reason::Reason;
use crate::etcd_member::record::Record;
use crate::events;

/// The key in the `ConfigMap`.
pub const KEY: &str = "cluster.json";

/// Who reports; the form that the API asks for.
const CONTROLLER: &str = "cairn.dev/etcd-member";

/// The registry of one release.
#[derive(Clone)]
pub struct ConfigMapRegistry {
    client: Client,
    namespace: String,
    name: String,
    pod: ObjectReference,
    stateful_set: String,
    keeper: Arc<Mutex<Keeper>>,
}

// === impl ConfigMapRegistry ===

impl ConfigMapRegistry {
    /// The registry that these flags name.
    pub fn new(client: Client, shared: &Shared) -> Self {
        let pod = events::pod(&shared.namespace, &shared.pod_name, Some(&shared.pod_uid));
        let stem = shared.pod_name.rsplit_once('-').map_or("", |(stem, _)| stem);
        let lives = shared.lives.lives();
        let keeper = Keeper::new(client.clone(), &shared.namespace, &shared.ca_secret, lives);
        Self {
            client,
            keeper: Arc::new(Mutex::new(keeper)),
            namespace: shared.namespace.clone(),
            name: shared.record.clone(),
            pod,
            stateful_set: stem.to_owned(),
        }
    }

    fn config_maps(&self) -> ConfigMaps {
        ConfigMaps::of(self.client.clone(), &self.namespace)
    }

    fn config_map(&self, record: &Record, over: Option<&str>) -> Result<ConfigMap, RegistryError> {
        let format = |source| RegistryError::Format { name: self.name.clone(), source };
        let json = serde_json::to_string_pretty(record).map_err(format)?;
        let labels =
            [("app.kubernetes.io/part-of", "cairn"), ("app.kubernetes.io/component", "etcd")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Ok(ConfigMap {
            metadata: ObjectMeta {
                namespace: Some(self.namespace.clone()),
                name: Some(self.name.clone()),
                labels: Some(BTreeMap::from(labels)),
                resource_version: over.map(str::to_owned),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(KEY.to_owned(), json)])),
            ..ConfigMap::default()
        })
    }
}

/// The record in a `ConfigMap`.
pub fn parse(config_map: &ConfigMap) -> Result<Record, serde_json::Error> {
    let text = config_map.data.as_ref().and_then(|data| data.get(KEY));
    serde_json::from_str(text.map_or("", String::as_str))
}

impl Registry for ConfigMapRegistry {
    async fn load(&self) -> Result<Option<Stored>, RegistryError> {
        let Some(found) = self.config_maps().read(&self.name).await? else {
            return Ok(None);
        };
        let format = |source| RegistryError::Format { name: self.name.clone(), source };
        let record = parse(&found).map_err(format)?;
        let version = found.metadata.resource_version.unwrap_or_default();
        Ok(Some(Stored { record, version }))
    }

    async fn save(&self, record: &Record, over: Option<&str>) -> Result<bool, RegistryError> {
        let object = self.config_map(record, over)?;
        Ok(self.config_maps().write(&self.name, &object).await?)
    }

    async fn authorities(&self) -> Result<Arc<Authorities>, RegistryError> {
        Ok(self.keeper.lock().await.tick(clock::now().wall).await?)
    }

    async fn replicas(&self) -> Result<u32, RegistryError> {
        let api: Api<StatefulSet> = Api::namespaced(self.client.clone(), &self.namespace);
        let name = || self.stateful_set.clone();
        let found = api.get(&self.stateful_set).await;
        let found = found.map_err(|source| RegistryError::StatefulSet { name: name(), source })?;
        let replicas = found.spec.and_then(|spec| spec.replicas).unwrap_or(1);
        Ok(u32::try_from(replicas).unwrap_or_default())
    }

    async fn publish(&self, reason: &Reason) {
        let event = Event {
            type_: if reason.needs_help() { EventType::Warning } else { EventType::Normal },
            reason: "EtcdWaiting".to_owned(),
            note: Some(reason.to_string()),
            action: "Start".to_owned(),
            secondary: None,
        };
        let instance = self.pod.name.as_deref().unwrap_or_default();
        events::publish(&self.client, CONTROLLER, instance, &event, &self.pod).await;
    }
}
