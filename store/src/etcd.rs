//! [`Kv`] on a real etcd: one client per member, and a rotation among them.
//!
//! The balancing of the client library sends every other request to a dead member for a while (measured: 25 of 60
//! calls failed with one of two members dead). So each member has a client of its own, and a transient failure moves
//! on to the next member.
//!
//! Invariant: no answer is returned before its cluster id was checked, and no key before its prefix was mapped back.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use cairn_core::keys;
use etcd_client::{Client, KvClient, ResponseHeader};
use tokio::sync::{Mutex, Notify, watch as channel};
use tokio::time::Instant;

use crate::cluster::ClusterId;
use crate::error::Error;
use crate::kv::{Kv, Span, Txn, TxnReply};
use crate::prefix::KeyPrefix;
use crate::records::Installation;

mod classify;
mod cluster_id_check;
mod connection;
mod convert;
mod home;
mod keep_alive;
mod membership;
mod reading;
mod tls;
mod watch;

use cluster_id_check::ClusterIdCheck;
pub use connection::Connection;
use connection::Member;
use keep_alive::KeepAliveStream;
pub use membership::{MemberEntry, MemberList, Membership};
pub use tls::TlsFiles;
pub use watch::{Change, Watcher};

/// A claim reads the keys of all slots, quarantines and notes of a pool in one answer: at most about 300 bytes for each
/// of 8,192 names. That is near gRPC's default limit of 4 MiB. This is several times as much.
const MAX_MESSAGE: usize = 32 << 20;

/// A connection to an etcd cluster. Cheap to make, and lazy: nothing is sent before the first call.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Member>,
    home: usize,
    current: AtomicUsize,
    left_home: Notify,
    /// The time limit of one attempt at one member, in milliseconds.
    request_timeout: AtomicU64,
    prefix: KeyPrefix,
    cluster: ClusterIdCheck,
    keep_alive_stream: Mutex<Option<KeepAliveStream>>,
}

// === impl Etcd ===

impl Etcd {
    /// The default time limit of one attempt: a sixth of the validity of the shipped pools.
    pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

    /// The lower limit, for pools with a very short validity: a member that is busy or far away answers within this.
    const MIN_REQUEST_TIMEOUT: Duration = Duration::from_millis(300);

    /// A connection with defaults: the default key prefix, and the cluster that answers first.
    pub async fn connect(
        endpoints: &[String],
        tls: Option<&TlsFiles>,
        request_timeout: Duration,
    ) -> Result<Self, Error> {
        let connection = Connection::new(endpoints);
        Self::open(&Connection { tls: tls.cloned(), request_timeout, ..connection }).await
    }

    /// Clients for all endpoints.
    pub async fn open(connection: &Connection) -> Result<Self, Error> {
        let home = connection.home();
        let etcd = Self {
            members: connection.members().await?,
            home,
            current: AtomicUsize::new(home),
            left_home: Notify::new(),
            request_timeout: AtomicU64::new(0),
            prefix: connection.prefix.clone(),
            cluster: ClusterIdCheck::new(connection.cluster),
            keep_alive_stream: Mutex::new(None),
        };
        etcd.set_request_timeout(connection.request_timeout);
        Ok(etcd)
    }

    /// The id of the known cluster, now and after each change; `None` before the first answer.
    pub fn cluster_ids(&self) -> channel::Receiver<Option<ClusterId>> {
        self.cluster.subscribe()
    }

    /// The member that serves the next request.
    pub fn member_url(&self) -> &str {
        self.member().map_or("", |(_, member)| &member.endpoint)
    }

    fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout.load(Ordering::Relaxed))
    }

    /// Refuses an answer of another cluster, and moves on to the next member.
    async fn check_cluster(
        &self,
        index: usize,
        header: Option<&ResponseHeader>,
    ) -> Result<(), Error> {
        // A gateway may leave headers out. Then there is nothing to check.
        let Some(found) = cluster_of(header) else {
            return Ok(());
        };
        let Err(mismatch) = self.cluster.check(Instant::now(), found) else {
            return Ok(());
        };
        let member = self.members.get(index);
        if let Some(member) = member
            && self.is_successor(member, mismatch.known, found).await
        {
            self.cluster.accept(found);
        }
        self.rotate(index);
        Err(Error::OtherCluster {
            endpoint: member.map(|member| member.endpoint.clone()).unwrap_or_default(),
            known: mismatch.known,
            found,
            accepted_after: mismatch.accepted_after,
        })
    }

    /// Whether an administrator has recorded a member's cluster as the successor of the known one.
    async fn is_successor(&self, member: &Member, known: ClusterId, found: ClusterId) -> bool {
        let key = self.prefix.outer(keys::INSTALLATION).into_owned();
        let reading = async { kv_client(&member.client).get(key, None).await };
        let Ok(answer) = self.with_timeout("reading the installation", member, reading).await
        else {
            return false;
        };
        cluster_of(answer.header()) == Some(found)
            && answer.kvs().first().is_some_and(|record| {
                Installation::parse(record.value())
                    .is_ok_and(|record| record.succeeds(known, found))
            })
    }

    /// Checks the cluster of a member whose error has no header. "Lease not found" is a fact about that member's
    /// cluster only.
    async fn confirm(&self, index: usize, error: Error) -> Error {
        let Some(member) = self.members.get(index).filter(|_| error.is_lease_gone()) else {
            return error;
        };
        let key = self.prefix.outer(keys::EPOCH).into_owned();
        let reading = async { kv_client(&member.client).get(key, None).await };
        match self.with_timeout("checking the cluster", member, reading).await {
            Ok(answer) => self.check_cluster(index, answer.header()).await.err().unwrap_or(error),
            Err(unknown) => unknown,
        }
    }

    fn member(&self) -> Result<(usize, &Member), Error> {
        let index = self.current.load(Ordering::Relaxed) % self.members.len().max(1);
        self.members.get(index).map(|member| (index, member)).ok_or(Error::NoEndpoint)
    }

    /// Moves on from a member that failed, unless another task has done so.
    fn rotate(&self, from: usize) {
        let next = (from + 1) % self.members.len().max(1);
        let _ = self.current.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed);
        if !self.is_at_home() {
            self.left_home.notify_one();
        }
    }

    fn is_at_home(&self) -> bool {
        self.current.load(Ordering::Relaxed) == self.home
    }

    fn go_home(&self) {
        self.current.store(self.home, Ordering::Relaxed);
    }

    /// Sends a request to the current member. Returns its index with the answer.
    async fn call<T, F, Fut>(
        &self,
        operation: &'static str,
        request: F,
    ) -> Result<(usize, T), Error>
    where
        F: FnOnce(&Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        let (index, member) = self.member()?;
        match self.with_timeout(operation, member, request(&member.client)).await {
            Ok(answer) => Ok((index, answer)),
            Err(error) => {
                if error.is_transient() {
                    self.rotate(index);
                }
                Err(self.confirm(index, error).await)
            }
        }
    }

    async fn with_timeout<T>(
        &self,
        operation: &'static str,
        member: &Member,
        request: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, Error> {
        let endpoint = || member.endpoint.clone();
        let timeout = self.request_timeout();
        match tokio::time::timeout(timeout, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(Error::Call {
                operation,
                endpoint: endpoint(),
                class: classify::class(&source),
                source: Box::new(source),
            }),
            Err(_) => Err(Error::Timeout { operation, endpoint: endpoint(), after: timeout }),
        }
    }
}

impl Kv for Etcd {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        let request = convert::txn(self.prefix.outer_txn(txn));
        let (member, answer) = self
            .call("a transaction", |client| {
                let mut kv = kv_client(client);
                async move { kv.txn(request).await }
            })
            .await?;
        self.check_cluster(member, answer.header()).await?;
        let reply =
            convert::txn_reply(&answer).ok_or(Error::Malformed { operation: "a transaction" })?;
        Ok(self.prefix.inner_reply(reply))
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let (member, answer) = self
            .call("granting a lease", |client| {
                let mut leases = client.lease_client();
                async move { leases.grant(seconds, None).await }
            })
            .await?;
        self.check_cluster(member, answer.header()).await?;
        let granted = u64::try_from(answer.ttl()).unwrap_or_default();
        Ok((answer.id(), Duration::from_secs(granted)))
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        let mut stream = self.keep_alive_stream.lock().await;
        self.renew_on_stream(&mut stream, lease).await
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        let (member, answer) = self
            .call("revoking a lease", |client| {
                let mut leases = client.lease_client();
                async move { leases.revoke(lease).await }
            })
            .await?;
        self.check_cluster(member, answer.header()).await
    }

    async fn time_to_live(&self, lease: i64) -> Result<Option<Duration>, Error> {
        self.lease_time_to_live(lease).await
    }

    fn set_request_timeout(&self, timeout: Duration) {
        let timeout = timeout.clamp(Self::MIN_REQUEST_TIMEOUT, Self::DEFAULT_REQUEST_TIMEOUT);
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.request_timeout.store(millis, Ordering::Relaxed);
    }

    fn set_longest_lease(&self, ttl: Duration) {
        self.cluster.set_silence(ttl);
    }

    fn cluster_id(&self) -> Option<ClusterId> {
        self.cluster.known()
    }

    async fn changed(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        self.wait_for_change(spans, from).await
    }
}

/// The cluster that sent an answer.
fn cluster_of(header: Option<&ResponseHeader>) -> Option<ClusterId> {
    let id = header.map(ResponseHeader::cluster_id)?;
    (id != 0).then_some(ClusterId::new(id))
}

fn kv_client(client: &Client) -> KvClient {
    client.kv_client().max_decoding_message_size(MAX_MESSAGE)
}
