//! The webhook's certificates: whether each live `caBundle` verifies what each replica serves, and until when.
//!
//! It is found out by a TLS handshake with the replica, with that bundle as the only trust, as the API server does it.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::time::UnixMillis;
use cairn_webhook::certs::certificate::Certificate;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::finding::Finding;
use crate::cluster::webhook_pod::WebhookPod;
use crate::cluster::{Cluster, words};

const ABOUT: &str = "certificates";
/// The webhook renews at half of the life of seven days.
const SOON: Duration = Duration::from_secs(2 * 24 * 3600);
/// The API server and the kubelet carry the handshake.
const WITHIN: Duration = Duration::from_secs(15);

/// What the API server trusts, and for which name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trust {
    /// The configuration.
    of: String,
    name: String,
    bundle: Vec<u8>,
}

/// Looks at every replica with every bundle.
pub async fn check(cluster: &Cluster, replicas: &[WebhookPod], now: UnixMillis) -> Vec<Finding> {
    let Some(first) = replicas.first() else { return Vec::new() };
    let trusts = match trusts(cluster, first).await {
        Ok(trusts) => trusts,
        Err(finding) => return vec![finding],
    };
    let mut findings = Vec::new();
    let mut ends = Vec::new();
    for replica in replicas {
        for trust in &trusts {
            let served = timeout(WITHIN, served(cluster, replica, trust)).await;
            match served.unwrap_or_else(|_| Err("it does not answer in time".to_owned())) {
                Ok(end) => ends.push(end),
                Err(error) => findings.push(Finding::problem(
                    ABOUT,
                    format!(
                        "the caBundle of {} does not verify what {} serves: {error}; the webhook's log says why it \
                         does not write it",
                        trust.of,
                        replica.name()
                    ),
                )),
            }
        }
    }
    findings.extend(ends.into_iter().min().map(|end| life(end, now)));
    findings
}

fn life(end: UnixMillis, now: UnixMillis) -> Finding {
    let left = end.since(now);
    let days = left.as_secs() / 86_400;
    if left < SOON {
        return Finding::warning(
            ABOUT,
            format!(
                "the webhook's certificate ends at {end} and should have been renewed; look at the webhook's log"
            ),
        );
    }
    Finding::fine(
        ABOUT,
        format!(
            "the API server trusts what the webhook serves; it ends in {days} days and is renewed before"
        ),
    )
}

async fn trusts(cluster: &Cluster, webhook: &WebhookPod) -> Result<Vec<Trust>, Finding> {
    let missing = |flag: &str| Finding::unknown(ABOUT, format!("the webhook has no flag {flag}"));
    let failed = |what: &str, error: &kube::Error| match error {
        kube::Error::Api(status) if status.code == 404 => Finding::problem(
            ABOUT,
            format!("there is no {what}, so no pod gets a sidecar; run helm upgrade again"),
        ),
        error => Finding::unknown(ABOUT, format!("could not read {what}: {}", words(error))),
    };
    let (pods, pools) = ("--webhook-config", "--pool-webhook-config");
    let name = webhook.flag(pods).ok_or_else(|| missing(pods))?;
    let all: Api<MutatingWebhookConfiguration> = Api::all(cluster.client.clone());
    let title = format!("MutatingWebhookConfiguration {name}");
    let found = all.get(name).await.map_err(|error| failed(&title, &error))?;
    let hooks = found.webhooks.unwrap_or_default();
    let of_pods = hooks.iter().filter_map(|hook| Trust::of(&title, &hook.client_config));
    let name = webhook.flag(pools).ok_or_else(|| missing(pools))?;
    let all: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client.clone());
    let title = format!("ValidatingWebhookConfiguration {name}");
    let found = all.get(name).await.map_err(|error| failed(&title, &error))?;
    let hooks = found.webhooks.unwrap_or_default();
    let of_pools = hooks.iter().filter_map(|hook| Trust::of(&title, &hook.client_config));
    let mut trusts: Vec<Trust> = of_pods.chain(of_pools).collect();
    trusts.dedup();
    Ok(trusts)
}

/// When the leaf ends that a replica serves, if the bundle verifies it.
async fn served(
    cluster: &Cluster,
    replica: &WebhookPod,
    trust: &Trust,
) -> Result<UnixMillis, String> {
    let mut roots = RootCertStore::empty();
    for authority in Certificate::all(&trust.bundle) {
        // One that cannot be used verifies nothing.
        let _ = roots.add(authority.der().clone());
    }
    if roots.is_empty() {
        return Err("the bundle is empty".to_owned());
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(trust.name.clone()).map_err(|error| error.to_string())?;
    let address = replica.flag("--admission-listen").unwrap_or_default();
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
    let port = port.ok_or("its flag --admission-listen has no port")?;
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let forwarded = pods.portforward(&replica.name(), &[port]).await;
    let mut forwarded =
        forwarded.map_err(|error| format!("port {port} cannot be forwarded: {}", words(&error)))?;
    let stream = forwarded.take_stream(port).ok_or("the port was not forwarded")?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let connected = connected.map_err(|error| error.to_string())?;
    let leaf = connected.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let leaf = leaf.and_then(|leaf| Certificate::read(leaf)).ok_or("its leaf cannot be read")?;
    Ok(leaf.not_after())
}

// === impl Trust ===

impl Trust {
    /// `None` for a webhook that is no Service of the cluster.
    fn of(title: &str, client: &WebhookClientConfig) -> Option<Self> {
        let service = client.service.as_ref()?;
        let bundle = client.ca_bundle.as_ref().map(|bytes| bytes.0.clone()).unwrap_or_default();
        let name = format!("{}.{}.svc", service.name, service.namespace);
        Some(Self { of: title.to_owned(), name, bundle })
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_certificate_that_was_not_renewed_in_time_is_a_warning() {
        let now = UnixMillis(1_795_230_000_000);
        let in_days = |days: u64| life(now.after(Duration::from_secs(days * 86_400)), now);
        assert_eq!(in_days(1).level, Level::Warning);
        let fine = in_days(6);
        assert_eq!(fine.level, Level::Fine);
        assert!(fine.message.contains("ends in 6 days"), "{}", fine.message);
    }
}
