//! [`Kv`] on a real etcd: one client per member, and a rotation among them.
//!
//! The balancing of the client library sends every other request to a dead member for a while (measured: 25 of 60
//! calls failed with one of two members dead). So each member has a client of its own, and a transient failure moves
//! on to the next member.
//!
//! Invariant: no answer is returned before its cluster id was checked, and no key before its prefix was mapped back.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::time_limits::TimeLimits;
use etcd_client::LeaseGrantOptions;
use tokio::sync::{Mutex, Notify, watch as channel};

use crate::cluster::ClusterId;
use crate::error::Error;
pub use crate::kv::Change;
use crate::kv::{Deltas, Follow, Kv, Span, Txn, TxnReply};
use crate::prefix::KeyPrefix;

mod access;
mod classify;
mod clients;
mod cluster_id_check;
mod connection;
mod convert;
mod follow;
mod health;
mod home;
mod jitter;
mod keep_alive;
mod lease_id;
mod limits;
mod membership;
mod reading;
mod replacing;
mod requests;
mod tls;
mod watch;

use clients::Clients;
use cluster_id_check::ClusterIdCheck;
pub use connection::Connection;
use connection::Connector;
pub use health::{Alarm, ClusterHealth, EndpointHealth, MemberAlarm, MemberStatus};
use keep_alive::KeepAliveStreams;
use limits::Limits;
pub use membership::{MemberEntry, MemberList, Membership};
use requests::kv_client;
pub use tls::{ClientPem, Tls, TlsFiles, TlsPem};
pub use watch::Watcher;

/// A claim reads the keys of all slots, quarantines and notes of a pool in one answer: at most about 300 bytes for each
/// of 8,192 names. That is near gRPC's default limit of 4 MiB. This is several times as much.
const MAX_MESSAGE: usize = 32 << 20;

/// A connection to an etcd cluster. Cheap to make, and lazy: nothing is sent before the first call.
#[derive(Debug)]
pub struct Etcd {
    /// The present clients. Watches are told of their replacement.
    clients: channel::Sender<Arc<Clients>>,
    connector: Connector,
    /// The files that the certificates come from.
    tls_files: Option<TlsFiles>,
    left_home: Notify,
    limits: Limits,
    prefix: KeyPrefix,
    cluster: ClusterIdCheck,
    keep_alive_streams: KeepAliveStreams,
    /// Held while users and roles are being changed.
    access: Mutex<()>,
    /// Why there are no members yet.
    absence: channel::Sender<String>,
    /// etcd has refused our certificate, or what it should allow, or we have refused its certificate.
    refused: Notify,
}

// === impl Etcd ===

impl Etcd {
    /// The default time limit of one attempt: a sixth of the validity of the shipped pools.
    pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

    /// A large answer may take so many times as long: it has up to 2 MB, and all members of a group may ask for it
    /// together. No deadline rests on it.
    const LARGE: u32 = 3;

    /// A connection with defaults: the default key prefix, and the cluster that answers first.
    pub async fn connect(
        endpoints: &[String],
        tls: Option<&Tls>,
        request_timeout: Duration,
    ) -> Result<Self, Error> {
        let connection = Connection::new(endpoints);
        Self::open(&Connection { tls: tls.cloned(), request_timeout, ..connection }).await
    }

    /// Clients for all endpoints.
    pub async fn open(connection: &Connection) -> Result<Self, Error> {
        let tls = connection.tls.as_ref().map(Tls::load).transpose()?;
        let clients = connection.connector().clients(&connection.endpoints, tls).await?;
        Ok(Self::with_clients(connection, clients))
    }

    /// A connection without members, until [`Etcd::replace`] is given some. Until then requests wait for them, for as
    /// long as one attempt may take.
    pub fn without_members(connection: &Connection) -> Self {
        Self::with_clients(connection, Clients::none())
    }

    fn with_clients(connection: &Connection, clients: Clients) -> Self {
        Self {
            clients: channel::Sender::new(Arc::new(clients)),
            connector: connection.connector(),
            tls_files: connection.tls.as_ref().and_then(Tls::files).cloned(),
            left_home: Notify::new(),
            limits: Limits::new(connection.request_timeout),
            prefix: connection.prefix.clone(),
            cluster: ClusterIdCheck::new(connection.cluster),
            keep_alive_streams: KeepAliveStreams::default(),
            access: Mutex::new(()),
            absence: channel::Sender::new("its members are not known".to_owned()),
            refused: Notify::new(),
        }
    }

    /// Says why there are no members yet, for the errors of requests that have waited for them.
    pub fn explain_absence(&self, reason: String) {
        self.absence.send_replace(reason);
    }

    /// Waits until etcd refuses our certificate's user, or what it should be allowed, or until a handshake fails
    /// because one side does not accept the other's certificate.
    pub async fn access_refused(&self) {
        self.refused.notified().await;
    }

    /// The id of the known cluster, now and after each change; `None` before the first answer.
    pub fn cluster_ids(&self) -> channel::Receiver<Option<ClusterId>> {
        self.cluster.subscribe()
    }

    /// Expects the cluster that the webhook names, unless another one is known already. Answers the known one. From
    /// then on no other one is accepted, unless an administrator has recorded it as the successor.
    pub fn expect_cluster(&self, named: ClusterId) -> ClusterId {
        self.cluster.expect(named)
    }

    /// The prefix of the keys.
    pub fn key_prefix(&self) -> &KeyPrefix {
        &self.prefix
    }

    /// The member that serves the next request.
    pub fn member_url(&self) -> String {
        self.clients()
            .choose()
            .map_or_else(|_| String::new(), |member| member.endpoint().to_owned())
    }

    async fn transact(&self, txn: Txn, times: u32) -> Result<TxnReply, Error> {
        let request = convert::txn(self.prefix.outer_txn(txn));
        let (member, answer) = self
            .call_within(times, "a transaction", |client| {
                let (mut kv, request) = (kv_client(client), request.clone());
                async move { kv.txn(request).await }
            })
            .await?;
        self.check_cluster(&member, answer.header()).await?;
        let reply =
            convert::txn_reply(&answer).ok_or(Error::Malformed { operation: "a transaction" })?;
        Ok(self.prefix.inner_reply(reply))
    }

    fn clients(&self) -> Arc<Clients> {
        Arc::clone(&self.clients.borrow())
    }
}

impl Kv for Etcd {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        self.transact(txn, 1).await
    }

    async fn large_txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        self.transact(txn, Self::LARGE).await
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let options = LeaseGrantOptions::new().with_id(lease_id::random());
        let (member, answer) = self
            .call("granting a lease", |client| {
                let (mut leases, options) = (client.lease_client(), options.clone());
                async move { leases.grant(seconds, Some(options)).await }
            })
            .await?;
        self.check_cluster(&member, answer.header()).await?;
        let granted = u64::try_from(answer.ttl()).unwrap_or_default();
        Ok((answer.id(), Duration::from_secs(granted)))
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        self.renew_on_stream(lease).await
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        let (member, answer) = self
            .call("revoking a lease", |client| {
                let mut leases = client.lease_client();
                async move { leases.revoke(lease).await }
            })
            .await?;
        self.check_cluster(&member, answer.header()).await
    }

    async fn time_to_live(&self, lease: i64) -> Result<Option<Duration>, Error> {
        self.lease_time_to_live(lease).await
    }

    fn set_time_limits(&self, limits: TimeLimits) {
        self.limits.set(limits);
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

    async fn follow(&self, follow: Follow, deltas: Deltas) -> Error {
        self.follow_spans(follow, &deltas).await
    }
}
