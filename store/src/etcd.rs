//! [`Kv`] on a real etcd: one client per member, rotated here.
//!
//! The client library's own balancing sends every other request to a dead member for a while
//! (measured: 25 of 60 calls failed with one of two members dead), so each member has a client of
//! its own and a transient failure moves on to the next member.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{
    Client, ConnectOptions, LeaseClient, LeaseKeepAliveStream, LeaseKeeper, ResponseHeader,
};
use tokio::sync::Mutex;

use crate::error::Error;
use crate::kv::{Kv, Span, Txn, TxnReply};

mod classify;
mod convert;
mod membership;
mod origin;
mod reading;
mod tls;
mod watch;

pub use membership::{MemberEntry, MemberList, Membership};
use origin::Origin;
pub use tls::TlsFiles;
pub use watch::{Change, Watcher};

/// HTTP/2 pings: faster than 5 s and etcd's enforcement policy closes the connection.
const PING_INTERVAL: Duration = Duration::from_secs(7);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection to an etcd cluster. Cheap to make, and lazy: nothing is sent before the first call.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Member>,
    current: AtomicUsize,
    /// How long one attempt at one member may take, in milliseconds.
    patience: AtomicU64,
    origin: Origin,
    keeper: Mutex<Option<Keeper>>,
}

struct Member {
    endpoint: String,
    client: Client,
}

/// The one open keepalive stream. One request is outstanding at most, since replies carry nothing
/// that would tell them apart.
struct Keeper {
    lease: i64,
    member: usize,
    requests: LeaseKeeper,
    replies: LeaseKeepAliveStream,
}

// === impl Etcd ===

impl Etcd {
    /// How long one attempt may take by default: V/6 of the shipped pools.
    pub const PATIENCE: Duration = Duration::from_secs(5);

    /// However short V is: a member that is busy, or far away, still answers within this.
    const LEAST_PATIENCE: Duration = Duration::from_millis(300);

