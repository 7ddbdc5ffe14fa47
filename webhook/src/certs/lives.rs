//! How long certificates and the steps of a rotation last.

use std::time::Duration;

use cairn_core::duration;
use cairn_core::time::UnixMillis;
use thiserror::Error;

/// Long enough for years without maintenance. The key of an authority is in a Secret that only the webhook reads.
const AUTHORITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Short, so that a stolen leaf is useless soon; long enough to outlast a cluster that stands still over holidays.
const LEAF: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sidecars hold the bundle of their last enrolment, which they renew within hours. After a week every living one knows
/// the new authority, also one whose webhook was unreachable for days.
const ANNOUNCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// No leaf of an authority outlives its retirement by more than [`LEAF`], even one of a replica that hears nothing.
const RETAIN: Duration = Duration::from_secs(7 * 24 * 3600);
/// API servers read webhook configurations from caches, which are seconds behind at most.
const SETTLE: Duration = Duration::from_secs(10);

/// A rollout that changes the source of certificates takes minutes, and its old and new replicas need each other's
/// authority in the bundles until its end.
const LINGER: Duration = Duration::from_secs(600);
/// Watches report what changes. The check of everything in this period is for what a watch has missed.
const RECHECK: Duration = Duration::from_secs(300);

/// The settings of the certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// The life of an authority. When a third of it is left, its successor is announced.
    pub authority: Duration,
    /// The life of a leaf. It is renewed at half of it.
    pub leaf: Duration,
    /// How long a new authority is in the bundle before it signs.
    pub announce: Duration,
    /// How long an authority stays in the bundle after its successor has begun to sign.
    pub retain: Duration,
    /// How long a bundle has been in the configurations before a leaf may depend on it.
    pub settle: Duration,
    /// How long an authority that is not ours stays in the configurations beside ours.
    pub linger: Duration,
}

/// Why lives were refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LivesError {
    /// Not `NAME=DURATION`.
    #[error(
        "'{0}' is not a life of certificates; write it like \
         authority=90d,leaf=7d,announce=7d,retain=7d,settle=10s,linger=10m"
    )]
    Form(String),
    /// A successor would sign too late.
    #[error(
        "announce (or settle, if longer) and half of leaf (or twice settle) together must be shorter than a third of \
         authority, so that a new authority is known everywhere before the old one ends"
    )]
    Announce,
    /// A leaf would outlive its authority in the bundle.
    #[error("retain must be at least leaf, so that no served leaf loses its authority")]
    Retain,
    /// X.509 counts in seconds.
    #[error("authority and leaf must be at least 2s")]
    Short,
}

// === impl Lives ===

impl Default for Lives {
    fn default() -> Self {
        Self {
            authority: AUTHORITY,
            leaf: LEAF,
            announce: ANNOUNCE,
            retain: RETAIN,
            settle: SETTLE,
            linger: LINGER,
        }
    }
}

impl Lives {
    /// The defaults with the lives that `text` names.
    pub fn parse(text: &str) -> Result<Self, LivesError> {
        let mut lives = Self::default();
        for part in text.split(',').map(str::trim) {
            let wrong = || LivesError::Form(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let value = duration::parse(value).map_err(|_| wrong())?;
            let field = match name {
                "authority" => &mut lives.authority,
                "leaf" => &mut lives.leaf,
                "announce" => &mut lives.announce,
                "retain" => &mut lives.retain,
                "settle" => &mut lives.settle,
                "linger" => &mut lives.linger,
                _ => return Err(wrong()),
            };
            *field = value;
        }
        if lives.authority.min(lives.leaf) < Duration::from_secs(2) {
            return Err(LivesError::Short);
        }
        if !lives.can_announce() {
            return Err(LivesError::Announce);
        }
        if lives.retain < lives.leaf {
            return Err(LivesError::Retain);
        }
        Ok(lives)
    }

    /// When the successor of an authority with this validity is due. An authority that lives longer than the settings
    /// say is replaced at the age at which one of ours would be.
    pub fn successor_due(&self, made: UnixMillis, not_after: UnixMillis) -> UnixMillis {
        let by_age = made.after(self.authority / 3 * 2);
        let whole = Duration::from_millis(u64::try_from(not_after.0 - made.0).unwrap_or(0));
        let by_end = not_after.before(self.authority.min(whole) / 3);
        by_age.min(by_end)
    }

    /// Whether an authority that ends then must be replaced without waiting for its successor to be known everywhere:
    /// it cannot sign leaves of a useful life any more.
    pub fn is_urgent(&self, not_after: UnixMillis, now: UnixMillis) -> bool {
        not_after <= now.after(self.urgency())
    }

    /// The longest pause between two checks of everything.
    pub fn recheck(&self) -> Duration {
        (self.leaf / 8).min(RECHECK)
    }

    fn urgency(&self) -> Duration {
        (self.leaf / 2).max(self.settle * 2)
    }

    fn can_announce(&self) -> bool {
        self.announce.max(self.settle) + self.urgency() < self.authority / 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

    #[test]
    fn compressed_lives_are_read_and_lives_that_cannot_overlap_are_refused() {
        let lives =
            Lives::parse("authority=36s, leaf=12s,announce=4s,retain=12s,settle=2s").unwrap();
        assert_eq!((lives.authority.as_secs(), lives.settle.as_secs()), (36, 2));
        for (text, error) in [
            ("ca=1h", LivesError::Form("ca=1h".into())),
            ("leaf", LivesError::Form("leaf".into())),
            ("leaf=soon", LivesError::Form("leaf=soon".into())),
            ("leaf=1s", LivesError::Short),
            ("authority=20d", LivesError::Announce),
            ("retain=6d", LivesError::Retain),
        ] {
            assert_eq!(Lives::parse(text), Err(error), "{text}");
        }
        let lives = Lives::default();
        assert!(lives.can_announce() && lives.retain >= lives.leaf);
    }

    #[test]
    fn a_successor_is_due_at_two_thirds_of_the_life_also_of_an_authority_that_is_not_ours() {
        let lives = Lives::parse("authority=36s,leaf=6s,announce=4s,retain=6s,settle=2s").unwrap();
        let at = |seconds: u64| NOW.after(Duration::from_secs(seconds));
        assert_eq!(lives.successor_due(NOW, at(36)), at(24));
        assert_eq!(lives.successor_due(NOW, at(3600)), at(24), "it lives longer than ours");
        assert_eq!(lives.successor_due(NOW, at(9)), at(6), "it lives shorter than ours");
        assert!(lives.is_urgent(at(4), NOW) && !lives.is_urgent(at(5), NOW));
    }
}
