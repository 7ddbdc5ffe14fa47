//! The health of an etcd cluster, as each of its members tells it. For people: nothing is decided by it.
//!
//! A member that does not answer, or that does not tell something to this user, hides nothing of the others.

use std::time::Duration;

use etcd_client::{AlarmAction, AlarmType, ResponseHeader};
use futures::future;
use tokio::time::Instant;

use super::Etcd;
use super::clients::ChosenMember;
use super::membership::MemberEntry;
use crate::access::version;
use crate::error::Error;

/// The health of a cluster.
#[derive(Debug)]
pub struct ClusterHealth {
    /// What the member of each endpoint says of itself, in the order of the endpoints.
    pub endpoints: Vec<EndpointHealth>,
    /// All members, as one of them knows them.
    pub members: Result<Vec<MemberEntry>, Error>,
    /// The alarms that are on.
    pub alarms: Result<Vec<MemberAlarm>, Error>,
}

/// The answer of one endpoint.
#[derive(Debug)]
pub struct EndpointHealth {
    /// The URL.
    pub url: String,
    /// What its member says of itself.
    pub status: Result<MemberStatus, Error>,
    /// How long the answer took.
    pub took: Duration,
}

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberStatus {
    /// The member's id.
    pub id: u64,
    /// The id of the leader that it follows; 0 for none.
    pub leader: u64,
    /// Whether it is a learner.
    pub learner: bool,
    /// Its version.
    pub version: String,
    /// The size of its database file, in bytes.
    pub db_size: u64,
    /// What of it is in use.
    pub db_in_use: u64,
    /// The size at which it takes no more writes; `None` from a member that does not tell (before etcd 3.6).
    pub quota: Option<u64>,
    /// Its newest revision.
    pub revision: i64,
    /// What it complains about.
    pub errors: Vec<String>,
}

/// An alarm of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberAlarm {
    /// The member.
    pub member: u64,
    /// What is wrong.
    pub alarm: Alarm,
}

/// What is wrong in a cluster. It stays until an administrator disarms it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// The quota is used up. Nothing can be written.
    NoSpace,
    /// Members have different data.
    Corrupt,
}

// === impl Etcd ===

impl Etcd {
    /// Asks every member for its health.
    pub async fn health(&self) -> ClusterHealth {
        let clients = self.clients();
        let endpoints = future::join_all(clients.all().map(|member| self.endpoint_health(member)));
        let (endpoints, members, alarms) =
            future::join3(endpoints, self.members(), self.alarms()).await;
        ClusterHealth { endpoints, members, alarms }
    }

    async fn endpoint_health(&self, member: ChosenMember) -> EndpointHealth {
        let begin = Instant::now();
        let status = self.status(&member).await;
        let took = Instant::now().duration_since(begin);
        EndpointHealth { url: member.endpoint().to_owned(), status, took }
    }

    async fn status(&self, member: &ChosenMember) -> Result<MemberStatus, Error> {
        const OPERATION: &str = "reading a member's status";
        let mut maintenance = member.client().maintenance_client();
        let answer = self.with_timeout(OPERATION, member, maintenance.status()).await?;
        let header = answer.header();
        self.check_cluster(member, header).await?;
        Ok(MemberStatus {
            id: header.map_or(0, ResponseHeader::member_id),
            leader: answer.leader(),
            learner: answer.is_learner(),
            version: answer.version().to_owned(),
            db_size: bytes(answer.db_size()),
            db_in_use: bytes(answer.raft_used_db_size()),
            quota: Some(bytes(answer.db_size_quota())).filter(|quota| *quota > 0),
            revision: header.map_or(0, ResponseHeader::revision),
            errors: answer.errors().to_vec(),
        })
    }

    async fn members(&self) -> Result<Vec<MemberEntry>, Error> {
        let (member, answer) = self
            .call("listing the members", |client| {
                let mut cluster = client.cluster_client();
                async move { cluster.member_list().await }
            })
            .await?;
        self.check_cluster(&member, answer.header()).await?;
        Ok(answer.members().iter().map(MemberEntry::from).collect())
    }

    async fn alarms(&self) -> Result<Vec<MemberAlarm>, Error> {
        let (member, answer) = self
            .call("reading the alarms", |client| {
                let mut maintenance = client.maintenance_client();
                async move { maintenance.alarm(AlarmAction::Get, AlarmType::None, None).await }
            })
            .await?;
        self.check_cluster(&member, answer.header()).await?;
        let alarm = |found: &etcd_client::AlarmMember| {
            let alarm = Alarm::of(found.alarm())?;
            Some(MemberAlarm { member: found.member_id(), alarm })
        };
        Ok(answer.alarms().iter().filter_map(alarm).collect())
    }
}

fn bytes(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

// === impl MemberStatus ===

impl MemberStatus {
    /// The versions of which one is needed, when this one does not keep namespaces apart.
    pub fn too_old_for(&self) -> Option<String> {
        (!version::is_sufficient(&self.version)).then(version::floors)
    }
}

// === impl Alarm ===

impl Alarm {
    fn of(kind: AlarmType) -> Option<Self> {
        match kind {
            AlarmType::None => None,
            AlarmType::Nospace => Some(Self::NoSpace),
            AlarmType::Corrupt => Some(Self::Corrupt),
        }
    }

    /// As etcd calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSpace => "NOSPACE",
            Self::Corrupt => "CORRUPT",
        }
    }
}

// === impl ClusterHealth ===

impl ClusterHealth {
    /// Whether some member answers.
    pub fn is_reachable(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.status.is_ok())
    }
}
