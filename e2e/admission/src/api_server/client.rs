//! Requests to an API server, as JSON in and out.

use std::path::Path;

use http::{Method, Request};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use serde_json::Value;
use thiserror::Error;

use crate::review::Answer;

/// A connection.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
}

/// Why a request has no answer.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The kubeconfig.
    #[error("could not read the kubeconfig")]
    Kubeconfig(#[from] KubeconfigError),
    /// The request.
    #[error("could not make a request")]
    Request(#[from] http::Error),
    /// No connection, or the API server's own words.
    #[error("the API server: {0}")]
    Kubernetes(#[from] Box<kube::Error>),
    /// An object that cannot be sent.
    #[error("the kind of this object is not known here: {0}")]
    Kind(String),
}

/// Whether an object is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Everything happens except that.
    DryRun,
    /// It is.
    Really,
}

// === impl Kubernetes ===

impl Kubernetes {
    /// By a kubeconfig.
    pub async fn new(kubeconfig: &Path) -> Result<Self, ApiError> {
        let file = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Self { client: Client::try_from(config).map_err(Box::new)? })
    }

    /// Whether it is ready.
    pub async fn is_ready(&self) -> bool {
        self.text("/readyz").await.is_ok_and(|text| text == "ok")
    }

    /// What is at a path, as text.
    pub async fn text(&self, path: &str) -> Result<String, ApiError> {
        let request = Request::get(path).body(Vec::new())?;
        Ok(self.client.request_text(request).await.map_err(Box::new)?)
    }

    /// Creates an object. A status of 400 to 499 is an answer too.
    pub async fn create(
        &self,
        object: &Value,
        namespace: &str,
        store: Store,
    ) -> Result<Answer, ApiError> {
        let dry_run = if store == Store::DryRun { "?dryRun=All" } else { "" };
        let path = format!("{}{dry_run}", collection(object, namespace)?);
        match self.send(Method::POST, &path, object).await {
            Ok(created) => Ok(Answer::Allowed(created, Vec::new())),
            Err(ApiError::Kubernetes(error)) => match *error {
                kube::Error::Api(status) if (400..500).contains(&status.code) => {
                    Ok(Answer::Refused(status.message))
                }
                other => Err(Box::new(other).into()),
            },
            Err(other) => Err(other),
        }
    }

    /// Reads what is at a path; `None` if there is nothing.
    pub async fn get(&self, path: &str) -> Result<Option<Value>, ApiError> {
        match self.send(Method::GET, path, &Value::Null).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes what is at a path.
    pub async fn delete(&self, path: &str) -> Result<(), ApiError> {
        self.send(Method::DELETE, path, &Value::Null).await.map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, ApiError> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request =
            Request::builder().method(method).uri(path).header("content-type", "application/json");
        Ok(self.client.request(request.body(body)?).await.map_err(Box::new)?)
    }
}

impl std::fmt::Debug for Kubernetes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Kubernetes")
    }
}

// === impl ApiError ===

impl ApiError {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Kubernetes(error)
            if matches!(&**error, kube::Error::Api(status) if status.code == 404))
    }
}

/// The path at which objects of this kind are created.
fn collection(object: &Value, namespace: &str) -> Result<String, ApiError> {
    let unknown = || ApiError::Kind(format!("{} {}", object["apiVersion"], object["kind"]));
    let version = object["apiVersion"].as_str().ok_or_else(unknown)?;
    let kind = object["kind"].as_str().ok_or_else(unknown)?;
    let base = if version.contains('/') { "/apis" } else { "/api" };
    let plural = match kind {
        "ValidatingAdmissionPolicy" => "validatingadmissionpolicies".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let everywhere = [
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "Pool",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    ];
    Ok(if everywhere.contains(&kind) {
        format!("{base}/{version}/{plural}")
    } else {
        format!("{base}/{version}/namespaces/{namespace}/{plural}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_created_in_the_collection_of_their_kind() {
        let path = |version: &str, kind: &str| {
            collection(&json!({"apiVersion": version, "kind": kind}), "shop").unwrap()
        };
        assert_eq!(path("v1", "Pod"), "/api/v1/namespaces/shop/pods");
        assert_eq!(path("batch/v1", "CronJob"), "/apis/batch/v1/namespaces/shop/cronjobs");
        assert_eq!(path("cairn.dev/v1alpha1", "Pool"), "/apis/cairn.dev/v1alpha1/pools");
        assert!(collection(&json!({}), "shop").is_err());
    }
}
