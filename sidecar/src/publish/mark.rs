//! A pool's private mark: a file with the published claim, for the next process of this sidecar.
//!
//! The mark stays when the files are withdrawn, because the app may still run: a sidecar that gets SIGTERM in a pod is
//! restarted beside it. It has no deadline: only `claim.json` has it, and without `claim.json` the app must have
//! stopped. Not for apps. Everything here blocks.

use std::fs;
use std::path::Path;

use cairn_core::contract::path;
use cairn_core::identity::ClaimJson;
use cairn_core::lease::{Deadline, Inherited};
use cairn_core::pool::PoolName;
use cairn_core::time::{BootInstant, UnixMillis};
use serde::{Deserialize, Serialize};

use super::file::{self, FileError};

/// Its name in a pool's directory.
pub(super) const FILE: &str = ".claim";
/// Changes with every boot of the machine (random(4)): instants of `CLOCK_BOOTTIME` are not comparable across boots.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The holder's UID.
    pub uid: String,
    /// The boot of the machine during which it was written.
    pub boot_id: String,
    /// The claim, without its deadline.
    pub claim: Inherited,
}

/// The ID of the current boot; empty if it cannot be read.
pub fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The claim that an earlier process of this holder has published for a pool. An unreadable mark counts as none: then
/// the pool is claimed again.
pub fn inherited(dir: &Path, pool: &PoolName, uid: &str) -> Option<Inherited> {
    let dir = dir.join(pool.as_str());
    let mark = read(&dir).filter(|mark| mark.uid == uid && mark.claim.pool == *pool)?;
    let published = published(&dir).filter(|claim| claim.fence == Some(mark.claim.fence));
    let same_boot = !mark.boot_id.is_empty() && mark.boot_id == boot_id();
    Some(Inherited {
        deadline: published.as_ref().filter(|_| same_boot).and_then(deadline),
        not_after: published.and_then(|claim| claim.not_after_ms).map(UnixMillis),
        ..mark.claim
    })
}

/// Reads the mark in a pool's directory.
pub fn read(dir: &Path) -> Option<Mark> {
    serde_json::from_slice(&fs::read(dir.join(FILE)).ok()?).ok()
}

/// Writes the mark into a pool's directory, unless it is there already.
pub fn write(dir: &Path, mark: &Mark) -> Result<(), FileError> {
    let content = serde_json::to_vec(mark)
        .map_err(|error| FileError::Write { path: dir.join(FILE), source: error.into() })?;
    file::write(dir, FILE, &content)
}

/// Reads the `claim.json` in a pool's directory.
pub fn published(dir: &Path) -> Option<ClaimJson> {
    serde_json::from_slice(&fs::read(dir.join(path::CLAIM_JSON)).ok()?).ok()
}

/// The deadline in a `claim.json`.
pub fn deadline(claim: &ClaimJson) -> Option<Deadline> {
    Some(Deadline {
        boot: BootInstant::from_nanos(claim.valid_until_boottime_ns?),
        wall: UnixMillis::parse(claim.valid_until.as_deref()?)?,
    })
}
