//! Reports every change of the Secret and of the two configurations. What has changed is read by whoever is woken.

use std::fmt::Debug;

use futures::future::join3;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::watcher;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::watching;

/// The watched objects.
#[derive(Clone)]
pub struct Watches {
    /// The API server.
    pub client: Client,
    /// The namespace of the Secret.
    pub namespace: String,
    /// The Secret.
    pub secret: String,
    /// The `MutatingWebhookConfiguration`.
    pub mutating: String,
    /// The `ValidatingWebhookConfiguration`.
    pub validating: String,
}

// === impl Watches ===

impl Watches {
    /// Notifies for ever.
    pub async fn follow(&self, changed: &Notify) {
        // Only metadata is asked for: no key is kept in the memory of a watch.
        let secrets: Api<PartialObjectMeta<Secret>> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let mutating: Api<PartialObjectMeta<MutatingWebhookConfiguration>> =
            Api::all(self.client.clone());
        let validating: Api<PartialObjectMeta<ValidatingWebhookConfiguration>> =
            Api::all(self.client.clone());
        Box::pin(join3(
            one("the Secret of the certificates", secrets, &self.secret, changed),
            one("the mutating webhook configuration", mutating, &self.mutating, changed),
            one("the validating webhook configuration", validating, &self.validating, changed),
        ))
        .await;
    }
}

async fn one<K>(what: &'static str, api: Api<K>, name: &str, changed: &Notify)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    // RBAC allows lists and watches by resourceNames only with this selector.
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    watching::follow(what, watcher::watcher(api, config), |_| changed.notify_one()).await;
}
