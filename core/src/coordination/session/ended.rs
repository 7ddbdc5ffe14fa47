//! Since when owners' sessions are known to have ended, and when others may take over from them.
//!
//! Invariant: a takeover delay is counted from the instant at which this process received what shows the end: an answer
//! or event at a revision not below that of the grant. It is never counted from an earlier instant.

use std::collections::BTreeMap;

use crate::coordination::member::SessionId;
use crate::coordination::owner::Granted;
use crate::coordination::picture::Known;
use crate::time::BootInstant;

/// Sessions that have ended while they owned something.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    seen: BTreeMap<(String, SessionId), Seen>,
    round: u64,
    /// Members of whom less is known than of a grant that names them, and the lowest revision of such a grant.
    behind: BTreeMap<String, i64>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: BootInstant,
    /// The last survey that asked.
    round: u64,
}

// === impl Ended ===

impl Ended {
    /// A survey begins.
    pub(super) fn begin(&mut self) {
        self.round += 1;
        self.behind.clear();
    }

    /// Whether the watch has come so far meanwhile that another survey shows since when something may be taken over.
    pub(super) fn is_outdated(&self, known: &Known) -> bool {
        self.behind.iter().any(|(uid, revision)| known.member_at(uid) >= *revision)
    }

    /// A survey has ended: forgets sessions that own nothing any more.
    pub(super) fn finish(&mut self) {
        let round = self.round;
        self.seen.retain(|_, seen| seen.round == round);
    }

    /// When what this grant names may be taken over. The caller has seen that its session is not there. `None` while
    /// what is known of the session is older than the grant.
    pub(super) fn available_at(
        &mut self,
        now: BootInstant,
        known: &Known,
        granted: &Granted,
        own_uid: &str,
    ) -> Option<BootInstant> {
        let grant = &granted.grant;
        // Of another epoch: the hold has waited for it. Of our own pod: processes of a pod speak to one app.
        if known.picture().epoch != Some(grant.session.epoch) || grant.uid == own_uid {
            return Some(BootInstant::default());
        }
        if known.member_at(&grant.uid) < granted.revision {
            let behind = self.behind.entry(grant.uid.clone()).or_insert(granted.revision);
            *behind = granted.revision.min(*behind);
            return None;
        }
        let key = (grant.uid.clone(), grant.session);
        let seen = self.seen.entry(key).or_insert(Seen { at: now, round: 0 });
        seen.round = self.round;
        Some(seen.at.after(grant.validity_ms.takeover_delay()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::owner::{Grant, Ownable};
    use crate::coordination::picture::Picture;
    use crate::coordination::validity::Validity;

    #[test]
    fn a_delay_begins_when_as_much_is_known_of_the_owner_as_of_its_grant() {
        let session = SessionId { epoch: 1, revision: 25 };
        let grant = Grant { uid: "b".into(), session, validity_ms: Validity::DEFAULT };
        let granted = Granted { grant: grant.into(), revision: 30 };
        let mut known = Known::new("a".into());
        known.read(Picture { revision: 10, epoch: Some(1), ..Picture::default() });
        // A refused write has shown it. Its owner has come after what is known of members.
        known.set_owner(Ownable::Shard(3), Some(granted.clone()), 30);
        let (mut ended, now) = (Ended::default(), BootInstant::from_nanos(5));
        ended.begin();
        assert_eq!(ended.available_at(now, &known, &granted, "a"), None);
        assert!(!ended.is_outdated(&known));
        // It has left since, so the picture is the same.
        let (before, shards) = (known.basis(), [(3, granted.clone())].into());
        known.read(Picture { revision: 40, epoch: Some(1), shards, ..Picture::default() });
        assert_eq!(known.basis(), before);
        assert!(ended.is_outdated(&known));
        ended.begin();
        let delay = Validity::DEFAULT.takeover_delay();
        assert_eq!(ended.available_at(now, &known, &granted, "a"), Some(now.after(delay)));
        assert!(!ended.is_outdated(&known));
    }
}
