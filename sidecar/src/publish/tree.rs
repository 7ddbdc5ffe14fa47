//! The published directory: its lock, its pool directories, links and env file.
//!
//! Order is everything here. What must go goes env file first, what comes comes env file last; a
//! pool whose *name* changes is emptied before it is filled again, so that no reader ever sees the
//! name of one claim next to the prefix of another. Everything here blocks.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use cairn_core::contract::path;
use cairn_core::identity::ClaimJson;
use cairn_core::pool::PoolName;
use cairn_core::time::{BootInstant, UnixMillis};
use thiserror::Error;

use super::file::{self, FileError};
use super::plan::{EnvFile, Plan, PoolFiles};
use super::told::Told;

/// Held by the one process that writes here; the kernel drops it with the process.
const LOCK: &str = ".lock";
/// Within a pool's directory: the fence that the app of a `Stop` pool was told. It outlives the
/// withdrawn files, so that a sidecar restarted meanwhile still knows that the app has to stop.
const TOLD: &str = ".told";
/// What a pool's directory has; `claim.json` comes last, so that whoever sees it sees all.
const FILES: [&str; 4] = [path::NAME, path::PREFIX, path::FENCE, path::CLAIM_JSON];

/// A directory that this process alone writes into.
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    pools: Vec<PoolName>,
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
        Ok(Self { dir: dir.to_owned(), pools: pools.to_vec(), _lock: lock })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the apps of `Stop` pools were told by an earlier life of this sidecar.
    pub fn told(&self) -> Vec<(PoolName, Told)> {
        let found = self.pools.iter().filter_map(|pool| {
            let dir = self.dir.join(pool.as_str());
            let fence = fs::read_to_string(dir.join(TOLD)).ok()?;
            let told = Told {
                fence: fence.parse().ok(),
                until: until(&dir.join(path::CLAIM_JSON)),
                stopping: None,
            };
            Some((pool.clone(), told))
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
            if let PoolFiles::Write { files, told } = files {
                let dir = self.dir.join(pool.as_str());
                file::make_dir(&dir)?;
                match told {
                    Some(fence) => file::write(&dir, TOLD, fence.to_string().as_bytes())?,
                    None => file::remove(&dir.join(TOLD))?,
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

    /// Removes everything that says something about a claim: nothing is claimed any more.
    pub fn clear(&self) -> Result<(), FileError> {
        file::remove(&self.dir.join(path::ENV))?;
        for name in FILES {
            file::remove(&self.dir.join(name))?;
        }
        for pool in &self.pools {
            self.empty(pool)?;
            let dir = self.dir.join(pool.as_str());
            file::remove(&dir.join(TOLD))?;
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

/// The deadline that a `claim.json` shows.
fn until(path: &Path) -> Option<(BootInstant, UnixMillis)> {
    let json: ClaimJson = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let wall: jiff::Timestamp = json.valid_until?.parse().ok()?;
    Some((
        BootInstant::from_nanos(json.valid_until_boottime_ns?),
        UnixMillis(wall.as_millisecond()),
    ))
}

#[cfg(test)]
mod tests;
