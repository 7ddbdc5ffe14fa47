//! How far IDs were minted, kept in the pool's directory beside the claim: written a little ahead of
//! what is given out, so that a restarted sidecar goes on at once and repeats nothing.

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
struct MarkJson {
    uid: String,
    fence: Fence,
    not_before_ms: UnixMillis,
    minted_until_ms: UnixMillis,
}

/// The marks that earlier processes of a holder have left. Blocks for a few small reads.
pub fn read(dir: &Path, pools: &[PoolName], uid: &str) -> Vec<(PoolName, MintCheckpoint)> {
    let mark = |pool: &PoolName| {
        let dir = dir.join(pool.as_str());
        // A younger claim may go on from the file's under a new fence: whatever was minted counts.
        let (minted, told) = (minted(&dir, uid), told(&dir, uid));
        let until = minted.and_then(|minted| minted.minted_until);
        let youngest = minted.into_iter().chain(told).max_by_key(|mark| mark.fence)?;
        Some((pool.clone(), MintCheckpoint { minted_until: until, ..youngest }))
    };
    pools.iter().filter_map(mark).collect()
}

/// Keeps a mark in a pool's directory. Blocks.
pub(super) fn write(dir: &Path, uid: &str, mark: &MintCheckpoint) -> Result<(), FileError> {
    let json = MarkJson {
        uid: uid.to_owned(),
        fence: mark.fence,
        not_before_ms: mark.not_before,
        minted_until_ms: mark.minted_until.unwrap_or(mark.not_before),
    };
    let failed = |source| FileError::Write { path: dir.join(path::IDS_JSON), source };
    let content = serde_json::to_vec(&json).map_err(|error| failed(error.into()))?;
    file::make_dir(dir)?;
    file::write(dir, path::IDS_JSON, &content)?;
    // The new name of the file, too, outlives a machine that loses its power.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

/// Anything unreadable counts as nothing: then the whole reservation is waited for.
fn minted(dir: &Path, uid: &str) -> Option<MintCheckpoint> {
    let json: MarkJson = serde_json::from_slice(&fs::read(dir.join(path::IDS_JSON)).ok()?).ok()?;
    (json.uid == uid).then_some(MintCheckpoint {
        fence: json.fence,
        not_before: json.not_before_ms,
        minted_until: Some(json.minted_until_ms),
    })
}

/// An app may have minted on its own: it goes on, too.
fn told(dir: &Path, uid: &str) -> Option<MintCheckpoint> {
    let mark = mark::read(dir).filter(|mark| mark.uid == uid)?;
    let not_before = mark.claim.not_before?;
    Some(MintCheckpoint { fence: mark.claim.fence, not_before, minted_until: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(revision: i64, minted_until: Option<i64>) -> MintCheckpoint {
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
    fn a_mark_is_found_by_its_own_holder_only_and_the_younger_claim_counts() {
        let dir = tempfile::tempdir().unwrap();
        let pools: [PoolName; 1] = ["snowflake".parse().unwrap()];
        let found = |uid: &str| read(dir.path(), &pools, uid).pop().map(|(_, mark)| mark);
        assert_eq!(found("u"), None);
        let pool = dir.path().join("snowflake");
        publish(&pool, 7);
        assert_eq!(found("u"), Some(mark(7, None)));
        write(&pool, "u", &mark(7, Some(90))).unwrap();
        assert_eq!(found("u"), Some(mark(7, Some(90))));
        assert_eq!(found("another"), None);
        publish(&pool, 8);
        // It may be the same one, claimed again: what was minted before it counts all the same.
        assert_eq!(found("u"), Some(mark(8, Some(90))));
        fs::write(pool.join(path::IDS_JSON), "{").unwrap();
        assert_eq!(found("u"), Some(mark(8, None)));
        fs::remove_file(pool.join(".claim")).unwrap();
        assert_eq!(found("u"), None);
    }
}
