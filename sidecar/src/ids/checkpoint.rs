//! The file that records how far IDs were minted, in the pool's directory beside the claim. It is ahead of the
//! minted IDs, so that a restarted sidecar continues at once and repeats no ID.

use std::fs::{self, File};
use std::path::Path;

use cairn_core::claim::Fence;
use cairn_core::clock::MintCheckpoint;
use cairn_core::contract::path;
use cairn_core::pool::PoolName;
use cairn_core::time::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::publish::file::{self, FileError};
use crate::publish::mark;

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
struct CheckpointJson {
    uid: String,
    fence: Fence,
    not_before_ms: UnixMillis,
    minted_until_ms: UnixMillis,
}

/// The checkpoints of a holder's earlier processes, one for each pool that has one. Blocks for a few small reads.
pub fn read(dir: &Path, pools: &[PoolName], uid: &str) -> Vec<(PoolName, MintCheckpoint)> {
    let checkpoint = |pool: &PoolName| {
        let dir = dir.join(pool.as_str());
        // A newer claim may continue the one in the file under a new fence: its IDs count too.
        let (minted, claimed) = (minted(&dir, uid), claimed(&dir, uid));
        let until = minted.and_then(|minted| minted.minted_until);
        let youngest = minted.into_iter().chain(claimed).max_by_key(|found| found.fence)?;
        Some((pool.clone(), MintCheckpoint { minted_until: until, ..youngest }))
    };
    pools.iter().filter_map(checkpoint).collect()
}

/// Writes a checkpoint into a pool's directory. Blocks.
pub(super) fn write(dir: &Path, uid: &str, checkpoint: &MintCheckpoint) -> Result<(), FileError> {
    let json = CheckpointJson {
        uid: uid.to_owned(),
        fence: checkpoint.fence,
        not_before_ms: checkpoint.not_before,
        minted_until_ms: checkpoint.minted_until.unwrap_or(checkpoint.not_before),
    };
    let failed = |source| FileError::Write { path: dir.join(path::IDS_JSON), source };
    let content = serde_json::to_vec(&json).map_err(|error| failed(error.into()))?;
    file::make_dir(dir)?;
    file::write(dir, path::IDS_JSON, &content)?;
    // After a power failure the directory must show the renamed file, too.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

/// The checkpoint in a directory. An unreadable file counts as none: then minting waits for the end of the whole
/// reservation.
fn minted(dir: &Path, uid: &str) -> Option<MintCheckpoint> {
    let json: CheckpointJson =
        serde_json::from_slice(&fs::read(dir.join(path::IDS_JSON)).ok()?).ok()?;
    (json.uid == uid).then_some(MintCheckpoint {
        fence: json.fence,
        not_before: json.not_before_ms,
        minted_until: Some(json.minted_until_ms),
    })
}

/// The reservation of the claim in a directory: the app may have minted under it on its own.
fn claimed(dir: &Path, uid: &str) -> Option<MintCheckpoint> {
    let mark = mark::read(dir).filter(|mark| mark.uid == uid)?;
    let not_before = mark.claim.not_before?;
    Some(MintCheckpoint { fence: mark.claim.fence, not_before, minted_until: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(revision: i64, minted_until: Option<i64>) -> MintCheckpoint {
        MintCheckpoint {
            fence: Fence { epoch: 1, revision },
            not_before: UnixMillis(5),
            minted_until: minted_until.map(UnixMillis),
        }
    }

    fn publish(dir: &Path, revision: i64) {
        let mark = serde_json::json!({"uid": "u", "boot_id": "", "claim": {
            "pool": "snowflake", "on_loss": "Stop", "scope": "Cluster", "key": "1", "name": "1",
            "index": 1, "prefix": "1", "fence": {"epoch": 1, "revision": revision}, "since": 0,
            "incarnation": 1, "validity_ms": 1, "quarantine_ms": 1, "deadline": null,
            "not_before": 5, "not_after": null,
        }});
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join(".claim"), mark.to_string()).unwrap();
    }

    #[test]
    fn only_its_holder_finds_a_checkpoint_and_the_newer_claim_counts() {
        let dir = tempfile::tempdir().unwrap();
        let pools: [PoolName; 1] = ["snowflake".parse().unwrap()];
        let found = |uid: &str| read(dir.path(), &pools, uid).pop().map(|(_, found)| found);
        assert_eq!(found("u"), None);
        let pool = dir.path().join("snowflake");
        publish(&pool, 7);
        assert_eq!(found("u"), Some(checkpoint(7, None)));
        write(&pool, "u", &checkpoint(7, Some(90))).unwrap();
        assert_eq!(found("u"), Some(checkpoint(7, Some(90))));
        assert_eq!(found("another"), None);
        publish(&pool, 8);
        // It may be the same claim, made again: what was minted before counts.
        assert_eq!(found("u"), Some(checkpoint(8, Some(90))));
        fs::write(pool.join(path::IDS_JSON), "{").unwrap();
        assert_eq!(found("u"), Some(checkpoint(8, None)));
        fs::remove_file(pool.join(".claim")).unwrap();
        assert_eq!(found("u"), None);
    }
}
