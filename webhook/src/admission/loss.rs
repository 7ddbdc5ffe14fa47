//! What a pod's app is stopped for: a lost claim of a `Stop` pool, or a lost session of its group.

use std::fmt;

use cairn_core::contract::{annotation, path};
use cairn_core::pool::PoolName;

/// What is lost when the app is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The claim on this pool, which has `onLoss: Stop`.
    Claim(PoolName),
    /// The session, of a pod with `cairn.dev/on-loss: Stop`.
    Session,
}

// === impl Loss ===

impl Loss {
    /// What the app runs without when it does not wait.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Claim(_) => "claim",
            Self::Session => "session",
        }
    }

    /// The alternative that every app has.
    pub fn way(&self) -> String {
        let (watched, file) = match self {
            Self::Claim(pool) => ("valid_until", format!("{pool}/{}", path::CLAIM_JSON)),
            Self::Session => ("valid_until_boottime_ns", path::SHARDS_JSON.to_owned()),
        };
        format!(
            "set {}: self and let the app watch {watched} in {}/{file}",
            annotation::STOP,
            path::DIR
        )
    }
}

/// As the second half of "when …".
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(pool) => write!(f, "its claim on pool '{pool}' is lost"),
            Self::Session => f.write_str("its session is lost"),
        }
    }
}
