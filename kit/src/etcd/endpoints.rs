//! The URLs of etcd's members.

use std::collections::BTreeSet;
use std::fmt;

use http::Uri;
use thiserror::Error;

/// URLs of the members of one etcd, all `http` or all `https`, each with its port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    urls: Vec<String>,
    ports: BTreeSet<u16>,
    secure: bool,
}

/// Why a list of members was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EndpointsError {
    /// There is none.
    #[error("{flag} is missing; give the URLs of etcd, like {flag} http://127.0.0.1:2379")]
    Missing {
        /// Which flag.
        flag: &'static str,
    },
    /// Not the URL of a member.
    #[error("{flag} '{found}' is not a URL with a port; write it like http://127.0.0.1:2379")]
    NotUrl {
        /// Which flag.
        flag: &'static str,
        /// As written.
        found: String,
    },
    /// http and https together.
    #[error("{flag} mixes http:// and https://; use one of them for every member")]
    MixedSchemes {
        /// Which flag.
        flag: &'static str,
    },
}

/// What a URL of a member says.
struct Member {
    secure: bool,
    port: u16,
}

// === impl Endpoints ===

impl Endpoints {
    /// Reads the comma-separated URLs of `flag`.
    pub fn parse(flag: &'static str, text: &str) -> Result<Self, EndpointsError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EndpointsError::Missing { flag });
        }
        let mut endpoints = Self::default();
        let mut plain = false;
        for url in text.split(',').map(str::trim) {
            let member = Member::parse(url)
                .ok_or_else(|| EndpointsError::NotUrl { flag, found: url.to_owned() })?;
            endpoints.secure |= member.secure;
            plain |= !member.secure;
            endpoints.ports.insert(member.port);
            endpoints.urls.push(url.trim_end_matches('/').to_owned());
        }
        if endpoints.secure && plain {
            return Err(EndpointsError::MixedSchemes { flag });
        }
        Ok(endpoints)
    }

    /// The URLs, in the order in which they were written.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The ports of all members.
    pub fn ports(&self) -> &BTreeSet<u16> {
        &self.ports
    }

    /// Whether the members are `https`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

/// As [`Endpoints::parse`] reads it.
impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.urls.join(","))
    }
}

/// The port of an `https` URL that has one, and neither user, path nor query.
pub fn https_port(url: &str) -> Option<u16> {
    Member::parse(url).filter(|member| member.secure).map(|member| member.port)
}

// === impl Member ===

impl Member {
    /// A member's URL has a port, and neither user, path nor query: etcd's client would ignore them.
    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let secure = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        let port = authority.port_u16().filter(|port| *port > 0)?;
        let bare = !authority.as_str().contains('@') && uri.path() == "/" && uri.query().is_none();
        (bare && !authority.host().is_empty()).then_some(Self { secure, port })
    }
}
