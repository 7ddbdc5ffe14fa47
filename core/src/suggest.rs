//! "Did you mean …": the nearest known word to a mistyped one.

/// More edits than this and a suggestion would only confuse.
const MAX_EDITS: usize = 3;

/// The candidate nearest to `word`, when it is near enough to be what somebody meant.
pub fn nearest<'a, I>(word: &str, candidates: I) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a str>,
{
    candidates
        .into_iter()
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= MAX_EDITS.min(candidate.len() / 2))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance, by rows.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let best = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_textbook() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("same", "same"), 0);
    }

    #[test]
    fn a_typo_is_recognised_and_a_different_word_is_not() {
        let pools = ["mountains", "snowflake"];
        assert_eq!(nearest("montains", pools), Some("mountains"));
        assert_eq!(nearest("teas", pools), None);
    }
}
