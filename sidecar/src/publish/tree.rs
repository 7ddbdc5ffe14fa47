//! The published directory: its lock, its pool directories, links and env file.
//!
//! Order is everything here. What must go goes env file first, what comes comes env file last; a
//! pool whose *name* changes is emptied before it is filled again, so that no reader ever sees the
//! name of one claim next to the prefix of another. Everything here blocks.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use cairn_core::contract::path;
use cairn_core::pool::{OnLoss, PoolName};
use thiserror::Error;

use super::file::{self, FileError};
use super::mark::{self, Mark};
use super::plan::{EnvFile, Plan, PoolFiles};
use super::told::Told;

/// Held by the one process that writes here; the kernel drops it with the process.
const LOCK: &str = ".lock";
/// The UID of the pod whose gate was open once.
const OPENED: &str = ".opened";
/// What a pool's directory has; `claim.json` comes last, so that whoever sees it sees all.
const FILES: [&str; 4] = [path::NAME, path::PREFIX, path::FENCE, path::CLAIM_JSON];

/// A directory that this process alone writes into.
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    pools: Vec<PoolName>,
    boot_id: String,
    /// Never read: it is the lock.
    _lock: File,
}

/// Why a directory cannot be published into.
#[derive(Debug, Error)]
pub enum TreeError {
    /// Another process publishes there.
    #[error("{} is in use by another cairn-sidecar; give this one a --dir of its own", .0.display())]
    InUse(PathBuf),
    /// No lock file can be made there.
    #[error("cannot write into {}; give a writable directory with --dir", dir.display())]
    Lock {
        /// Which directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No such directory can be made.
    #[error("--dir cannot be used; give a writable directory")]
    MakeDir(#[source] FileError),
    /// Leftovers cannot be removed.
    #[error("cannot clean up after an earlier run")]
    Sweep(#[source] FileError),
}

// === impl Tree ===

impl Tree {
    /// Takes a directory over and removes what an interrupted write left there.
    pub fn open(dir: &Path, pools: &[PoolName]) -> Result<Self, TreeError> {
        file::make_dir(dir).map_err(TreeError::MakeDir)?;
        let refused = |source| TreeError::Lock { dir: dir.to_owned(), source };
        let lock = file::lockable(&dir.join(LOCK)).map_err(refused)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => TreeError::InUse(dir.to_owned()),
            TryLockError::Error(source) => refused(source),
        })?;
        file::sweep(dir).map_err(TreeError::Sweep)?;
        for pool in pools {
            file::sweep(&dir.join(pool.as_str())).map_err(TreeError::Sweep)?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            pools: pools.to_vec(),
            boot_id: mark::boot_id(),
            _lock: lock,
        })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the apps of `Stop` pools were told by an earlier life of this sidecar.
    pub fn told(&self) -> Vec<(PoolName, Told)> {
        let found = self.pools.iter().filter_map(|pool| {
            let dir = self.dir.join(pool.as_str());
            let mark = mark::read(&dir).filter(|mark| mark.claim.on_loss == OnLoss::Stop)?;
            let deadline = mark::published(&dir).as_ref().and_then(mark::deadline);
            let until = deadline.map(|deadline| (deadline.boot, deadline.wall));
            Some((pool.clone(), Told { claim: Some(mark.claim.into()), until, stopping: None }))
        });
        found.collect()
    }

    /// Brings the directory to a plan.
    pub fn apply(&self, plan: &Plan) -> Result<(), FileError> {
        let renamed = plan.pools.iter().any(|(pool, files)| match files {
            PoolFiles::Write { files, .. } => self.is_renamed(pool, files),
            PoolFiles::Leave | PoolFiles::Withdraw => false,
        });
        if renamed || plan.env == EnvFile::Withdraw {
            file::remove(&self.dir.join(path::ENV))?;
        }
        for (pool, files) in &plan.pools {
            if *files == PoolFiles::Withdraw {
                self.empty(pool)?;
            }
        }
        for (pool, files) in &plan.pools {
            if let PoolFiles::Write { files, mark } = files {
                let dir = self.dir.join(pool.as_str());
                file::make_dir(&dir)?;
                if let Some((uid, claim)) = mark.as_deref() {
                    let (uid, boot_id) = (uid.clone(), self.boot_id.clone());
                    mark::write(&dir, &Mark { uid, boot_id, claim: claim.clone() })?;
                }
                if self.is_renamed(pool, files) {
                    self.empty(pool)?;
                }
                for (name, content) in files {
                    file::write(&dir, name, content.as_bytes())?;
                }
            }
        }
        if let Some((first, PoolFiles::Write { .. })) = plan.pools.first() {
            for name in FILES {
                file::link(&self.dir, name, &Path::new(first.as_str()).join(name))?;
            }
        }
        match &plan.env {
            EnvFile::Write(content) => file::write(&self.dir, path::ENV, content.as_bytes()),
            EnvFile::Leave | EnvFile::Withdraw => Ok(()),
        }
    }

    /// Whether the gate of this pod was open once.
    pub fn was_opened(&self, uid: &str) -> bool {
        fs::read_to_string(self.dir.join(OPENED)).is_ok_and(|found| found == uid)
    }

    /// Remembers that the gate of this pod was open.
    pub fn set_opened(&self, uid: &str) -> Result<(), FileError> {
        file::write(&self.dir, OPENED, uid.as_bytes())
    }

    /// Removes what an app must not go on with when the sidecar ends alone: the files of `Stop` pools. Names of
    /// `Keep` pools stay with the app, and marks stay for the next process.
    pub fn withdraw(&self) -> Result<(), FileError> {
        let stays = |pool: &&PoolName| {
            let mark = mark::read(&self.dir.join(pool.as_str()));
            mark.is_some_and(|mark| mark.claim.on_loss == OnLoss::Keep)
        };
        let gone: Vec<_> = self.pools.iter().filter(|pool| !stays(pool)).collect();
        if !gone.is_empty() {
            file::remove(&self.dir.join(path::ENV))?;
        }
        gone.into_iter().try_for_each(|pool| self.empty(pool))
    }

    /// Removes everything that says something about a claim: nothing is claimed any more.
    pub fn clear(&self) -> Result<(), FileError> {
        file::remove(&self.dir.join(path::ENV))?;
        file::remove(&self.dir.join(OPENED))?;
        for name in FILES {
            file::remove(&self.dir.join(name))?;
        }
        for pool in &self.pools {
            self.empty(pool)?;
            let dir = self.dir.join(pool.as_str());
            file::remove(&dir.join(mark::FILE))?;
            file::remove(&dir.join(path::IDS_JSON))?;
            if let Err(error) = fs::remove_dir(&dir) {
                // Somebody else's file in it is theirs to keep.
                tracing::debug!(%error, dir = %dir.display(), "directory stays");
            }
        }
        Ok(())
    }

    fn empty(&self, pool: &PoolName) -> Result<(), FileError> {
        let dir = self.dir.join(pool.as_str());
        // Those who wait for claim.json must not find it without the others.
        FILES.iter().rev().try_for_each(|name| file::remove(&dir.join(name)))
    }

    fn is_renamed(&self, pool: &PoolName, files: &[(&'static str, String)]) -> bool {
        let present = fs::read(self.dir.join(pool.as_str()).join(path::NAME));
        let wanted = files.iter().find(|(name, _)| *name == path::NAME);
        match (present, wanted) {
            (Ok(present), Some((_, wanted))) => present != wanted.as_bytes(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
