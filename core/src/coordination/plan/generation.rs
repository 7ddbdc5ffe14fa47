//! Which generation of a workload is younger.
//!
//! A generation is as old as its member that was admitted first. Pods of an old generation that are recreated during a
//! rollout (their node was lost, or they were evicted) are admitted late, but while a pod of before the rollout is
//! left, they make their generation no younger. Draining members count: they are usually the ones of before.
//!
//! Two cases remain, which cost additional moves and nothing else. When a rollout is undone, pods of the restored
//! generation count as old while one of before is left. When all pods of before are gone, recreated ones may count as
//! the youngest. Generations are hashes of Kubernetes, which have no order of their own.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Candidate;
use crate::time::UnixMillis;

/// The rank of each member's generation; 0 is the youngest.
pub(super) fn ranks(members: &[Candidate<'_>]) -> Vec<usize> {
    let mut first: BTreeMap<&str, UnixMillis> = BTreeMap::new();
    for member in members {
        let admitted = first.entry(member.generation).or_insert(member.admitted);
        *admitted = member.admitted.min(*admitted);
    }
    let mut order: Vec<(Reverse<UnixMillis>, &str)> =
        first.into_iter().map(|(generation, admitted)| (Reverse(admitted), generation)).collect();
    order.sort_unstable();
    let ranks: BTreeMap<&str, usize> =
        order.into_iter().enumerate().map(|(rank, (_, generation))| (generation, rank)).collect();
    members.iter().map(|member| ranks.get(member.generation).copied().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::member::SessionId;

    fn member(generation: &str, admitted: i64) -> Candidate<'_> {
        Candidate {
            uid: "",
            weight: 100,
            generation,
            admitted: UnixMillis(admitted),
            session: SessionId::default(),
            draining: false,
            resigned: false,
        }
    }

    #[test]
    fn a_recreated_pod_of_the_old_generation_does_not_make_it_the_youngest() {
        let members = [member("old", 10), member("new", 50), member("old", 90)];
        assert_eq!(ranks(&members), [1, 0, 1]);
    }

    #[test]
    fn generations_of_one_instant_have_an_order_that_does_not_depend_on_the_list() {
        assert_eq!(ranks(&[member("a", 1), member("b", 1)]), [0, 1]);
        assert_eq!(ranks(&[member("b", 1), member("a", 1)]), [1, 0]);
        assert!(ranks(&[]).is_empty());
    }
}
