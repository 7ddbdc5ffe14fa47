//! Which cluster the answers come from.
//!
//! A list of endpoints may name a member of another cluster by mistake, or a member that came back
//! with another cluster's data. What it says of our lease and slots is not about them. A cluster that
//! was replaced as a whole is accepted once every endpoint has said so; its epoch tells the rest.

use std::sync::{Mutex, PoisonError};

/// Remembers the cluster.
#[derive(Debug, Default)]
pub(super) struct Origin {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    cluster: Option<u64>,
    /// What each member that is not of that cluster has said since one of that cluster answered.
    strangers: Vec<(usize, u64)>,
}

/// An answer from another cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stranger {
    pub(super) known: u64,
    pub(super) found: u64,
}

// === impl Origin ===

impl Origin {
    /// Takes in the cluster id of an answer by one of `members` members.
    pub(super) fn check(
        &self,
        member: usize,
        members: usize,
        cluster: u64,
    ) -> Result<(), Stranger> {
        // Nothing panics while it is locked.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = *state.cluster.get_or_insert(cluster);
        if known == cluster {
            state.strangers.clear();
            return Ok(());
        }
        state.strangers.retain(|(other, found)| *other != member && *found == cluster);
        state.strangers.push((member, cluster));
        if state.strangers.len() >= members {
            *state = State { cluster: Some(cluster), strangers: Vec::new() };
        }
        Err(Stranger { known, found: cluster })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_member_of_another_cluster_is_never_believed() {
        let origin = Origin::default();
        assert_eq!(origin.check(0, 3, 7), Ok(()));
        for _ in 0..9 {
            assert_eq!(origin.check(1, 3, 8), Err(Stranger { known: 7, found: 8 }));
        }
        assert_eq!(origin.check(0, 3, 7), Ok(()));
    }

    #[test]
    fn a_cluster_that_was_replaced_is_accepted_once_every_member_says_so() {
        let origin = Origin::default();
        assert_eq!(origin.check(0, 2, 7), Ok(()));
        assert!(origin.check(1, 2, 8).is_err());
        assert_eq!(origin.check(0, 2, 7), Ok(()), "one is still the old one");
        assert!(origin.check(1, 2, 8).is_err());
        assert!(origin.check(0, 2, 9).is_err(), "not the same one");
        assert!(origin.check(1, 2, 9).is_err());
        assert_eq!(origin.check(0, 2, 9), Ok(()));
    }
}
