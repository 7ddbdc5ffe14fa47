//! Which names of a pool are free: those that are neither held nor in quarantine, in the order of the pool's list.

use std::collections::{HashMap, HashSet};

use crate::names::Names;
use crate::time::UnixMillis;

/// The indices of the free names, lowest first; empty when the pool is exhausted.
///
/// The lowest free name is claimed first: this keeps the set of names in use small, and with it the number of metric
/// series. The ticket of rank r gets the r-th free name, counted from zero.
pub fn free<'a>(
    names: &'a Names,
    held: &'a HashSet<String>,
    quarantined: &'a HashSet<String>,
) -> impl Iterator<Item = usize> + Clone + 'a {
    (0..names.len()).filter(|index| {
        names.key(*index).is_some_and(|key| !held.contains(&*key) && !quarantined.contains(&*key))
    })
}

/// The first free name without a reservation that lasts until `now` or longer. When all free names have such a
/// reservation, the name whose reservation ends first.
pub fn soonest(
    names: &Names,
    held: &HashSet<String>,
    quarantined: &HashSet<String>,
    reserved: &HashMap<String, UnixMillis>,
    now: UnixMillis,
) -> Option<usize> {
    let until = |index: usize| {
        let key = names.key(index)?;
        reserved.get(&*key).copied().filter(|until| *until >= now)
    };
    free(names, held, quarantined).min_by_key(|index| (until(*index), *index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Range;

    fn keys(keys: &[&str]) -> HashSet<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn names_neither_held_nor_quarantined_are_free_lowest_first() {
        let names = Names::Range(Range { from: 5, to: 8, prefix: String::new(), width: 3 });
        let free = |held: &[&str], quarantined: &[&str]| {
            free(&names, &keys(held), &keys(quarantined)).collect::<Vec<_>>()
        };
        assert_eq!(free(&[], &[]), [0, 1, 2, 3]);
        assert_eq!(free(&["5", "7"], &["6"]), [3]);
        assert!(free(&["5", "6", "7", "8"], &[]).is_empty());
    }

    #[test]
    fn a_name_that_needs_no_wait_for_reserved_time_comes_first() {
        let names = Names::Range(Range { from: 5, to: 8, prefix: String::new(), width: 3 });
        let soonest = |held: &[&str], reserved: &[(&str, i64)]| {
            let reserved: HashMap<_, _> = reserved
                .iter()
                .map(|(key, until)| ((*key).to_owned(), UnixMillis(*until)))
                .collect();
            super::soonest(&names, &keys(held), &keys(&[]), &reserved, UnixMillis(100))
        };
        assert_eq!(soonest(&[], &[]), Some(0));
        assert_eq!(soonest(&[], &[("5", 99)]), Some(0));
        assert_eq!(soonest(&[], &[("5", 100), ("6", 99)]), Some(1));
        assert_eq!(soonest(&["8"], &[("5", 300), ("6", 200), ("7", 200)]), Some(1));
        assert_eq!(soonest(&["5", "6", "7", "8"], &[]), None);
    }
}
