//! What keys and tokens look like. Pure.

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A private key: in PEM, or in base64 without PEM.
    PrivateKey,
    /// A JSON web token, such as the token of a service account.
    Token,
    /// A header with a token of any form.
    Bearer,
}

/// Where in a line it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    at: usize,
}

/// What begins a private key: PEM, base64 of such PEM, and base64 of PKCS#8 with a P-256 key.
const PRIVATE_KEYS: [&str; 8] = [
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "LS0tLS1CRUdJTiBQUklWQVRFIEtFW",
    "LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFW",
    "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRV",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH",
];

/// The shortest part of a token, and the shortest value of a header, that can be real.
const SHORTEST: usize = 8;
const SHORTEST_BEARER: usize = 16;
/// How much of a finding and of what is before it is shown.
const SHOWN: usize = 8;
const SHOWN_BEFORE: usize = 120;

/// Everything in a line that looks like a key or a token. A token in a header is found twice.
pub fn find(line: &str) -> Vec<Found> {
    let keys = PRIVATE_KEYS.iter().flat_map(|key| at(line, key, Kind::PrivateKey, |_| true));
    let tokens = at(line, "eyJ", Kind::Token, is_token);
    let lower = line.to_ascii_lowercase();
    let bearers: Vec<_> = at(&lower, "bearer", Kind::Bearer, is_bearer).collect();
    keys.chain(tokens).chain(bearers).collect()
}

fn at<'a>(
    line: &'a str,
    beginning: &'a str,
    kind: Kind,
    is: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Found> + 'a {
    line.match_indices(beginning)
        .filter(move |(at, _)| line.get(*at..).is_some_and(&is))
        .map(move |(at, _)| Found { kind, at })
}

/// Three parts of base64url, joined by dots.
fn is_token(text: &str) -> bool {
    let end = text.find(|c: char| !(is_base64url(c) || c == '.')).unwrap_or(text.len());
    let parts: Vec<&str> = text.get(..end).unwrap_or_default().split('.').collect();
    parts.len() >= 3 && parts.iter().take(3).all(|part| part.len() >= SHORTEST)
}

/// `Bearer` and a value; a word of a sentence is shorter.
fn is_bearer(text: &str) -> bool {
    let after = text.strip_prefix("bearer").unwrap_or_default();
    let value = after.trim_start();
    let rest = value.trim_start_matches(|c: char| is_base64url(c) || "./+=~".contains(c));
    value.len() < after.len() && value.len() - rest.len() >= SHORTEST_BEARER
}

fn is_base64url(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

// === impl Found ===

impl Found {
    /// The end of what is before it in the line, and its first characters.
    pub fn shown(&self, line: &str) -> String {
        let (before, found) = line.split_at_checked(self.at).unwrap_or_default();
        let skipped = before.chars().count().saturating_sub(SHOWN_BEFORE);
        let before: String = before.chars().skip(skipped).collect();
        let beginning: String = found.chars().take(SHOWN).collect();
        format!("{before}{beginning}…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlLXBsYW50ZWQ";

    fn kinds(line: &str) -> Vec<Kind> {
        find(line).iter().map(|found| found.kind).collect()
    }

    #[test]
    fn private_keys_are_found_in_pem_and_in_base64() {
        for line in [
            "-----BEGIN PRIVATE KEY-----",
            r#"{"msg":"key -----BEGIN EC PRIVATE KEY-----\nMHcC"}"#,
            "key: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JR0hBZ0VB",
            "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg",
        ] {
            assert_eq!(kinds(line), [Kind::PrivateKey], "{line}");
        }
        for line in [
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
        ] {
            assert_eq!(kinds(line), [], "{line}");
        }
    }

    #[test]
    fn tokens_are_found_and_other_dotted_words_are_not() {
        assert_eq!(kinds(&format!("token={TOKEN}")), [Kind::Token]);
        assert_eq!(kinds(&format!("\"{TOKEN}\"")), [Kind::Token]);
        for line in [
            "eyJhbGciOiJub25lIn0",
            "eyJ.a.b",
            "eyJhbGciOi.eyJzdWIiO",
            "cairn-etcd-0.cairn-etcd.svc",
        ] {
            assert_eq!(kinds(line), [], "{line}");
        }
    }

    #[test]
    fn headers_are_found_and_sentences_are_not() {
        assert_eq!(kinds("Authorization: Bearer abcdefghijklmnop"), [Kind::Bearer]);
        assert_eq!(kinds(&format!("authorization: bearer {TOKEN}")), [Kind::Token, Kind::Bearer]);
        for line in ["the bearer token is missing", "bearerabcdefghijklmnop", "forbearer", "bearer"]
        {
            assert_eq!(kinds(line), [], "{line}");
        }
    }

    #[test]
    fn a_finding_shows_where_it_is_and_hides_most_of_it() {
        let line = format!("a.log:2026 stdout F token={TOKEN}");
        assert_eq!(find(&line)[0].shown(&line), "a.log:2026 stdout F token=eyJhbGci…");
    }
}
