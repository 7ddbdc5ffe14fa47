//! The parameters of a connection, and the clients that are made from them.

use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};

use super::Etcd;
use super::clients::{Clients, Member};
use super::tls::{Tls, TlsPem};
use crate::cluster::ExpectedCluster;
use crate::error::Error;
use crate::prefix::KeyPrefix;

/// The interval of HTTP/2 pings. etcd's enforcement policy closes a connection that pings more often than every 5 s.
const PING_INTERVAL: Duration = Duration::from_secs(7);
/// A member that does not answer a ping within this is unreachable.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Where etcd is, and how to connect to it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// URLs of the members.
    pub endpoints: Vec<String>,
    /// Certificates; needed for `https` members.
    pub tls: Option<Tls>,
    /// The time limit of one attempt at one member, until
    /// [`Kv::set_time_limits`](crate::Kv::set_time_limits) changes it.
    pub request_timeout: Duration,
    /// The prefix of the keys.
    pub prefix: KeyPrefix,
    /// The cluster that is expected.
    pub cluster: ExpectedCluster,
    /// Tells this process from others with the same endpoints, such as the pod's UID. It chooses the home member, so
    /// that a restarted process has the same one. Random without it.
    pub home_of: Option<String>,
}

/// Makes clients: what stays the same when endpoints or certificates are replaced.
#[derive(Debug)]
pub(super) struct Connector {
    connect_timeout: Duration,
    home_of: Option<String>,
}

// === impl Connection ===

impl Connection {
    /// A connection to these members, with the defaults for everything else.
    pub fn new(endpoints: &[String]) -> Self {
        Self {
            endpoints: endpoints.to_vec(),
            tls: None,
            request_timeout: Etcd::DEFAULT_REQUEST_TIMEOUT,
            prefix: KeyPrefix::default(),
            cluster: ExpectedCluster::Any,
            home_of: None,
        }
    }

    pub(super) fn connector(&self) -> Connector {
        Connector { connect_timeout: self.request_timeout, home_of: self.home_of.clone() }
    }
}

// === impl Connector ===

impl Connector {
    /// One client for each member.
    pub(super) async fn clients(
        &self,
        endpoints: &[String],
        tls: Option<TlsPem>,
    ) -> Result<Clients, Error> {
        if endpoints.is_empty() {
            return Err(Error::NoEndpoint);
        }
        let options = tls.as_ref().map(TlsPem::options).transpose()?;
        let mut members = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
                return Err(Error::Endpoint { endpoint: endpoint.clone() });
            }
            let mut connect = ConnectOptions::new()
                .with_connect_timeout(self.connect_timeout)
                .with_keep_alive(PING_INTERVAL, PING_TIMEOUT)
                .with_keep_alive_while_idle(true)
                .with_require_leader(true);
            if let Some(options) = &options {
                connect = connect.with_tls(options.clone());
            }
            let client = Client::connect([endpoint], Some(connect)).await.map_err(|source| {
                Error::Connect { endpoint: endpoint.clone(), source: Box::new(source) }
            })?;
            members.push(Member { endpoint: endpoint.clone(), client });
        }
        Ok(Clients::new(members, tls, self.home(endpoints.len())))
    }

    /// The member to begin with, and to come back to. All pods have the same list of endpoints, and its first member
    /// must not serve them all.
    fn home(&self, members: usize) -> usize {
        let hash = match &self.home_of {
            Some(uid) => {
                let mut hasher = DefaultHasher::new();
                uid.hash(&mut hasher);
                hasher.finish()
            }
            None => RandomState::new().hash_one(members),
        };
        let members = u64::try_from(members.max(1)).unwrap_or(1);
        usize::try_from(hash % members).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_spread_over_the_members_and_a_restart_keeps_the_home_member() {
        let mut homes = [0; 3];
        for pod in 0..300 {
            let connection =
                Connection { home_of: Some(format!("uid-{pod}")), ..Connection::new(&[]) };
            assert_eq!(connection.connector().home(3), connection.clone().connector().home(3));
            homes[connection.connector().home(3)] += 1;
        }
        assert!(homes.iter().all(|count| (60..140).contains(count)), "{homes:?}");
    }
}
