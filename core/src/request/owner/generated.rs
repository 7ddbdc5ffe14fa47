//! Recognises generated suffixes of names: random characters, hashes, dates, times and UUIDs.

/// Kubernetes' alphabet for random names (`k8s.io/apimachinery/pkg/util/rand`): without vowels, so that no words arise,
/// and without characters that are easily confused.
const ALPHABET: &str = "bcdfghjklmnpqrstvwxz2456789";

/// `generateName: mail-` becomes `mail-` and this many characters (`k8s.io/apiserver/pkg/storage/names`).
const RANDOM_LEN: usize = 5;

/// Kubernetes cuts a longer `generateName` to this many characters, so that the name has at most 63.
const GENERATE_NAME_LEN: usize = 58;

/// Seconds since 1970 have ten digits until the year 2286.
const SECONDS_DIGITS: usize = 10;

/// This many digits are more likely a date or a time than a number that a user counts up.
const LIKELY_DIGITS: usize = 8;

/// Hashes are usually shortened to seven or eight characters.
const LIKELY_HEX: usize = 7;

/// The longest suffix that Kubernetes' own controllers make from [`ALPHABET`].
const LONGEST_RANDOM: usize = 10;

/// The name without the five characters that Kubernetes appends to a `generateName`. `None` when it does not end in
/// such characters, or when it was not made `from` this `generateName`.
pub(super) fn without_random_suffix<'a>(name: &'a str, from: Option<&str>) -> Option<&'a str> {
    let (base, random) = name.split_at_checked(name.len().checked_sub(RANDOM_LEN)?)?;
    if !random.chars().all(|c| ALPHABET.contains(c)) {
        return None;
    }
    match from {
        Some(from) => (from.get(..GENERATE_NAME_LEN).unwrap_or(from) == base).then_some(())?,
        // The `generateName` is not known. Then a hyphen before the suffix is required.
        None => base.ends_with('-').then_some(())?,
    }
    stem(base)
}

/// The name without a Unix time in seconds, as a `CronWorkflow` appends it.
pub(super) fn without_unix_seconds(name: &str) -> Option<&str> {
    let (base, digits) = name.rsplit_once('-')?;
    let is_time = digits.len() == SECONDS_DIGITS && digits.bytes().all(|c| c.is_ascii_digit());
    is_time.then(|| stem(base))?
}

/// The name without its last part, when that part looks like random characters, a hash, a date or a time. In doubt it
/// is `None`: it is used for a hint only.
pub(super) fn without_likely_suffix(name: &str) -> Option<&str> {
    if let Some(base) = without_uuid(name) {
        return stem(base);
    }
    let (base, part) = name.rsplit_once('-')?;
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let mixed = digits > 0 && digits < part.len();
    let random = mixed
        && (RANDOM_LEN..=LONGEST_RANDOM).contains(&part.len())
        && part.chars().all(|c| ALPHABET.contains(c));
    let hash = mixed
        && part.len() >= LIKELY_HEX
        && part.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    let time = digits == part.len() && digits >= LIKELY_DIGITS;
    (random || hash || time).then(|| stem(base))?
}

/// The name without a UUID: `a` of `a-0b5e6c1e-8f0a-4c55-9d4e-5a1f3f6f8a11`.
fn without_uuid(name: &str) -> Option<&str> {
    const GROUPS: [usize; 5] = [12, 4, 4, 4, 8];
    let mut base = name;
    for len in GROUPS {
        let (rest, part) = base.rsplit_once('-')?;
        if part.len() != len || !part.bytes().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        base = rest;
    }
    Some(base)
}

/// The name without the separator at its end; `None` when nothing is left.
fn stem(base: &str) -> Option<&str> {
    let stem = base.trim_end_matches(['-', '.']);
    (!stem.is_empty()).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_random_characters_are_removed_from_a_name_that_was_made_from_the_generate_name() {
        for (name, from, stem) in [
            ("mail-batch-x7k2p", "mail-batch-", "mail-batch"),
            ("worker-fffff", "worker-", "worker"),
            ("mailx7k2p", "mail", "mail"),
            ("a.b.x7k2p", "a.b.", "a.b"),
        ] {
            assert_eq!(without_random_suffix(name, Some(from)), Some(stem), "{name}");
        }
        let long = "l".repeat(70);
        let name = format!("{}x7k2p", &long[..58]);
        assert_eq!(without_random_suffix(&name, Some(&long)), Some(&long[..58]));
    }

    #[test]
    fn nothing_is_removed_from_a_name_that_was_not_made_from_the_generate_name() {
        for (name, from) in [
            ("mail-batch-x7k2p", "mail-"),
            ("mail-batch-x7k2a", "mail-batch-"),
            ("other-x7k2p", "mail-"),
            ("x7k2p", ""),
            ("-x7k2p", "-"),
            ("x7", "x"),
            ("mail-é7k2p", "mail-"),
        ] {
            assert_eq!(without_random_suffix(name, Some(from)), None, "{name}");
        }
        assert_eq!(without_random_suffix("mailx7k2p", None), None);
        assert_eq!(without_random_suffix("mail-x7k2p", None), Some("mail"));
    }

    #[test]
    fn suffixes_that_look_generated_are_recognised() {
        for name in [
            "mail-x7k2p",
            "mail-7d9f6b5c48",
            "mail-1a2b3c4d5e6f",
            "mail-20161121",
            "mail-1795228678",
            "mail-0b5e6c1e-8f0a-4c55-9d4e-5a1f3f6f8a11",
        ] {
            assert_eq!(without_likely_suffix(name), Some("mail"), "{name}");
        }
    }

    #[test]
    fn names_that_users_give_to_workloads_do_not_look_generated() {
        for name in [
            "worker-fffff",
            "dump-pgsql",
            "mail-batch",
            "mail-2",
            "import-2026",
            "build-45892",
            "api-v1beta1",
            "python-py311",
            "cafe-facade",
            "node-k8s",
            "x7k2p",
            "-x7k2p",
        ] {
            assert_eq!(without_likely_suffix(name), None, "{name}");
        }
    }
}
