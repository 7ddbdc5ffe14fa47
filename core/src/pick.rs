//! Which slot next: the names of the list that are neither held nor resting, in their order.

use std::collections::HashSet;

use crate::names::Names;

/// The indices of the free names, lowest first; none when the pool is exhausted.
///
/// Lowest free first keeps the set of names in use small, which is what bounds the number of
/// metric series. The ticket with r others before it takes the free name with r others before it.
pub fn free<'a>(
    names: &'a Names,
    held: &'a HashSet<String>,
    resting: &'a HashSet<String>,
) -> impl Iterator<Item = usize> + Clone + 'a {
    (0..names.len()).filter(|index| {
        names.key(*index).is_some_and(|key| !held.contains(&*key) && !resting.contains(&*key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Range;

    fn keys(keys: &[&str]) -> HashSet<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn names_neither_held_nor_resting_are_free_lowest_first() {
        let names = Names::Range(Range { from: 5, to: 8, prefix: String::new(), width: 3 });
        let free = |held: &[&str], resting: &[&str]| {
            free(&names, &keys(held), &keys(resting)).collect::<Vec<_>>()
        };
        assert_eq!(free(&[], &[]), [0, 1, 2, 3]);
        assert_eq!(free(&["5", "7"], &["6"]), [3]);
        assert!(free(&["5", "6", "7", "8"], &[]).is_empty());
    }
}
