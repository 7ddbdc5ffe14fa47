//! What a connection needs to know, and the clients that come of it.

use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};

use super::{Etcd, TlsFiles};
use crate::cluster::ExpectedCluster;
use crate::error::Error;
use crate::prefix::KeyPrefix;

/// HTTP/2 pings: faster than 5 s and etcd's enforcement policy closes the connection.
const PING_INTERVAL: Duration = Duration::from_secs(7);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Where etcd is and how it is to be talked to.
#[derive(Clone, Debug)]
pub struct Connection {
    /// URLs of the members.
    pub endpoints: Vec<String>,
    /// Files for TLS; needed for `https` members.
    pub tls: Option<TlsFiles>,
    /// How long one attempt at one member may take at first.
    pub patience: Duration,
    /// Where the keys are.
    pub prefix: KeyPrefix,
    /// Which cluster it is.
    pub cluster: ExpectedCluster,
    /// What tells this process from others with the same list, such as the pod's UID. It chooses the
    /// home member, so that a restarted process has the same one. Random without it.
    pub home_of: Option<String>,
}

pub(super) struct Member {
    pub(super) endpoint: String,
    pub(super) client: Client,
}

// === impl Connection ===

impl Connection {
    /// A connection to these members, with the defaults for everything else.
    pub fn new(endpoints: &[String]) -> Self {
        Self {
            endpoints: endpoints.to_vec(),
            tls: None,
            patience: Etcd::PATIENCE,
            prefix: KeyPrefix::default(),
            cluster: ExpectedCluster::Any,
            home_of: None,
        }
    }

    /// One client for each member.
    pub(super) async fn members(&self) -> Result<Vec<Member>, Error> {
        if self.endpoints.is_empty() {
            return Err(Error::NoEndpoint);
        }
        let tls = self.tls.as_ref().map(TlsFiles::load).transpose()?;
        let mut members = Vec::with_capacity(self.endpoints.len());
        for endpoint in &self.endpoints {
            if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
                return Err(Error::Endpoint { endpoint: endpoint.clone() });
            }
            let mut options = ConnectOptions::new()
                .with_connect_timeout(self.patience)
                .with_keep_alive(PING_INTERVAL, PING_TIMEOUT)
                .with_keep_alive_while_idle(true)
                .with_require_leader(true);
            if let Some(tls) = &tls {
                options = options.with_tls(tls.clone());
            }
            let client = Client::connect([endpoint], Some(options)).await.map_err(|source| {
                Error::Connect { endpoint: endpoint.clone(), source: Box::new(source) }
            })?;
            members.push(Member { endpoint: endpoint.clone(), client });
        }
        Ok(members)
    }

    /// The member to begin with, and to come back to. All pods have the same list, and its first
    /// member is not to serve them all.
    pub(super) fn home(&self) -> usize {
        let hash = match &self.home_of {
            Some(uid) => {
                let mut hasher = DefaultHasher::new();
                uid.hash(&mut hasher);
                hasher.finish()
            }
            None => RandomState::new().hash_one(self.endpoints.len()),
        };
        let members = u64::try_from(self.endpoints.len().max(1)).unwrap_or(1);
        usize::try_from(hash % members).unwrap_or_default()
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_spread_over_the_members_and_keep_theirs_over_a_restart() {
        let endpoints: Vec<String> = (1..=3).map(|n| format!("http://127.0.0.{n}:2379")).collect();
        let mut homes = [0; 3];
        for pod in 0..300 {
            let connection =
                Connection { home_of: Some(format!("uid-{pod}")), ..Connection::new(&endpoints) };
            assert_eq!(connection.home(), connection.clone().home());
            homes[connection.home()] += 1;
        }
        assert!(homes.iter().all(|count| (60..140).contains(count)), "{homes:?}");
    }
}
