//! The membership of an etcd cluster, by requests to one member: list, add, remove, promote.
//!
//! Changes go through Raft, so that a member without a majority cannot make any. The list does not go through Raft and
//! may be old. etcd itself refuses a change that an old list suggests. Not for: the decision what to change.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions, MemberAddOptions, ResponseHeader};

use super::classify;
use super::tls::TlsPem;
use crate::error::Error;

/// One member's view of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberList {
    /// The cluster's id.
    pub cluster: u64,
    /// Its members, in etcd's order.
    pub members: Vec<MemberEntry>,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberEntry {
    /// The member's id.
    pub id: u64,
    /// The member's name; empty until it has started for the first time.
    pub name: String,
    /// The URLs at which other members reach it.
    pub peer_urls: Vec<String>,
    /// Whether it is a learner: it has no vote and serves no clients.
    pub learner: bool,
}

/// A connection to one member.
pub struct Membership {
    endpoint: String,
    client: Client,
    request_timeout: Duration,
}

// === impl Membership ===

impl Membership {
    /// A client of the `http` member at this URL. Nothing is sent before the first call.
    pub async fn connect(endpoint: &str, request_timeout: Duration) -> Result<Self, Error> {
        Self::connect_with(endpoint, None, request_timeout).await
    }

    /// The same with certificates, for an `https` member.
    pub async fn connect_with(
        endpoint: &str,
        tls: Option<&TlsPem>,
        request_timeout: Duration,
    ) -> Result<Self, Error> {
        let mut options = ConnectOptions::new().with_connect_timeout(request_timeout);
        if let Some(tls) = tls {
            options = options.with_tls(tls.options()?);
        }
        let client = Client::connect([endpoint], Some(options)).await.map_err(|source| {
            Error::Connect { endpoint: endpoint.to_owned(), source: Box::new(source) }
        })?;
        Ok(Self { endpoint: endpoint.to_owned(), client, request_timeout })
    }

    /// The members as this one knows them. A learner refuses the request.
    pub async fn list(&self) -> Result<MemberList, Error> {
        const OPERATION: &str = "listing the members";
        let mut client = self.client.cluster_client();
        let answer = self.call(OPERATION, client.member_list()).await?;
        let cluster = answer.header().map(ResponseHeader::cluster_id);
        let members = answer.members().iter().map(MemberEntry::from).collect();
        let cluster = cluster.ok_or(Error::Malformed { operation: OPERATION })?;
        Ok(MemberList { cluster, members })
    }

    /// Adds a learner. Returns its id, and all members after the change.
    pub async fn add_learner(&self, peer_url: &str) -> Result<(u64, Vec<MemberEntry>), Error> {
        const OPERATION: &str = "adding a member";
        let mut client = self.client.cluster_client();
        let options = MemberAddOptions::new().with_is_learner();
        let adding = client.member_add([peer_url.to_owned()], Some(options));
        let answer = self.call(OPERATION, adding).await?;
        let added = answer.member().ok_or(Error::Malformed { operation: OPERATION })?;
        Ok((added.id(), answer.member_list().iter().map(MemberEntry::from).collect()))
    }

    /// Removes a member. etcd refuses when the majority would be lost.
    pub async fn remove(&self, id: u64) -> Result<(), Error> {
        let mut client = self.client.cluster_client();
        self.call("removing a member", client.member_remove(id)).await.map(drop)
    }

    /// Changes the URL at which the other members reach a member.
    pub async fn update(&self, id: u64, peer_url: &str) -> Result<(), Error> {
        let mut client = self.client.cluster_client();
        let updating = client.member_update(id, [peer_url.to_owned()]);
        self.call("changing a member's URL", updating).await.map(drop)
    }

    /// Makes a learner a voting member. etcd refuses until it is in sync with the leader.
    pub async fn promote(&self, id: u64) -> Result<(), Error> {
        let mut client = self.client.cluster_client();
        self.call("promoting a member", client.member_promote(id)).await.map(drop)
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, Error> {
        let after = self.request_timeout;
        match tokio::time::timeout(after, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(classify::call_failed(operation, &self.endpoint, source)),
            Err(_) => Err(Error::Timeout { operation, endpoint: self.endpoint.clone(), after }),
        }
    }
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "membership at {}", self.endpoint)
    }
}

impl From<&etcd_client::Member> for MemberEntry {
    fn from(member: &etcd_client::Member) -> Self {
        Self {
            id: member.id(),
            name: member.name().to_owned(),
            peer_urls: member.peer_urls().to_vec(),
            learner: member.is_learner(),
        }
    }
}