    /// Clients for all endpoints.
    pub async fn connect(
        endpoints: &[String],
        tls: Option<&TlsFiles>,
        patience: Duration,
    ) -> Result<Self, Error> {
        if endpoints.is_empty() {
            return Err(Error::NoEndpoint);
        }
        let tls = tls.map(TlsFiles::load).transpose()?;
        let mut members = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
                return Err(Error::Endpoint { endpoint: endpoint.clone() });
            }
            let mut options = ConnectOptions::new()
                .with_connect_timeout(patience)
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
        let etcd = Self {
            members,
            current: AtomicUsize::new(anywhere(endpoints.len())),
            patience: AtomicU64::new(0),
            origin: Origin::default(),
            keeper: Mutex::new(None),
        };
        etcd.set_patience(patience);
        Ok(etcd)
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed))
    }

    /// Refuses an answer of another cluster, and moves on from that member.
    fn check_origin(&self, index: usize, header: Option<&ResponseHeader>) -> Result<(), Error> {
        // A gateway that leaves headers out says nothing wrong.
        let Some(cluster) = header.map(ResponseHeader::cluster_id) else {
            return Ok(());
        };
        self.origin.check(index, self.members.len(), cluster).map_err(|stranger| {
            self.rotate(index);
            let endpoint = self.members.get(index).map(|member| member.endpoint.clone());
            Error::OtherCluster {
                endpoint: endpoint.unwrap_or_default(),
                known: stranger.known,
                found: stranger.found,
            }
        })
    }

    fn member(&self) -> Result<(usize, &Member), Error> {
        let index = self.current.load(Ordering::Relaxed) % self.members.len().max(1);
        self.members.get(index).map(|member| (index, member)).ok_or(Error::NoEndpoint)
    }

    /// Moves on from a member that did not answer well, unless somebody already has.
    fn rotate(&self, from: usize) {
        let next = (from + 1) % self.members.len().max(1);
        let _ = self.current.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    async fn call<T, F, Fut>(&self, operation: &'static str, request: F) -> Result<T, Error>
    where
        F: FnOnce(&Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        self.call_member(operation, request).await.map(|(_, answer)| answer)
    }

    /// The answer, and which member gave it.
    async fn call_member<T, F, Fut>(
        &self,
        operation: &'static str,
        request: F,
    ) -> Result<(usize, T), Error>
    where
        F: FnOnce(&Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        let (index, member) = self.member()?;
        let answer = self.bound(operation, member, request(&member.client)).await;
        if answer.as_ref().is_err_and(Error::is_transient) {
            self.rotate(index);
        }
        answer.map(|answer| (index, answer))
    }

    async fn bound<T>(
        &self,
        operation: &'static str,
        member: &Member,
        request: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, Error> {
        let endpoint = || member.endpoint.clone();
        let patience = self.patience();
        match tokio::time::timeout(patience, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(Error::Call {
                operation,
                endpoint: endpoint(),
                class: classify::class(&source),
                source: Box::new(source),
            }),
            Err(_) => Err(Error::Timeout { operation, endpoint: endpoint(), after: patience }),
        }
    }

    async fn renew_on_stream(
        &self,
        keeper: &mut Option<Keeper>,
        lease: i64,
    ) -> Result<Duration, Error> {
        const OPERATION: &str = "renewing the lease";
        let (index, member) = self.member()?;
        let reusable =
            keeper.as_ref().is_some_and(|open| open.lease == lease && open.member == index);
        // Taken out while in use: whatever goes wrong, a stream with an unread reply is dropped.
        let open = keeper.take().filter(|_| reusable);
        let renewing = async {
            let mut open = match open {
                Some(open) => open,
                None => open_stream(member.client.lease_client(), lease, index).await?,
            };
            open.requests.keep_alive().await?;
            let reply = open.replies.message().await?;
            Ok((open, reply))
        };
        match self.bound(OPERATION, member, renewing).await {
            Ok((open, Some(reply))) => {
                self.check_origin(index, reply.header())?;
                *keeper = Some(open);
                Ok(Duration::from_secs(u64::try_from(reply.ttl()).unwrap_or_default()))
            }
            Ok((_, None)) => {
                self.rotate(index);
                Err(Error::Malformed { operation: OPERATION })
            }
            Err(error) if error.is_lease_gone() => Ok(Duration::ZERO),
            Err(error) => {
                if error.is_transient() {
                    self.rotate(index);
                }
                Err(error)
            }
        }
    }
}

impl Kv for Etcd {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        let request = convert::txn(txn);
        let (member, answer) = self
            .call_member("a transaction", |client| {
                let mut kv = client.kv_client();
                async move { kv.txn(request).await }
            })
            .await?;
        self.check_origin(member, answer.header())?;
        convert::txn_reply(&answer).ok_or(Error::Malformed { operation: "a transaction" })
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let (member, answer) = self
            .call_member("granting a lease", |client| {
                let mut leases = client.lease_client();
                async move { leases.grant(seconds, None).await }
            })
            .await?;
        self.check_origin(member, answer.header())?;
        let granted = u64::try_from(answer.ttl()).unwrap_or_default();
        Ok((answer.id(), Duration::from_secs(granted)))
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        let mut keeper = self.keeper.lock().await;
        self.renew_on_stream(&mut keeper, lease).await
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.call("revoking a lease", |client| {
            let mut leases = client.lease_client();
            async move { leases.revoke(lease).await }
        })
        .await
        .map(|_| ())
    }

    fn set_patience(&self, patience: Duration) {
        let patience = patience.clamp(Self::LEAST_PATIENCE, Self::PATIENCE);
        let millis = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.patience.store(millis, Ordering::Relaxed);
    }

    async fn changed(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        self.wait_for_change(spans, from).await
    }
}

/// Where to begin. All pods have the same list, and its first member is not to serve them all.
fn anywhere(members: usize) -> usize {
    let random = RandomState::new().hash_one(members);
    usize::try_from(random % u64::try_from(members.max(1)).unwrap_or(1)).unwrap_or_default()
}

async fn open_stream(
    mut leases: LeaseClient,
    lease: i64,
    member: usize,
) -> Result<Keeper, etcd_client::Error> {
    let (requests, replies) = leases.keep_alive(lease).await?;
    Ok(Keeper { lease, member, requests, replies })
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.endpoint)
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "keeper of {:x} at member {}", self.lease, self.member)
    }
}
