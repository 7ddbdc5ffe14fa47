//! One enrolment: a new key, and a call to the agent with the pod's token.

use std::io;
use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use cairn_core::time::BootInstant;
use cairn_kit::backoff::spread;
use cairn_kit::clock::Clock;
use cairn_proto::v1::agent_client::AgentClient;
use cairn_proto::v1::{EnrolRequest, EnrolResponse};
use cairn_store::cluster::ClusterIdError;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use thiserror::Error;
use tonic::metadata::MetadataValue;
use tonic::metadata::errors::InvalidMetadataValue;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use super::AgentTarget;
use super::credentials::Credentials;

/// An enrolment takes some milliseconds. The first one of a namespace writes to etcd.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Renewals are spread by this share of their time, so that pods that started together do not enrol together.
const JITTER: f64 = 0.05;
/// The answer has two chains and two bundles of certificates, of about 1 KiB each.
const MAX_MESSAGE: usize = 256 * 1024;

/// Why an enrolment failed.
#[derive(Debug, Error)]
pub enum EnrolError {
    /// The key or the request for a certificate could not be made.
    #[error("could not make a key")]
    Key(#[from] rcgen::Error),
    /// The token cannot be read.
    #[error("could not read the pod's token {}", path.display())]
    Token {
        /// Its file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The token is not text.
    #[error("the pod's token is not text")]
    TokenText(#[from] InvalidMetadataValue),
    /// The agent's URL or authorities cannot be used.
    #[error("could not set up the connection to {url}")]
    Setup {
        /// The agent.
        url: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// No connection.
    #[error("could not connect to Cairn's webhook at {url}")]
    Connect {
        /// The agent.
        url: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The name of the agent cannot be resolved.
    #[error(
        "could not look up the name in {url}; if a mesh captures DNS in this pod (Istio with ISTIO_META_DNS_CAPTURE, \
         Kuma, Consul), let it run its proxy as a native sidecar, which starts before Cairn's"
    )]
    Lookup {
        /// The agent.
        url: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The agent refused, or the connection broke.
    #[error("Cairn's webhook gives no access to etcd: {}", .0.message())]
    Refused(Status),
    /// The answer names no member of etcd.
    #[error("Cairn's webhook knows no member of etcd")]
    NoEndpoint,
    /// The answer names an etcd cluster in another form.
    #[error("Cairn's webhook does not name the etcd cluster in hex")]
    Cluster(#[from] ClusterIdError),
}

/// Enrols once. The agent is verified by the newest authorities that it has named.
pub(super) async fn enrol(
    target: &AgentTarget,
    present: Option<&Credentials>,
    clock: &dyn Clock,
) -> Result<Credentials, EnrolError> {
    let known = present.map(|present| present.agent_authorities.as_str());
    let authorities = known.filter(|known| !known.is_empty()).unwrap_or(&target.authorities);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let request = Request::new(EnrolRequest { certificate_request: request_for(&key)? });
    let begun = clock.now().boot;
    let answer = call(target, authorities, request).await?;
    received(answer, &key, begun)
}

/// A request for a certificate. The agent takes only the public key from it.
fn request_for(key: &KeyPair) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serialize_request(key)?.pem()
}

async fn call(
    target: &AgentTarget,
    authorities: &str,
    mut request: Request<EnrolRequest>,
) -> Result<EnrolResponse, EnrolError> {
    let path = &target.token_file;
    let token = std::fs::read_to_string(path)
        .map_err(|source| EnrolError::Token { path: path.clone(), source })?;
    let mut value: MetadataValue<_> = format!("Bearer {}", token.trim()).parse()?;
    // Not in HPACK's table, and not in debug output.
    value.set_sensitive(true);
    request.metadata_mut().insert("authorization", value);
    let url = || target.url.clone();
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities));
    let setup = |source| EnrolError::Setup { url: url(), source };
    let endpoint = Endpoint::from_shared(url()).map_err(setup)?.tls_config(tls).map_err(setup)?;
    let endpoint = endpoint.connect_timeout(TIMEOUT).timeout(TIMEOUT);
    let channel = endpoint.connect().await.map_err(|source| {
        if is_of_lookup(&source) {
            EnrolError::Lookup { url: url(), source }
        } else {
            EnrolError::Connect { url: url(), source }
        }
    })?;
    let mut agent = AgentClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    Ok(agent.enrol(request).await.map_err(EnrolError::Refused)?.into_inner())
}

/// Whether the connection failed before there was an address. The library shows that by its words alone.
fn is_of_lookup(error: &tonic::transport::Error) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    iter::successors(Some(first), |error| error.source()).any(|error| {
        let text = error.to_string();
        text.starts_with("dns error") || text.starts_with("failed to lookup address")
    })
}

/// What an answer means. Its times count from the send instant, so they end early rather than late.
fn received(
    answer: EnrolResponse,
    key: &KeyPair,
    begun: BootInstant,
) -> Result<Credentials, EnrolError> {
    if answer.etcd_endpoints.is_empty() {
        return Err(EnrolError::NoEndpoint);
    }
    let cluster = Some(answer.etcd_cluster_id).filter(|id| !id.is_empty());
    let own_key = answer.shared_key.is_empty() && !answer.certificate_chain.is_empty();
    let valid_for = Duration::from_millis(answer.valid_for_ms);
    let renew_after = Duration::from_millis(answer.renew_after_ms);
    Ok(Credentials {
        endpoints: answer.etcd_endpoints,
        cluster: cluster.map(|id| id.parse()).transpose()?,
        authorities: answer.etcd_authorities,
        chain: answer.certificate_chain,
        key: if own_key { key.serialize_pem() } else { answer.shared_key },
        agent_authorities: answer.agent_authorities,
        renew_at: begun.after(spread(renew_after, JITTER)),
        ends_at: (!valid_for.is_zero()).then(|| begun.after(valid_for)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> EnrolResponse {
        EnrolResponse {
            etcd_endpoints: vec!["https://etcd:2379".to_owned()],
            etcd_authorities: "roots".to_owned(),
            certificate_chain: "chain".to_owned(),
            valid_for_ms: 90_000,
            renew_after_ms: 60_000,
            ..EnrolResponse::default()
        }
    }

    fn key() -> KeyPair {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
    }

    #[test]
    fn the_key_is_the_pods_own_unless_all_pods_share_one() {
        let key = key();
        let own = received(answer(), &key, BootInstant::default()).unwrap();
        assert_eq!(own.key, key.serialize_pem());
        let shared = EnrolResponse { shared_key: "shared".to_owned(), ..answer() };
        assert_eq!(received(shared, &key, BootInstant::default()).unwrap().key, "shared");
        let none = EnrolResponse { certificate_chain: String::new(), ..answer() };
        assert_eq!(received(none, &key, BootInstant::default()).unwrap().key, "");
    }

    #[test]
    fn a_certificate_is_renewed_at_the_time_that_the_agent_names_and_counts_from_the_request() {
        let begun = BootInstant::from_nanos(5);
        let credentials = received(answer(), &key(), begun).unwrap();
        let after = credentials.renew_at.since(begun);
        assert!(after >= Duration::from_secs(57) && after <= Duration::from_secs(63), "{after:?}");
        assert_eq!(credentials.valid_for(begun), Some(Duration::from_secs(90)));
        let without_end = EnrolResponse { valid_for_ms: 0, ..answer() };
        assert_eq!(received(without_end, &key(), begun).unwrap().ends_at, None);
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_looked_up_makes_one_think_of_a_mesh_that_captures_dns() {
        let dir = tempfile::tempdir().unwrap();
        let token_file = dir.path().join("token");
        std::fs::write(&token_file, "token").unwrap();
        let root = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
        let target = |url: &str| AgentTarget {
            url: url.to_owned(),
            authorities: root.cert.pem(),
            token_file: token_file.clone(),
            dir: dir.path().to_owned(),
        };
        let clock = cairn_kit::clock::SystemClock;
        let unknown = target("https://cairn-webhook.invalid:8443");
        let error = enrol(&unknown, None, &clock).await.unwrap_err();
        assert!(matches!(error, EnrolError::Lookup { .. }), "{error:?}");
        assert!(error.to_string().contains("native sidecar"), "{error}");
        let closed = target("https://127.0.0.1:1");
        let error = enrol(&closed, None, &clock).await.unwrap_err();
        assert!(matches!(error, EnrolError::Connect { .. }), "{error:?}");
    }

    #[test]
    fn an_answer_without_members_is_refused() {
        let empty = EnrolResponse::default();
        let error = received(empty, &key(), BootInstant::default()).unwrap_err();
        assert_eq!(error.to_string(), "Cairn's webhook knows no member of etcd");
    }

    #[test]
    fn the_cluster_is_the_one_that_the_answer_names_if_it_names_one() {
        let named = |id: &str| {
            let answer = EnrolResponse { etcd_cluster_id: id.to_owned(), ..answer() };
            received(answer, &key(), BootInstant::default()).map(|credentials| credentials.cluster)
        };
        assert_eq!(named("1f").unwrap().unwrap().to_string(), "1f");
        assert_eq!(named("").unwrap(), None);
        assert!(matches!(named("x"), Err(EnrolError::Cluster(_))));
    }

    #[test]
    fn the_request_names_nobody() {
        let request = request_for(&key()).unwrap();
        assert!(request.starts_with("-----BEGIN CERTIFICATE REQUEST-----"), "{request}");
    }
}
