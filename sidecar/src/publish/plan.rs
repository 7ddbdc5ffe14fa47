//! Which files a snapshot asks for: decided here, carried out by [`super::tree`].
//!
//! A claim without a name leaves what is there alone: after a restart the files of the life before
//! stay until the driver knows better. Only a `Stop` claim that may not be used takes files away.

use cairn_core::claim::ClaimState;
use cairn_core::identity::{Identity, env_file};
use cairn_core::lease::Inherited;
use cairn_core::pool::PoolName;

use crate::snapshot::{Claim, Snapshot};

/// What to do with every file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In the order of `--pool`: the first one gets the links.
    pub pools: Vec<(PoolName, PoolFiles)>,
    /// The env file.
    pub env: EnvFile,
}

/// What to do with one pool's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolFiles {
    /// Nothing is known.
    Leave,
    /// They must go.
    Withdraw,
    /// They are these.
    Write {
        /// Name and content.
        files: Vec<(&'static str, String)>,
        /// What is to be remembered over a restart: the holder's UID and the claim.
        mark: Option<Box<(String, Inherited)>>,
    },
}

/// What to do with the env file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvFile {
    /// Not every claim has a name yet.
    Leave,
    /// A claim may not be used, and an env file with a part of the variables helps nobody.
    Withdraw,
    /// All variables of all claims.
    Write(String),
}

// === impl Plan ===

impl Plan {
    /// The files for a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let pools: Vec<_> = snapshot
            .claims
            .iter()
            .map(|claim| (claim.identity.pool.clone(), PoolFiles::of(claim)))
            .collect();
        let all_written = !pools.is_empty()
            && pools.iter().all(|(_, files)| matches!(files, PoolFiles::Write { .. }));
        let env = if pools.iter().any(|(_, files)| *files == PoolFiles::Withdraw) {
            EnvFile::Withdraw
        } else if all_written {
            let identities: Vec<Identity> =
                snapshot.claims.iter().map(|claim| claim.identity.clone()).collect();
            EnvFile::Write(env_file(&identities))
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
        match &claim.identity.slot {
            // A name that is being adopted is not held before a renewal has answered.
            Some(_) if claim.identity.state != ClaimState::Waiting => Self::Write {
                files: claim.identity.files(),
                mark: claim.mark.as_ref().map(|mark| {
                    // These stand in claim.json, which changes with every renewal.
                    let mark = Inherited { deadline: None, not_after: None, ..mark.clone() };
                    Box::new((claim.identity.holder.uid.clone(), mark))
                }),
            },
            _ => Self::Leave,
        }
    }
}
