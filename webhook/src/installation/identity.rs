//! The name of an installation: Kubernetes cluster, namespace and release.
//!
//! It is not random: an installation that is removed and installed again under the same names has the same identity,
//! and finds its claims.

use std::fmt;
use std::str::FromStr;

/// The identity of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The UID of the namespace `kube-system`.
    pub kubernetes: String,
    /// The namespace that Cairn runs in.
    pub namespace: String,
    /// The release, by the name of its Service.
    pub release: String,
}

/// Not three parts with slashes between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnIdentity;

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kubernetes, self.namespace, self.release)
    }
}

impl FromStr for Identity {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        match text.split('/').collect::<Vec<_>>().as_slice() {
            [kubernetes, namespace, release] => Ok(Self {
                kubernetes: (*kubernetes).to_owned(),
                namespace: (*namespace).to_owned(),
                release: (*release).to_owned(),
            }),
            _ => Err(NotAnIdentity),
        }
    }
}
