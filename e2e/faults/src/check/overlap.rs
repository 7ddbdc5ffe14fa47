//! No two pods may use one name at the same time, and fences follow the order of use.
//!
//! A hold lasts from the first use to the last published deadline, or until the claim was withdrawn or the app ended.
//! Both ends are on the one clock of the machine, and the product promises them, so a process that is scheduled late
//! cannot make two holds overlap.

use std::collections::BTreeMap;

use super::{Kind, Violation};
use crate::boottime;
use crate::journal::Hold;

/// Compares every pair of holds of one name.
pub fn check(holds: &[Hold]) -> Vec<Violation> {
    let mut by_name: BTreeMap<(&str, &str), Vec<&Hold>> = BTreeMap::new();
    for hold in holds {
        by_name.entry((&hold.path, &hold.name)).or_default().push(hold);
    }
    let mut found = Vec::new();
    for holds in by_name.values_mut() {
        holds.sort_by_key(|hold| hold.fence);
        for (index, old) in holds.iter().enumerate() {
            for new in holds.iter().skip(index + 1).filter(|new| new.uid != old.uid) {
                found.extend(compare(old, new));
            }
        }
    }
    found
}

fn compare(old: &Hold, new: &Hold) -> Option<Violation> {
    let (kind, text) = if new.fence == old.fence {
        let text = format!("{} and {} both have fence {}", old.uid, new.uid, old.fence);
        (Kind::FenceOrder, text)
    } else if new.first > old.until {
        return None;
    } else if new.until < old.first {
        let text = format!(
            "{} with fence {} used it before {} with the smaller fence {}",
            new.uid, new.fence, old.uid, old.fence
        );
        (Kind::FenceOrder, text)
    } else {
        let proof = if new.first <= old.last { "both used it" } else { "both might have used it" };
        let overlap = boottime::between(new.first.max(old.first), old.until.min(new.until));
        let text = format!(
            "{proof} for {overlap:?}: {} with fence {} until {}, {} with fence {} from {}",
            old.uid, old.fence, old.until, new.uid, new.fence, new.first
        );
        (Kind::Overlap, text)
    };
    let (path, name) = (new.path.clone(), new.name.clone());
    Some(Violation { kind, at: new.first, path, name, fence: old.fence, text })
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use cairn_core::claim::Fence;

    use super::*;

    pub(crate) fn hold(uid: &str, revision: i64, first: u64, until: u64) -> Hold {
        Hold {
            uid: uid.to_owned(),
            path: "/p/".to_owned(),
            pool: "nodes".to_owned(),
            name: "1".to_owned(),
            fence: Fence { epoch: 1, revision },
            incarnation: 1,
            first,
            last: until - 1,
            until,
            renewals: 0,
            unrenewed: Duration::ZERO,
        }
    }

    fn kinds(holds: &[Hold]) -> Vec<Kind> {
        check(holds).into_iter().map(|violation| violation.kind).collect()
    }

    #[test]
    fn holders_that_follow_one_another_are_no_violation() {
        assert!(kinds(&[hold("a", 3, 10, 20), hold("b", 5, 21, 30)]).is_empty());
    }

    #[test]
    fn a_use_before_the_deadline_of_the_earlier_holder_is_an_overlap() {
        assert_eq!(kinds(&[hold("a", 3, 10, 20), hold("b", 5, 20, 30)]), [Kind::Overlap]);
        assert_eq!(kinds(&[hold("a", 3, 10, 40), hold("b", 5, 20, 30)]), [Kind::Overlap]);
    }

    #[test]
    fn two_holds_of_one_pod_are_no_overlap() {
        assert!(kinds(&[hold("a", 3, 10, 20), hold("a", 5, 15, 30)]).is_empty());
    }

    #[test]
    fn holds_of_different_names_or_paths_are_no_overlap() {
        let mut other = hold("b", 5, 15, 30);
        other.name = "2".to_owned();
        assert!(kinds(&[hold("a", 3, 10, 20), other.clone()]).is_empty());
        other.name = "1".to_owned();
        other.path = "/q/".to_owned();
        assert!(kinds(&[hold("a", 3, 10, 20), other]).is_empty());
    }

    #[test]
    fn fences_follow_the_order_of_use() {
        assert!(kinds(&[hold("a", 9, 10, 20), hold("b", 5, 3, 8)]).is_empty());
        assert_eq!(kinds(&[hold("a", 9, 3, 8), hold("b", 5, 10, 20)]), [Kind::FenceOrder]);
        assert_eq!(kinds(&[hold("a", 5, 3, 8), hold("b", 5, 10, 20)]), [Kind::FenceOrder]);
    }
}
