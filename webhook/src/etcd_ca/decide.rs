//! The decision: from what the Secret holds, and what this process knows, to the next step. Pure.
//!
//! What the Secret holds wins whenever it can be used: so all processes end up with the same authorities. What this
//! process knows is only for a Secret that is gone or cannot be used.

use cairn_core::time::UnixMillis;
use thiserror::Error;

use super::authorities::{Authorities, Data, Flawed};
use super::issuer::IssueError;
use super::lives::Lives;

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Use what the Secret holds.
    Use(Authorities),
    /// Write these over what was read.
    Write(Authorities, Why),
}

/// Why the Secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There were none.
    Made,
    /// An issuer was due.
    Renewed,
    /// The Secret was gone or could not be used.
    Restored,
}

/// Why there is no step.
#[derive(Debug, Error)]
pub enum DecideError {
    /// The Secret cannot be used, and what it held is not known.
    #[error(transparent)]
    Flawed(#[from] Flawed),
    /// Nothing could be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// The next step. `found` is `None` when there is no Secret.
pub fn decide(
    found: Option<&Data>,
    known: Option<&Authorities>,
    lives: &Lives,
    now: UnixMillis,
) -> Result<Step, DecideError> {
    let present = match (found.map(Authorities::read), known) {
        (Some(Ok(present)), _) => present,
        (Some(Err(_)) | None, Some(known)) => {
            return Ok(Step::Write(known.renewed(lives, now)?, Why::Restored));
        }
        (None, None) => return Ok(Step::Write(Authorities::new(lives, now)?, Why::Made)),
        (Some(Err(flawed)), None) => return Err(flawed.into()),
    };
    if present.is_due(lives, now) {
        return Ok(Step::Write(present.renewed(lives, now)?, Why::Renewed));
    }
    Ok(Step::Use(present))
}

// === impl Why ===

impl Why {
    /// What was done, for log lines.
    pub fn message(self) -> &'static str {
        match self {
            Self::Made => "made new authorities for etcd",
            Self::Renewed => "replaced an issuer of etcd's certificates",
            Self::Restored => "restored the authorities of etcd",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn at(found: Option<&Data>, known: Option<&Authorities>, now: UnixMillis) -> Step {
        decide(found, known, &Lives::default(), now).unwrap()
    }

    fn authorities() -> Authorities {
        Authorities::new(&Lives::default(), NOW).unwrap()
    }

    #[test]
    fn new_authorities_are_made_only_when_there_are_none_and_none_are_known() {
        assert!(matches!(at(None, None, NOW), Step::Write(_, Why::Made)));
        let known = authorities();
        let restored = Step::Write(known.clone(), Why::Restored);
        assert_eq!(at(None, Some(&known), NOW), restored);
        assert_eq!(at(Some(&Data::new()), Some(&known), NOW), restored);
        let refused = decide(Some(&Data::new()), None, &Lives::default(), NOW).unwrap_err();
        assert!(refused.to_string().contains("clients-root.crt"), "{refused}");
    }

    #[test]
    fn what_the_secret_holds_wins_over_what_is_known() {
        let (found, known) = (authorities(), authorities());
        assert_eq!(at(Some(&found.data()), Some(&known), NOW), Step::Use(found));
    }

    #[test]
    fn issuers_are_replaced_when_they_are_due_also_when_the_secret_is_restored() {
        let first = authorities();
        let later = NOW.after(61 * DAY);
        for (found, known, why) in
            [(Some(first.data()), None, Why::Renewed), (None, Some(&first), Why::Restored)]
        {
            let Step::Write(second, reason) = at(found.as_ref(), known, later) else {
                panic!("not written");
            };
            assert_eq!(reason, why);
            assert!(second.same_roots(&first));
            assert_ne!(second.clients.issuer, first.clients.issuer);
            assert_ne!(second.members.issuer, first.members.issuer);
            assert_eq!(at(Some(&second.data()), None, later), Step::Use(second));
        }
    }
}
