//! The published directory: its lock, its pool directories, links and env file.
//!
//! The order of the writes matters: the env file is removed first and written last. A pool whose *name* changes is
//! emptied before it is filled again, so that no reader sees the name of one claim beside the prefix of another.
//! Everything here blocks.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use cairn_core::contract::path;
use cairn_core::pool::{OnLoss, PoolName};
use thiserror::Error;

use super::file::{self, FileError};
use super::guard::LastPublished;
use super::mark::{self, Mark};
use super::plan::{EnvFile, Plan, PoolFiles};

/// The one process that writes here holds a lock on this file. The kernel releases it with the process.
const LOCK: &str = ".lock";
/// Contains the UID of the pod whose gate was open once.
const OPENED: &str = ".opened";
/// The files of a pool, in the order of their writes: who sees `claim.json` finds the others.
const FILES: [&str; 4] = [path::NAME, path::PREFIX, path::FENCE, path::CLAIM_JSON];

/// The published directory, locked for this process.
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    pools: Vec<PoolName>,
    boot_id: String,
    /// Never read: it only keeps the lock.
    _lock: File,
}

/// Why the directory cannot be used.
#[derive(Debug, Error)]
pub enum TreeError {
    /// Another process has the lock.
    #[error("{} is in use by another cairn-sidecar; give this one a --dir of its own", .0.display())]
    InUse(PathBuf),
    /// The lock file cannot be created.
    #[error("cannot write into {}; give a writable directory with --dir", dir.display())]
    Lock {
        /// Which directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The directory cannot be created.
    #[error("--dir cannot be used; give a writable directory")]
    MakeDir(#[source] FileError),
    /// Temporary files of an earlier process cannot be removed.
    #[error("cannot clean up after an earlier run")]
    Sweep(#[source] FileError),
}

// === impl Tree ===

impl Tree {
    /// Locks the directory and removes the temporary files of interrupted writes.
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

    /// Its path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What an earlier process of this sidecar published last for each `Stop` pool.
    pub fn last_published(&self) -> Vec<(PoolName, LastPublished)> {
        let found = self.pools.iter().filter_map(|pool| {
            let dir = self.dir.join(pool.as_str());
            let mark = mark::read(&dir).filter(|mark| mark.claim.on_loss == OnLoss::Stop)?;
            let deadline = mark::published(&dir).as_ref().and_then(mark::deadline);
            let until = deadline.map(|deadline| (deadline.boot, deadline.wall));
            Some((
                pool.clone(),
                LastPublished { claim: Some(mark.claim.into()), until, stopping: None },
            ))
        });
        found.collect()
    }

    /// Carries out a plan.
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

    /// Whether this pod's gate was open once.
    pub fn was_opened(&self, uid: &str) -> bool {
        fs::read_to_string(self.dir.join(OPENED)).is_ok_and(|found| found == uid)
    }

    /// Records that this pod's gate was open.
    pub fn set_opened(&self, uid: &str) -> Result<(), FileError> {
        file::write(&self.dir, OPENED, uid.as_bytes())
    }

    /// Removes the files of `Stop` pools, which the app must not use after the sidecar has ended alone. The files of
    /// `Keep` pools stay for the app, and the marks stay for the next process.
    pub fn withdraw(&self) -> Result<(), FileError> {
        let keeps = |pool: &&PoolName| {
            let mark = mark::read(&self.dir.join(pool.as_str()));
            mark.is_some_and(|mark| mark.claim.on_loss == OnLoss::Keep)
        };
        let gone: Vec<_> = self.pools.iter().filter(|pool| !keeps(pool)).collect();
        if !gone.is_empty() {
            file::remove(&self.dir.join(path::ENV))?;
        }
        gone.into_iter().try_for_each(|pool| self.empty(pool))
    }

    /// Removes every file about a claim: nothing is claimed any more.
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
                // It contains a file that is not ours.
                tracing::debug!(%error, dir = %dir.display(), "directory stays");
            }
        }
        Ok(())
    }

    fn empty(&self, pool: &PoolName) -> Result<(), FileError> {
        let dir = self.dir.join(pool.as_str());
        // `claim.json` goes first: readers that wait for it must not find it without the others.
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
