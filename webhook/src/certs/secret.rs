//! The Secret that the replicas share: the authority that signs, and the bundle that verifies.
//!
//! The two entries allow to replace an authority in steps: a new one is first added to the bundle, then signs, and the
//! old one leaves the bundle last. Invariant: the Secret is written by compare-and-swap only, so all replicas end up
//! with one authority.

use std::collections::BTreeMap;

use cairn_core::time::UnixMillis;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, PostParams};
use thiserror::Error;
use tracing::info;

use super::mint::{self, Authority, MintError};

/// The certificates that verify leaves, PEM, the signing one first.
const BUNDLE: &str = "bundle.crt";
/// The signing authority's certificate.
const CERTIFICATE: &str = "ca.crt";
/// The signing authority's key.
const KEY: &str = "ca.key";

/// Attempts with a lost compare: each means that another replica has written.
const ATTEMPTS: usize = 8;

/// What the Secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Signs leaves.
    pub authority: Authority,
    /// Verifies leaves; what goes into `caBundle`.
    pub bundle: String,
}

/// What failed.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Reading.
    #[error("could not read the Secret {name}")]
    Read {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// Writing.
    #[error("could not write the Secret {name}")]
    Write {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// Making an authority.
    #[error("could not make an authority")]
    Mint(#[from] MintError),
    /// Every compare was lost.
    #[error("could not write the Secret {0}, because others kept changing it")]
    Contended(String),
}

/// Reads the Secret, and makes or repairs it when there is none that can be used. `known` is what
/// this replica used so far: its authority stays in the bundle of a new one, because leaves that it
/// signed are still being served.
pub async fn load_or_create(
    client: &Client,
    namespace: &str,
    name: &str,
    known: Option<&Trust>,
    now: UnixMillis,
) -> Result<Trust, SecretError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    for _ in 0..ATTEMPTS {
        let found = secrets
            .get_opt(name)
            .await
            .map_err(|source| SecretError::Read { name: name.to_owned(), source })?;
        let trust = found.as_ref().and_then(Trust::read);
        if let Some(trust) = &trust
            && mint::is_usable(&trust.authority, now)
        {
            return Ok(trust.clone());
        }
        let older = trust.as_ref().or(known);
        let fresh = Trust::fresh(older, now)?;
        let written = match found {
            None => secrets.create(&PostParams::default(), &fresh.secret(namespace, name)).await,
            Some(mut secret) => {
                // The resource version is the compare.
                secret.data = fresh.secret(namespace, name).data;
                secrets.replace(name, &PostParams::default(), &secret).await
            }
        };
        match written {
            Ok(_) => {
                info!(secret = name, "made a new authority");
                return Ok(fresh);
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(source) => return Err(SecretError::Write { name: name.to_owned(), source }),
        }
    }
    Err(SecretError::Contended(name.to_owned()))
}

// === impl Trust ===

impl Trust {
    /// A new authority, with the certificates of the older one still in the bundle.
    fn fresh(older: Option<&Self>, now: UnixMillis) -> Result<Self, MintError> {
        let authority = mint::authority(now)?;
        let mut bundle = authority.certificate.clone();
        for certificate in older.iter().flat_map(|older| certificates(&older.bundle)) {
            if mint::is_alive(&certificate, now) {
                bundle.push_str(&certificate);
            }
        }
        Ok(Self { authority, bundle })
    }

    fn read(secret: &Secret) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
        let authority = Authority { certificate: text(CERTIFICATE)?, key: text(KEY)? };
        let bundle = text(BUNDLE).filter(|bundle| bundle.contains(authority.certificate.trim()));
        // With a bundle that does not verify our leaves, the API server could call no replica.
        let bundle = bundle.unwrap_or_else(|| authority.certificate.clone());
        Some(Self { authority, bundle })
    }

    fn secret(&self, namespace: &str, name: &str) -> Secret {
        let data = [
            (BUNDLE, &self.bundle),
            (CERTIFICATE, &self.authority.certificate),
            (KEY, &self.authority.key),
        ];
        let data = data.map(|(key, text)| (key.to_owned(), ByteString(text.clone().into_bytes())));
        Secret {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(BTreeMap::from(data)),
            ..Secret::default()
        }
    }
}

/// The certificates of a bundle, each as PEM of its own.
fn certificates(bundle: &str) -> impl Iterator<Item = String> {
    const END: &str = "-----END CERTIFICATE-----";
    bundle
        .split_inclusive(END)
        .filter(|part| part.ends_with(END))
        .map(|part| format!("{}\n", part.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

    #[test]
    fn a_secret_is_read_back_as_it_was_written() {
        let trust = Trust::fresh(None, NOW).unwrap();
        assert_eq!(Trust::read(&trust.secret("cairn", "ca")), Some(trust));
        assert_eq!(Trust::read(&Secret::default()), None);
    }

    #[test]
    fn a_new_authority_is_trusted_beside_the_old_one_until_that_ends() {
        let old = Trust::fresh(None, NOW).unwrap();
        let new = Trust::fresh(Some(&old), NOW).unwrap();
        let both: Vec<_> = certificates(&new.bundle).collect();
        assert_eq!(both, [new.authority.certificate.clone(), old.authority.certificate.clone()]);
        let eleven_years = std::time::Duration::from_secs(11 * 365 * 24 * 3600);
        let newest = Trust::fresh(Some(&new), NOW.after(eleven_years)).unwrap();
        assert_eq!(certificates(&newest.bundle).count(), 1);
    }

    #[test]
    fn a_bundle_that_does_not_verify_our_own_leaf_is_replaced() {
        let trust = Trust::fresh(None, NOW).unwrap();
        let other = Trust::fresh(None, NOW).unwrap();
        let mixed = Trust { bundle: other.bundle, ..trust.clone() };
        assert_eq!(Trust::read(&mixed.secret("cairn", "ca")), Some(trust));
    }
}
