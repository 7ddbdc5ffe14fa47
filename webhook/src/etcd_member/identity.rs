//! The IDs that etcd gives to the first member of a new cluster and to that cluster.
//!
//! etcd derives both by SHA-1 from the peer URL and the token (server/etcdserver/api/membership,
//! `computeMemberID` and `genID`, 3.6.14). They are computed here, so that they can be recorded
//! before the cluster is formed.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::record::HexId;

/// Bytes of a token: enough to be unique among all installations.
const TOKEN_BYTES: usize = 16;

/// The IDs of a cluster of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstIds {
    /// The member.
    pub member: HexId,
    /// The cluster.
    pub cluster: HexId,
}

/// The IDs of a cluster of one that is formed with this token and peer URL.
pub fn first_ids(peer_url: &str, token: &str) -> FirstIds {
    let member = leading_bytes(format!("{peer_url}{token}").as_bytes());
    let cluster = leading_bytes(&member.to_be_bytes());
    FirstIds { member: HexId(member), cluster: HexId(cluster) }
}

/// A random token; `None` when the system has no randomness.
pub fn token() -> Option<String> {
    let mut bytes = [0; TOKEN_BYTES];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn leading_bytes(text: &[u8]) -> u64 {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, text);
    hash.as_ref().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
