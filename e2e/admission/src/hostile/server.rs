//! The other webhook as a server with TLS, and its registration at the API server.

use std::io;
use std::net::Ipv4Addr;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cairn_kit::serve::{BindError, bind};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::task::JoinHandle;

use super::{Manner, SEEN, change};
use crate::api_server::client::Store;
use crate::in_process::NAMESPACE;
use crate::install::{InstallError, Installed, create, until};
use crate::review::Answer;
use crate::tls_servers::{HOST, TlsServersError, tls_servers};

/// The API server calls webhooks in the order of their configurations' names, so this one comes after Cairn's.
const CONFIGURATION: &str = "zz-hostile";

/// A running one. Its requests fail when this is dropped.
#[derive(Debug)]
pub struct Hostile {
    serving: JoinHandle<()>,
}

/// Why it does not serve.
#[derive(Debug, Error)]
pub enum HostileError {
    /// Its certificate or TLS.
    #[error(transparent)]
    Tls(#[from] TlsServersError),
    /// Its port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its address.
    #[error("its port has no address")]
    Address(#[from] io::Error),
    /// Its registration.
    #[error(transparent)]
    Install(#[from] InstallError),
}

// === impl Hostile ===

impl Hostile {
    /// Serves and registers it, and waits until the API server calls it. With `again` it asks to be called again when
    /// another webhook has changed a pod after it.
    pub async fn start(
        installed: &Installed,
        manner: Manner,
        again: bool,
    ) -> Result<Self, HostileError> {
        let servers = tls_servers()?;
        let routes = Router::new().route("/mutate", post(mutate)).with_state(manner);
        let listener = bind("--listen", (Ipv4Addr::LOCALHOST, 0).into())?;
        let port = listener.local_addr()?.port();
        let server = servers.reviews(routes);
        let serving = tokio::spawn(async move {
            server.run(listener).await;
        });
        let hostile = Self { serving };
        let bundle = STANDARD.encode(&servers.authority);
        let registration = registration(port, &bundle, again);
        create(installed.kubernetes(), &registration, "").await?;
        until("the call of the other webhook", async || is_called(installed).await).await?;
        Ok(hostile)
    }

    /// Takes it away, and waits until the API server calls it no more.
    pub async fn stop(self, installed: &Installed) -> Result<(), HostileError> {
        let path = format!(
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{CONFIGURATION}"
        );
        installed.kubernetes().delete(&path).await.map_err(InstallError::from)?;
        until("the end of the other webhook", async || Ok(!is_called(installed).await?)).await?;
        Ok(())
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Whether a pod that Cairn leaves alone has its annotation.
async fn is_called(installed: &Installed) -> Result<bool, InstallError> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "look"},
        "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1"}]},
    });
    Ok(match installed.kubernetes().create(&pod, NAMESPACE, Store::DryRun).await? {
        Answer::Allowed(pod, _) => pod["metadata"]["annotations"][SEEN].is_string(),
        Answer::Refused(_) => false,
    })
}

async fn mutate(State(manner): State<Manner>, body: Bytes) -> Json<Value> {
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let request = &review["request"];
    let after = change(&request["object"], manner);
    // Whole objects: whatever was not read is not written.
    let patch = json!([
        {"op": "replace", "path": "/metadata", "value": after["metadata"]},
        {"op": "replace", "path": "/spec", "value": after["spec"]},
    ]);
    Json(json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {
            "uid": request["uid"], "allowed": true, "patchType": "JSONPatch",
            "patch": STANDARD.encode(patch.to_string()),
        },
    }))
}

fn registration(port: u16, bundle: &str, again: bool) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": CONFIGURATION},
        "webhooks": [{
            "name": "change.hostile.example.com",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": format!("https://{HOST}:{port}/mutate"), "caBundle": bundle},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 30,
            "reinvocationPolicy": if again { "IfNeeded" } else { "Never" },
        }],
    })
}
