//! How long certificates live, in one place.

use std::time::Duration;

use cairn_core::duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// etcd reads its roots once, and a member that runs for years never reads them again.
const ROOT: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// An issuer is replaced after 60 days. For the 30 days that are left it verifies the leaves that it has signed.
const ISSUER: Duration = Duration::from_secs(90 * 24 * 3600);
/// A member's leaf is renewed after half of it: a member has days to recover before its certificate ends.
const LEAF: Duration = Duration::from_secs(7 * 24 * 3600);
/// One hour: enough for a maintenance, and a lost file is worthless soon.
const ADMIN: Duration = Duration::from_secs(3600);

/// Spans for which certificates are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// Of a root.
    pub root: Duration,
    /// Of an issuer.
    pub issuer: Duration,
    /// Of a member's leaf, and of the certificates with which the webhook and the members themselves reach etcd.
    pub leaf: Duration,
    /// Of an administrator's certificate.
    pub admin: Duration,
}

/// Flags that shorten the lives, so that a test sees several rotations within a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct LifeArgs {
    /// The life of an issuer of etcd's certificates
    #[arg(
        long,
        env = "CAIRN_ETCD_ISSUER_LIFE",
        value_name = "SPAN",
        hide = true,
        global = true,
        value_parser = span
    )]
    pub etcd_issuer_life: Option<Duration>,
    /// The life of the certificate of a member of etcd
    #[arg(
        long,
        env = "CAIRN_ETCD_LEAF_LIFE",
        value_name = "SPAN",
        hide = true,
        global = true,
        value_parser = span
    )]
    pub etcd_leaf_life: Option<Duration>,
}

// === impl Lives ===

impl Default for Lives {
    fn default() -> Self {
        Self { root: ROOT, issuer: ISSUER, leaf: LEAF, admin: ADMIN }
    }
}

impl Lives {
    /// The life that an issuer still has when it is replaced.
    pub fn issuer_rest(&self) -> Duration {
        self.issuer / 3
    }

    /// The pause between two checks, in which a change that no watch has shown is noticed.
    pub fn pause(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(20);
        const SHORTEST: Duration = Duration::from_secs(1);
        (self.issuer.min(self.leaf) / 60).clamp(SHORTEST, LONGEST)
    }
}

// === impl LifeArgs ===

impl LifeArgs {
    /// The lives with these flags.
    pub fn lives(&self) -> Lives {
        let usual = Lives::default();
        Lives {
            issuer: self.etcd_issuer_life.unwrap_or(usual.issuer),
            leaf: self.etcd_leaf_life.unwrap_or(usual.leaf),
            ..usual
        }
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let span = duration::parse(text).ok().filter(|span| !span.is_zero() && *span <= 400 * DAY);
    span.ok_or_else(|| format!("'{text}' is not a duration up to 400d; write it like 90d or 60s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_flags_the_lives_are_the_documented_ones_and_flags_shorten_them() {
        let usual = LifeArgs::default().lives();
        assert_eq!(usual.issuer, 90 * DAY);
        assert_eq!(usual.issuer_rest(), 30 * DAY);
        assert_eq!(usual.leaf, 7 * DAY);
        assert_eq!(usual.pause(), Duration::from_secs(20));
        let short =
            LifeArgs { etcd_issuer_life: Some(span("30s").unwrap()), ..LifeArgs::default() };
        assert_eq!(short.lives().issuer_rest(), Duration::from_secs(10));
        assert_eq!(short.lives().pause(), Duration::from_secs(1));
        for wrong in ["0s", "5", "500d"] {
            assert!(span(wrong).unwrap_err().contains("write it like 90d"), "{wrong}");
        }
    }
}
