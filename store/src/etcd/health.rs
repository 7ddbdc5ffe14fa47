//! How one member of etcd is, for people who look after it.

use etcd_client::{AlarmAction, AlarmType};

use super::Membership;
use crate::access::version;
use crate::error::Error;

/// How one member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberHealth {
    /// Its version.
    pub version: String,
    /// The versions of which one is needed, when this one does not keep namespaces apart.
    pub too_old_for: Option<String>,
    /// The size of its file, in bytes.
    pub size: u64,
    /// Whether it knows a leader.
    pub has_leader: bool,
    /// Whether it is not in sync yet, and has no vote.
    pub learner: bool,
    /// What is wrong in the cluster.
    pub alarms: Vec<Alarm>,
}

/// What is wrong in a cluster. It stays until an administrator disarms it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// The quota is used up. Nothing can be written.
    NoSpace,
    /// Members have different data.
    Corrupt,
}

// === impl Membership ===

impl Membership {
    /// How this member is.
    pub async fn health(&self) -> Result<MemberHealth, Error> {
        let mut client = self.client.maintenance_client();
        let status = self.call("asking for the status", client.status()).await?;
        let asking = client.alarm(AlarmAction::Get, AlarmType::None, None);
        let alarms = self.call("asking for alarms", asking).await?;
        let alarms = alarms.alarms().iter().filter_map(|found| Alarm::of(found.alarm()));
        let sufficient = version::is_sufficient(status.version());
        Ok(MemberHealth {
            version: status.version().to_owned(),
            too_old_for: (!sufficient).then(version::floors),
            size: u64::try_from(status.db_size()).unwrap_or_default(),
            has_leader: status.leader() != 0,
            learner: status.is_learner(),
            alarms: alarms.collect(),
        })
    }
}

// === impl Alarm ===

impl Alarm {
    pub(super) fn of(kind: AlarmType) -> Option<Self> {
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
