//! Writes `caBundle` into our two webhook configurations, if it differs. The chart does not render this field, so
//! `helm upgrade` does not reset it.

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

/// A configuration that lists webhooks, of either kind.
pub trait Configuration:
    Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned
{
    /// Its kind, for log lines.
    const KIND: &'static str;

    /// Name and client of each webhook.
    fn webhooks(&self) -> Vec<(&str, &WebhookClientConfig)>;
}

/// What failed.
#[derive(Debug, Error)]
pub enum RegisterError {
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

/// Writes this bundle into one configuration.
pub async fn ensure<C: Configuration>(
    client: &Client,
    name: &str,
    bundle: &str,
) -> Result<(), RegisterError> {
    let api: Api<C> = Api::all(client.clone());
    let kind = C::KIND;
    let found = api.get(name).await.map_err(|source| RegisterError::Read {
        kind,
        name: name.to_owned(),
        source,
    })?;
    let Some(patch) = patch(&found, bundle) else { return Ok(()) };
    api.patch(name, &PatchParams::default(), &Patch::Strategic(patch))
        .await
        .map_err(|source| RegisterError::Write { kind, name: name.to_owned(), source })?;
    info!(kind, name, "wrote caBundle");
    Ok(())
}

/// A strategic merge patch, which merges webhooks by name. It contains only `caBundle`.
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
    (!webhooks.is_empty()).then(|| json!({"webhooks": webhooks}))
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

    fn webhook(name: &str, client: &Value) -> Value {
        json!({"name": name, "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": []})
    }

    #[test]
    fn only_a_different_bundle_is_written_and_only_that() {
        let found: MutatingWebhookConfiguration = serde_json::from_value(json!({
            "webhooks": [
                webhook("a", &json!({"caBundle": "eA=="})),
                webhook("b", &json!({})),
            ],
        }))
        .unwrap();
        assert_eq!(
            patch(&found, "x"),
            Some(json!({"webhooks": [{"name": "b", "clientConfig": {"caBundle": "eA=="}}]}))
        );
        let patched = serde_json::from_value::<MutatingWebhookConfiguration>(json!({"webhooks": [
            webhook("a", &json!({"caBundle": "eA=="})),
        ]}));
        assert_eq!(patch(&patched.unwrap(), "x"), None);
    }
}
