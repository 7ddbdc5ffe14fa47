//! Who owns a shard or the leadership: the values of `s/<k>` and `l`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::map::Shard;
use super::member::SessionId;
use super::validity::Validity;

/// What has an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ownable {
    /// The leadership, key `l`.
    Leader,
    /// A shard, key `s/<k>`.
    Shard(Shard),
}

/// The value of `s/<k>` and `l`: the session to which it is granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// The owner's pod.
    pub uid: String,
    /// The owner's session.
    pub session: SessionId,
    /// V of the owner: others need it to compute the takeover delay after the owner's record is gone.
    pub validity_ms: Validity,
}

/// A grant as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Granted {
    /// Its value. All shards of a session may share one.
    pub grant: Arc<Grant>,
    /// Mod revision of its key: with the epoch, the fence.
    pub revision: i64,
}

impl fmt::Display for Ownable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader => f.write_str("the leadership"),
            Self::Shard(shard) => write!(f, "shard {shard}"),
        }
    }
}
