//! Grants in memory: all shards of one session have the same one.

use std::collections::HashSet;
use std::sync::Arc;

use crate::coordination::owner::{Grant, Granted};

/// So many grants are kept before unused ones are looked for.
const FEW: usize = 64;

/// The grants of a group, each once. A group of 10,000 shards has as many grants as owners.
#[derive(Clone, Debug, Default)]
pub(super) struct Grants {
    all: HashSet<Arc<Grant>>,
    /// How many there were after unused ones were dropped.
    used: usize,
}

// === impl Grants ===

impl Grants {
    /// Lets this name the grant that is in memory already, if one is.
    pub(super) fn share(&mut self, granted: &mut Granted) {
        if let Some(grant) = self.all.get(&granted.grant) {
            granted.grant = Arc::clone(grant);
            return;
        }
        if self.all.len() > FEW + 2 * self.used {
            self.all.retain(|grant| Arc::strong_count(grant) > 1);
            self.used = self.all.len();
        }
        self.all.insert(Arc::clone(&granted.grant));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::member::SessionId;
    use crate::coordination::validity::Validity;

    fn granted(uid: usize, revision: i64) -> Granted {
        let session = SessionId { epoch: 1, revision: 7 };
        let grant = Grant { uid: uid.to_string(), session, validity_ms: Validity::DEFAULT };
        Granted { grant: grant.into(), revision }
    }

    #[test]
    fn equal_grants_are_in_memory_once_and_unused_ones_go() {
        let mut grants = Grants::default();
        let mut shared = |uid, revision| {
            let mut granted = granted(uid, revision);
            grants.share(&mut granted);
            granted
        };
        let (one, other) = (shared(1, 10), shared(1, 11));
        assert!(Arc::ptr_eq(&one.grant, &other.grant));
        assert_eq!((one.revision, other.revision), (10, 11));
        let used: Vec<Granted> = (0..100).map(|uid| shared(uid, 12)).collect();
        for uid in 100..10_000 {
            shared(uid, 13);
        }
        assert!(grants.all.len() <= FEW + 2 * used.len() + 1, "{}", grants.all.len());
        assert!(used.iter().all(|granted| grants.all.contains(&granted.grant)));
    }
}
