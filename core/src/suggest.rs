//! "Did you mean …": the nearest known word to a mistyped one.

use strsim::levenshtein;

/// A candidate with more edits is not similar enough to be a helpful suggestion.
const MAX_EDITS: usize = 3;

/// The candidate nearest to `word`, when it is near enough to be what the user meant.
pub fn nearest<'a, I>(word: &str, candidates: I) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a str>,
{
    candidates
        .into_iter()
        .map(|candidate| (levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= MAX_EDITS.min(candidate.len() / 2))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_recognised_and_a_different_word_is_not() {
        let pools = ["mountains", "snowflake"];
        assert_eq!(nearest("montains", pools), Some("mountains"));
        assert_eq!(nearest("teas", pools), None);
    }
}
