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
    pub(super) const fn begin(&mut self) {
        self.round += 1;
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
            return None;
        }
        let key = (grant.uid.clone(), grant.session);
        let seen = self.seen.entry(key).or_insert(Seen { at: now, round: 0 });
        seen.round = self.round;
        Some(seen.at.after(grant.validity_ms.takeover_delay()))
    }
}
