//! Decides which files a snapshot needs; [`super::tree`] carries the plan out.
//!
//! A claim without a name changes nothing: after a restart, the files of the earlier process stay until the driver
//! knows the state. Only a `Stop` claim that must not be used removes files.

use cairn_core::claim::ClaimState;
use cairn_core::identity::env_file;
use cairn_core::lease::Inherited;
use cairn_core::pool::PoolName;

use crate::snapshot::{Claim, Snapshot};

/// The changes to all files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In the order of `--pool`: the first one gets the links.
    pub pools: Vec<(PoolName, PoolFiles)>,
    /// The env file.
    pub env: EnvFile,
}

/// The changes to one pool's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolFiles {
    /// The state is unknown; leave them.
    Leave,
    /// Remove them.
    Withdraw,
    /// Write these.
    Write {
        /// Name and content.
        files: Vec<(&'static str, String)>,
        /// The mark: the holder's UID and the claim.
        mark: Option<Box<(String, Inherited)>>,
    },
}

/// The change to the env file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvFile {
    /// Not every claim has a name; leave it.
    Leave,
    /// A claim must not be used; remove the file, because a part of the variables is of no use.
    Withdraw,
    /// Write all variables of all claims.
    Write(String),
}

// === impl Plan ===

impl Plan {
    /// The plan for a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let pools: Vec<_> = snapshot
            .claims
            .iter()
            .map(|claim| (claim.status.identity.pool.clone(), PoolFiles::of(claim)))
            .collect();
        let all_written = !pools.is_empty()
            && pools.iter().all(|(_, files)| matches!(files, PoolFiles::Write { .. }));
        let env = if pools.iter().any(|(_, files)| *files == PoolFiles::Withdraw) {
            EnvFile::Withdraw
        } else if all_written {
            EnvFile::Write(env_file(&snapshot.identities()))
        } else {
            EnvFile::Leave
        };
        Self { pools, env }
    }
}

// === impl PoolFiles ===

impl PoolFiles {
    fn of(claim: &Claim) -> Self {
        if claim.must_stop() {
            return Self::Withdraw;
        }
        match &claim.status.identity.slot {
            // A name that is being adopted is not held before its first renewal.
            Some(_) if claim.status.identity.state != ClaimState::Waiting => Self::Write {
                files: claim.status.identity.files(),
                mark: claim.status.mark.as_ref().map(|mark| {
                    // Only claim.json has these, because they change with every renewal.
                    let mark = Inherited { deadline: None, not_after: None, ..mark.clone() };
                    Box::new((claim.status.identity.holder.uid.clone(), mark))
                }),
            },
            _ => Self::Leave,
        }
    }
}
