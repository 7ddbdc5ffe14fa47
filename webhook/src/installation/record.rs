//! The record of the installation in Kubernetes: a `ConfigMap` for people and for the next start.
//!
//! A restarted webhook requires the etcd cluster whose ID is in the record, before etcd has answered. With the bundled
//! etcd, it reads the record of the members instead, which is written first.

use std::collections::BTreeMap;

use cairn_store::ClusterId;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use tracing::info;

use super::Site;
use super::identity::Identity;
use crate::config_map::{ConfigMapError, ConfigMaps};
use crate::etcd_member::registry::kubernetes::parse;

const INSTALLATION: &str = "installation";
const CLUSTER: &str = "etcdClusterId";
const PREFIX: &str = "etcdKeyPrefix";

/// The recorded etcd cluster: from the record of the bundled etcd, if there is one, otherwise from ours.
pub async fn known_cluster(
    client: &Client,
    namespace: &str,
    etcd_record: Option<&str>,
    record: &str,
) -> Result<Option<ClusterId>, ConfigMapError> {
    let maps = ConfigMaps::of(client.clone(), namespace);
    if let Some(name) = etcd_record {
        let bundled = maps.read(name).await?.and_then(|found| parse(&found).ok());
        return Ok(bundled.map(|record| ClusterId::new(record.cluster_id.0)));
    }
    let found = maps.read(record).await?.and_then(|found| found.data);
    Ok(found.and_then(|data| data.get(CLUSTER)?.parse().ok()))
}

/// Whether there is a record. It is written once etcd has answered for the first time, and outlives the release.
pub async fn exists(client: &Client, site: &Site) -> Result<bool, ConfigMapError> {
    let maps = ConfigMaps::of(client.clone(), &site.namespace);
    Ok(maps.read(&site.record).await?.is_some())
}

/// Writes the record if it differs.
pub async fn save(
    client: &Client,
    site: &Site,
    ours: &Identity,
    cluster: ClusterId,
) -> Result<(), ConfigMapError> {
    let Site { namespace, record: name, prefix, .. } = site;
    let maps = ConfigMaps::of(client.clone(), namespace);
    let data = [
        (INSTALLATION, ours.to_string()),
        (CLUSTER, cluster.to_string()),
        (PREFIX, prefix.clone()),
    ];
    let data = BTreeMap::from(data.map(|(key, value)| (key.to_owned(), value)));
    let found = maps.read(name).await?;
    if found.as_ref().and_then(|found| found.data.as_ref()) == Some(&data) {
        return Ok(());
    }
    let record = match found {
        // The resource version stays in: that is the compare.
        Some(found) => ConfigMap { data: Some(data), ..found },
        None => fresh(name, data),
    };
    if maps.write(name, &record).await? {
        info!(etcd_cluster = %cluster, prefix, "recorded the installation");
    }
    // Otherwise another replica has written it; the next check compares.
    Ok(())
}

fn fresh(name: &str, data: BTreeMap<String, String>) -> ConfigMap {
    let label = ("app.kubernetes.io/part-of".to_owned(), "cairn".to_owned());
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(BTreeMap::from([label])),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }
}
