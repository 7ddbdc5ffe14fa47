//! Names of etcd users.

use std::fmt::{self, Write as _};

use ring::digest::{SHA256, digest};

use crate::prefix::KeyPrefix;

/// The longest common name of a certificate (RFC 5280, ub-common-name). OpenSSL refuses longer ones.
const MAX_LEN: usize = 64;

/// How much of the digest is in a name, in bytes. Another namespace with the same beginning and the same 96 bits of a
/// digest cannot be found.
const DIGEST_BYTES: usize = 12;

/// The beginning of all names but root's. No namespace's name has a colon, so that the parts cannot be confused.
pub(crate) const MARK: &str = "cairn:";

/// The name of an etcd user, and of its role. At most 64 characters, because it is the common name of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

// === impl UserName ===

impl UserName {
    /// The user who may do everything: the webhook, members of the bundled etcd, administrators.
    pub fn root() -> Self {
        Self("root".to_owned())
    }

    /// The user of a namespace's pods: `cairn:<namespace>` with the default key prefix. A name that would be too long,
    /// or that would be the same with another key prefix, is cut and gets a digest of prefix and namespace.
    pub fn of(prefix: &KeyPrefix, namespace: &str) -> Self {
        let plain = format!("{MARK}{namespace}");
        if prefix.is_default() && plain.len() <= MAX_LEN {
            return Self(plain);
        }
        let digest = short_digest(&format!("{prefix}\n{namespace}"));
        let room = MAX_LEN.saturating_sub(MARK.len() + 1 + digest.len());
        let cut: String = namespace.chars().filter(char::is_ascii).take(room).collect();
        Self(format!("{MARK}{cut}:{digest}"))
    }

    /// The namespace, if the name itself tells: it was neither cut nor made for another key prefix.
    pub(crate) fn namespace(name: &str) -> Option<&str> {
        name.strip_prefix(MARK).filter(|namespace| !namespace.contains(':'))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The beginning of a SHA-256, in hex.
pub(super) fn short_digest(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().take(DIGEST_BYTES).fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_after_its_namespace_and_the_name_fits_into_a_certificate() {
        let default = KeyPrefix::default();
        assert_eq!(UserName::of(&default, "shop").as_str(), "cairn:shop");
        assert_eq!(UserName::namespace("cairn:shop"), Some("shop"));
        let longest_plain = "n".repeat(58);
        assert_eq!(
            UserName::of(&default, &longest_plain).as_str(),
            format!("cairn:{longest_plain}")
        );
        for length in 59..=63 {
            let name = UserName::of(&default, &"n".repeat(length));
            assert_eq!(name.as_str().len(), MAX_LEN, "{name}");
            assert_eq!(UserName::namespace(name.as_str()), None);
        }
    }

    #[test]
    fn two_namespaces_and_two_key_prefixes_never_share_a_user() {
        let (default, other) = (KeyPrefix::default(), "/teams/shop/".parse().unwrap());
        let long = |end: &str| format!("{}{end}", "n".repeat(60));
        let names = [
            UserName::of(&default, &long("a")),
            UserName::of(&default, &long("b")),
            UserName::of(&other, &long("a")),
            UserName::of(&default, "shop"),
            UserName::of(&other, "shop"),
            UserName::root(),
        ];
        let distinct: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        assert!(names.iter().all(|name| name.as_str().len() <= MAX_LEN));
        assert_eq!(UserName::of(&other, "shop"), names[4].clone(), "the same at every replica");
    }
}
