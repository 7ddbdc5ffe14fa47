//! Our two webhook configurations: what they carry, and `caBundle` in them. The chart does not render this field, so
//! `helm upgrade` does not reset it. A configuration that does not exist stops nothing.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;
use tracing::info;

use super::live::Live;

/// A configuration that lists webhooks, of either kind.
pub trait Configuration:
    Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned
{
    /// Its kind, for log lines.
    const KIND: &'static str;

    /// Name and client of each webhook.
    fn webhooks(&self) -> Vec<(&str, &WebhookClientConfig)>;
}

/// The two configurations by name.
#[derive(Clone)]
pub struct Configurations {
    client: Client,
    mutating: String,
    validating: String,
}

/// The configurations as they were read; `None` for one that does not exist.
#[derive(Clone, Debug, Default)]
pub struct Found {
    mutating: Option<MutatingWebhookConfiguration>,
    validating: Option<ValidatingWebhookConfiguration>,
}

/// What failed.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// Reading.
    #[error("could not read the {kind} {name}")]
    Read {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// Writing.
    #[error("could not write caBundle into the {kind} {name}")]
    Write {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
}

// === impl Found ===

impl Found {
    /// What they carry.
    pub fn live(&self) -> Live {
        let mut live = Live::default();
        carried(self.mutating.as_ref(), &mut live);
        carried(self.validating.as_ref(), &mut live);
        live
    }
}

// === impl Configurations ===

impl Configurations {
    /// By their names.
    pub fn new(client: Client, mutating: String, validating: String) -> Self {
        Self { client, mutating, validating }
    }

    /// Reads both.
    pub async fn read(&self) -> Result<Found, ConfigurationError> {
        Ok(Found {
            mutating: read(&self.client, &self.mutating).await?,
            validating: read(&self.client, &self.validating).await?,
        })
    }

    /// Writes the bundle into each that carries another one, unless it has changed since `found`. A failure for one
    /// does not stop the other.
    pub async fn publish(&self, found: &Found, bundle: &str) -> Result<(), ConfigurationError> {
        let one = write(&self.client, found.mutating.as_ref(), bundle).await;
        let other = write(&self.client, found.validating.as_ref(), bundle).await;
        one.and(other)
    }
}

fn carried<C: Configuration>(found: Option<&C>, live: &mut Live) {
    for (name, client) in found.iter().flat_map(|found| found.webhooks()) {
        let bundle = client.ca_bundle.as_ref().map(|bundle| bundle.0.clone());
        live.push(format!("webhook {name} of the {}", C::KIND), bundle.unwrap_or_default());
    }
}

async fn read<C: Configuration>(
    client: &Client,
    name: &str,
) -> Result<Option<C>, ConfigurationError> {
    let api: Api<C> = Api::all(client.clone());
    let failed = |source| ConfigurationError::Read { kind: C::KIND, name: name.to_owned(), source };
    api.get_opt(name).await.map_err(failed)
}

async fn write<C: Configuration>(
    client: &Client,
    found: Option<&C>,
    bundle: &str,
) -> Result<(), ConfigurationError> {
    let Some((found, patch)) = found.and_then(|found| Some((found, patch(found, bundle)?))) else {
        return Ok(());
    };
    let (kind, name) = (C::KIND, found.meta().name.clone().unwrap_or_default());
    let api: Api<C> = Api::all(client.clone());
    match api.patch(&name, &PatchParams::default(), &Patch::Strategic(patch)).await {
        Ok(_) => {
            info!(kind, name, "wrote caBundle");
            Ok(())
        }
        // Gone or changed meanwhile: the next reading decides anew.
        Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
        Err(source) => Err(ConfigurationError::Write { kind, name, source }),
    }
}

/// A strategic merge patch, which merges webhooks by name. It contains only `caBundle`, and the version that was read
/// as the compare.
fn patch<C: Configuration>(found: &C, bundle: &str) -> Option<Value> {
    let differs = |client: &WebhookClientConfig| {
        client.ca_bundle.as_ref().is_none_or(|present| present.0 != bundle.as_bytes())
    };
    let encoded = ByteString(bundle.as_bytes().to_vec());
    let webhooks: Vec<Value> = found
        .webhooks()
        .into_iter()
        .filter(|(_, client)| differs(client))
        .map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": encoded}}))
        .collect();
    let version = &found.meta().resource_version;
    (!webhooks.is_empty())
        .then(|| json!({"metadata": {"resourceVersion": version}, "webhooks": webhooks}))
}

impl Configuration for MutatingWebhookConfiguration {
    const KIND: &'static str = "MutatingWebhookConfiguration";

    fn webhooks(&self) -> Vec<(&str, &WebhookClientConfig)> {
        let list = self.webhooks.iter().flatten();
        list.map(|webhook| (webhook.name.as_str(), &webhook.client_config)).collect()
    }
}

impl Configuration for ValidatingWebhookConfiguration {
    const KIND: &'static str = "ValidatingWebhookConfiguration";

    fn webhooks(&self) -> Vec<(&str, &WebhookClientConfig)> {
        let list = self.webhooks.iter().flatten();
        list.map(|webhook| (webhook.name.as_str(), &webhook.client_config)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(webhooks: &[(&str, Value)]) -> MutatingWebhookConfiguration {
        let webhooks: Vec<Value> = webhooks
            .iter()
            .map(|(name, client)| {
                json!({"name": name, "clientConfig": client, "sideEffects": "None",
                    "admissionReviewVersions": []})
            })
            .collect();
        serde_json::from_value(json!({"metadata": {"resourceVersion": "7"}, "webhooks": webhooks}))
            .unwrap()
    }

    #[test]
    fn only_a_different_bundle_is_written_and_only_that_and_only_to_the_version_that_was_read() {
        let found = configuration(&[("a", json!({"caBundle": "eA=="})), ("b", json!({}))]);
        assert_eq!(
            patch(&found, "x"),
            Some(json!({
                "metadata": {"resourceVersion": "7"},
                "webhooks": [{"name": "b", "clientConfig": {"caBundle": "eA=="}}],
            }))
        );
        assert_eq!(patch(&configuration(&[("a", json!({"caBundle": "eA=="}))]), "x"), None);
    }

    #[test]
    fn a_configuration_that_does_not_exist_carries_nothing_that_is_in_the_way() {
        let mutating = Some(configuration(&[("a", json!({"caBundle": "eA=="}))]));
        let live = Found { mutating, validating: None }.live();
        assert_eq!(live.bundles().len(), 1);
        assert_eq!(live.bundles()[0].pem, b"x");
        assert!(Found::default().live().bundles().is_empty());
    }
}
