//! Where etcd is: URLs and TLS files that fit together.

use std::path::PathBuf;

use axum::http::Uri;
use cairn_store::{ClusterId, KeyPrefix};

use super::ConfigError;

/// Where etcd is, and how to prove it and ourselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Etcd {
    /// URLs of the members, all `http` or all `https`; never empty.
    pub endpoints: Vec<String>,
    /// Files for TLS; present exactly when the members are `https`.
    pub tls: Option<TlsFiles>,
    /// The one cluster to talk to.
    pub cluster: Option<ClusterId>,
    /// The prefix of all keys.
    pub prefix: KeyPrefix,
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The CA that signed etcd's certificates.
    pub ca: PathBuf,
    /// Our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

// === impl Etcd ===

impl Etcd {
    /// Checks what was written against each other.
    pub(super) fn new(
        endpoints: Option<&str>,
        ca: Option<PathBuf>,
        cert: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<Self, ConfigError> {
        let text = endpoints.unwrap_or_default().trim();
        if text.is_empty() {
            return Err(ConfigError::NoEtcd);
        }
        let mut endpoints = Vec::new();
        let mut secure = Vec::new();
        for url in text.split(',').map(str::trim) {
            secure.push(is_https(url).ok_or_else(|| ConfigError::Endpoint(url.to_owned()))?);
            endpoints.push(url.trim_end_matches('/').to_owned());
        }
        let https = secure.contains(&true);
        if https && secure.contains(&false) {
            return Err(ConfigError::MixedSchemes);
        }
        let client = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(ConfigError::HalfKeyPair {
                    given: "--etcd-cert",
                    missing: "--etcd-key",
                });
            }
            (None, Some(_)) => {
                return Err(ConfigError::HalfKeyPair {
                    given: "--etcd-key",
                    missing: "--etcd-cert",
                });
            }
        };
        let tls = match (https, ca) {
            (true, Some(ca)) => Some(TlsFiles { ca, client }),
            (true, None) => return Err(ConfigError::NoCa),
            (false, Some(_)) => return Err(ConfigError::TlsWithoutHttps("--etcd-cacert")),
            (false, None) if client.is_some() => {
                return Err(ConfigError::TlsWithoutHttps("--etcd-cert"));
            }
            (false, None) => None,
        };
        Ok(Self { endpoints, tls, ..Self::default() })
    }

    /// The same in a certain cluster and below a certain prefix; an empty text is as good as none.
    pub(super) fn within(
        self,
        cluster: Option<&str>,
        prefix: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let cluster = given(cluster).map(str::parse).transpose().map_err(ConfigError::Cluster)?;
        let prefix = given(prefix).map(str::parse).transpose().map_err(ConfigError::KeyPrefix)?;
        Ok(Self { cluster, prefix: prefix.unwrap_or_default(), ..self })
    }
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// Whether a URL of a member is https; `None` when it is no such URL.
fn is_https(url: &str) -> Option<bool> {
    let uri: Uri = url.parse().ok()?;
    let https = match uri.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = uri.authority()?;
    let plain = !authority.as_str().contains('@') && uri.path() == "/" && uri.query().is_none();
    (plain && !authority.host().is_empty() && authority.port_u16()? != 0).then_some(https)
}
