//! How far IDs were minted, kept in the pool's directory beside the claim: written a little ahead of
//! what is given out, so that a restarted sidecar goes on at once and repeats nothing.

use std::fs::{self, File};
use std::path::Path;

use cairn_core::claim::Fence;
use cairn_core::clock::Mark;
use cairn_core::contract::path;
use cairn_core::identity::ClaimJson;
use cairn_core::pool::PoolName;
use cairn_core::time::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::publish::file::{self, FileError};

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
struct MarkJson {
    uid: String,
    fence: Fence,
    not_before_ms: UnixMillis,
    minted_until_ms: UnixMillis,
}

/// The marks that earlier processes of a holder have left. Blocks for a few small reads.
pub fn read(dir: &Path, pools: &[PoolName], uid: &str) -> Vec<(PoolName, Mark)> {
    let mark = |pool: &PoolName| {
        let dir = dir.join(pool.as_str());
        // Of a younger claim than the file's nothing was minted: that is never done before the file is written.
        let mark = minted(&dir, uid).into_iter().chain(published(&dir, uid));
        mark.max_by_key(|mark| (mark.fence, mark.minted_until)).map(|mark| (pool.clone(), mark))
    };
    pools.iter().filter_map(mark).collect()
}

/// Keeps a mark in a pool's directory. Blocks.
pub(super) fn write(dir: &Path, uid: &str, mark: &Mark) -> Result<(), FileError> {
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
fn minted(dir: &Path, uid: &str) -> Option<Mark> {
    let json: MarkJson = serde_json::from_slice(&fs::read(dir.join(path::IDS_JSON)).ok()?).ok()?;
    (json.uid == uid).then_some(Mark {
        fence: json.fence,
        not_before: json.not_before_ms,
        minted_until: Some(json.minted_until_ms),
    })
}

/// An app may have minted on its own: it goes on, too.
fn published(dir: &Path, uid: &str) -> Option<Mark> {
    let claim: ClaimJson =
        serde_json::from_slice(&fs::read(dir.join(path::CLAIM_JSON)).ok()?).ok()?;
    let not_before = UnixMillis(claim.not_before_ms?);
    (claim.holder.uid == uid).then_some(Mark {
        fence: claim.fence?,
        not_before,
        minted_until: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(revision: i64, minted_until: Option<i64>) -> Mark {
        Mark {
            fence: Fence { epoch: 1, revision },
            not_before: UnixMillis(5),
            minted_until: minted_until.map(UnixMillis),
        }
    }

    fn publish(dir: &Path, revision: i64) {
        let claim = serde_json::json!({
            "pool": "snowflake", "group": "-", "state": "held",
            "fence": {"epoch": 1, "revision": revision}, "not_before_ms": 5,
            "holder": {"namespace": "n", "pod": "p", "uid": "u", "node": "", "incarnation": 1},
        });
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join(path::CLAIM_JSON), claim.to_string()).unwrap();
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
        assert_eq!(found("u"), Some(mark(8, None)));
        fs::write(pool.join(path::IDS_JSON), "{").unwrap();
        fs::remove_file(pool.join(path::CLAIM_JSON)).unwrap();
        assert_eq!(found("u"), None);
    }
}
