//! What an earlier process of this holder left in the directory: the app may have run on with it.

use std::path::Path;

use cairn_core::contract::path;
use cairn_core::identity::ClaimJson;
use cairn_core::lease::Inherited;
use cairn_core::pool::PoolName;
use cairn_core::time::UnixMillis;

/// The claims of a holder that are still published. Blocks for a few small reads of memory files.
pub(super) fn read(dir: &Path, pools: &[PoolName], uid: &str) -> Vec<Inherited> {
    pools.iter().filter_map(|pool| read_pool(dir, pool, uid)).collect()
}

/// Anything unreadable counts as nothing: then the claim is made anew.
fn read_pool(dir: &Path, pool: &PoolName, uid: &str) -> Option<Inherited> {
    let text = std::fs::read(dir.join(pool.as_str()).join(path::CLAIM_JSON)).ok()?;
    let claim: ClaimJson = serde_json::from_slice(&text).ok()?;
    if claim.holder.uid != uid {
        return None;
    }
    Some(Inherited {
        pool: pool.clone(),
        index: claim.index?,
        fence: claim.fence?,
        since: UnixMillis::parse(claim.since.as_deref()?)?,
        incarnation: claim.holder.incarnation,
    })
}
