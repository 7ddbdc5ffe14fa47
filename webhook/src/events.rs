//! Kubernetes Events on pods and their owners. Best effort: a failure is logged at debug level.

use cairn_core::pool::PoolName;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::runtime::events::{Event, Recorder, Reporter};

/// The reference to a pod.
pub fn pod(namespace: &str, name: &str, uid: Option<&str>) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: uid.map(str::to_owned),
        ..ObjectReference::default()
    }
}

/// The reference to the controller of a pod.
pub fn owner(namespace: &str, owner: &OwnerReference) -> ObjectReference {
    ObjectReference {
        api_version: Some(owner.api_version.clone()),
        kind: Some(owner.kind.clone()),
        namespace: Some(namespace.to_owned()),
        name: Some(owner.name.clone()),
        uid: Some(owner.uid.clone()),
        ..ObjectReference::default()
    }
}

/// The reference to a pool.
pub fn pool(name: &PoolName) -> ObjectReference {
    ObjectReference {
        api_version: Some("cairn.dev/v1alpha1".to_owned()),
        kind: Some("Pool".to_owned()),
        name: Some(name.to_string()),
        ..ObjectReference::default()
    }
}

/// Publishes one Event about a pod or its owner. `controller` has the form that the API requires: a domain and a name.
///
/// Each Event has a recorder of its own, because one recorder would count two claims of a pod as a repetition.
pub async fn publish(
    client: &Client,
    controller: &str,
    instance: &str,
    event: &Event,
    about: &ObjectReference,
) {
    record(&recorder(client, controller, instance), event, about).await;
}

/// Counts Events that differ in their notes alone as repetitions of the first of them, for some minutes.
pub fn recorder(client: &Client, controller: &str, instance: &str) -> Recorder {
    let (controller, instance) = (controller.to_owned(), Some(instance.to_owned()));
    Recorder::new(client.clone(), Reporter { controller, instance })
}

/// Publishes one Event with a recorder that lives longer.
pub async fn record(recorder: &Recorder, event: &Event, about: &ObjectReference) {
    if let Err(error) = recorder.publish(event, about).await {
        tracing::debug!(%error, object = about.name, "an Event was not recorded");
    }
}
