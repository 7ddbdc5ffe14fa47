//! Ids of leases, chosen by us.
//!
//! etcd's own ids count up, so that whoever is granted leases can guess those of others. A lease to which no key is
//! attached yet could then be revoked, or be given a foreign key, which keeps its owner from renewing it.

use ring::rand::{SecureRandom as _, SystemRandom};

/// An id that nobody can guess. 0, with which etcd chooses the id itself, when the system has no random numbers.
pub(super) fn random() -> i64 {
    let mut bytes = [0; 8];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => i64::from_le_bytes(bytes) & i64::MAX,
        Err(_) => 0,
    }
}
