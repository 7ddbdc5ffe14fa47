//! Which slot next: the first name of the list that is neither held nor resting.

use std::collections::HashSet;

use crate::names::Names;

/// The index of the first free name; `None` when the pool is exhausted.
///
/// Lowest free first keeps the set of names in use small, which is what bounds the number of
/// metric series.
pub fn first_free(
    names: &Names,
    held: &HashSet<String>,
    resting: &HashSet<String>,
) -> Option<usize> {
    (0..names.len()).find(|index| {
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
    fn the_lowest_name_that_is_neither_held_nor_resting_is_taken() {
        let names = Names::Range(Range { from: 5, to: 8, prefix: String::new(), width: 3 });
        assert_eq!(first_free(&names, &keys(&[]), &keys(&[])), Some(0));
        assert_eq!(first_free(&names, &keys(&["5", "7"]), &keys(&["6"])), Some(3));
        assert_eq!(first_free(&names, &keys(&["5", "6", "7", "8"]), &keys(&[])), None);
    }
}
