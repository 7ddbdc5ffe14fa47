//! What is read off a pod's metadata, and the watch that brings it.

use std::collections::BTreeMap;

use cairn_core::contract::annotation;
use cairn_core::identity::is_result_annotation;
use cairn_core::pool::PoolName;
use futures::Stream;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client};

use super::claims::PodId;
use super::desired::Shown;

/// The pods with our sidecar that have not finished, as metadata only. A finished pod has released
/// its claims and must not be told that it has lost them.
pub fn watched(
    client: Client,
) -> impl Stream<Item = Result<Event<PartialObjectMeta<Pod>>, watcher::Error>> {
    let config = Config::default()
        .labels(&format!("{}=true", annotation::INJECTED_LABEL))
        .fields("status.phase!=Succeeded,status.phase!=Failed");
    watcher(Api::<PartialObjectMeta<Pod>>::all(client), config).default_backoff()
}

/// Which pod it is; `None` for something that the API server does not send.
pub fn id(metadata: &ObjectMeta) -> Option<PodId> {
    Some(PodId { namespace: metadata.namespace.clone()?, uid: metadata.uid.clone()? })
}

/// Its version as a number; API servers count, and nothing depends on it but a few spared writes.
pub fn version(metadata: &ObjectMeta) -> Option<u64> {
    metadata.resource_version.as_ref()?.parse().ok()
}

/// The annotations that matter.
pub fn shown(annotations: BTreeMap<String, String>) -> Shown {
    let asked = annotations.get(annotation::POOL).map_or("", String::as_str);
    // Admission has refused what is not a pool name; a later edit that is none asks for nothing.
    let mut asked: Vec<PoolName> =
        asked.split(',').filter_map(|pool| pool.trim().parse().ok()).collect();
    asked.sort();
    asked.dedup();
    Shown {
        asked,
        results: annotations.into_iter().filter(|(key, _)| is_result_annotation(key)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_pods_annotations_only_ours_are_kept() {
        let annotations = BTreeMap::from(
            [
                ("cairn.dev/pool", "snowflake, mountains,snowflake,N0"),
                ("cairn.dev/group", "checkout"),
                ("cairn.dev/status", "{}"),
                ("claim.cairn.dev/mountains", "Denali"),
                ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let shown = shown(annotations);
        let asked: Vec<&str> = shown.asked.iter().map(PoolName::as_str).collect();
        assert_eq!(asked, ["mountains", "snowflake"]);
        let results: Vec<&String> = shown.results.keys().collect();
        assert_eq!(results, ["cairn.dev/status", "claim.cairn.dev/mountains"]);
    }
}
