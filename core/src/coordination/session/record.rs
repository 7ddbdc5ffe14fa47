//! What our record should say, beside what it says.

use std::time::Duration;

use super::command::{LONGEST_RECORD, Refusal, UPDATE_PERIOD};
use super::config::Config;
use crate::coordination::member::{ClaimedName, MemberRecord, MemberState};
use crate::time::BootInstant;

/// What our record should say.
#[derive(Clone, Debug)]
pub(super) struct Record {
    wanted: MemberRecord,
    claims: Option<Vec<ClaimedName>>,
    participate: bool,
    /// A session of this process has existed: what the app wants is known here better than in the store.
    begun: bool,
    /// When endpoints or tags were last sent.
    updated: Option<BootInstant>,
}

// === impl Record ===

impl Record {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            wanted: config.record(),
            claims: None,
            participate: config.terms.participate,
            begun: false,
            updated: None,
        }
    }

    /// The record as it should be written. A member whose app has not called yet owns nothing.
    pub(super) fn wanted(&self, awaits_app: bool) -> MemberRecord {
        let mut record = self.wanted.clone();
        if awaits_app && record.state == MemberState::Participant {
            record.state = MemberState::Viewer;
        }
        record
    }

    /// Whether a session with this record may go on in this process: what its grants and deadlines rest on is the same.
    pub(super) fn continues(&self, found: &MemberRecord) -> bool {
        let wanted = &self.wanted;
        found.validity_ms == wanted.validity_ms
            && found.map == wanted.map
            && found.roles == wanted.roles
    }

    /// The record of an earlier process, with our nonce: all else stays as it was.
    pub(super) fn resumed(&self, found: &MemberRecord) -> MemberRecord {
        let (nonce, plan) = (self.wanted.nonce.clone(), self.wanted.plan);
        MemberRecord { nonce, plan, ..found.clone() }
    }

    /// A session begins with this record. The first one of a process goes on with what an earlier process has written.
    pub(super) fn begin(&mut self, written: &MemberRecord) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let draining = self.wanted.state == MemberState::Draining;
        self.wanted = written.clone();
        if let Some(claims) = &self.claims {
            self.wanted.claims.clone_from(claims);
        }
        match self.wanted.state {
            MemberState::Viewer if self.participate => self.wanted.state = MemberState::Participant,
            MemberState::Participant if draining => self.wanted.state = MemberState::Draining,
            MemberState::Viewer | MemberState::Participant | MemberState::Draining => {}
        }
    }

    /// Whether a session of this process has existed.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn set_claims(&mut self, claims: Vec<ClaimedName>) {
        self.wanted.claims.clone_from(&claims);
        self.claims = Some(claims);
    }

    pub(super) fn set_state(&mut self, state: MemberState) -> Result<(), Refusal> {
        use MemberState::{Draining, Participant, Viewer};
        match (self.wanted.state, state) {
            (Viewer, Viewer) | (Participant, Participant) | (Draining, Draining) => {}
            (Viewer, Participant) | (Participant, Draining) => self.wanted.state = state,
            (from @ Viewer, to @ Draining)
            | (from @ Participant, to @ Viewer)
            | (from @ Draining, to @ (Viewer | Participant)) => {
                return Err(Refusal::Transition { from: name(from), to: name(to) });
            }
        }
        Ok(())
    }

    pub(super) fn set_endpoint(
        &mut self,
        key: String,
        value: Option<String>,
    ) -> Result<(), Refusal> {
        self.change(|record| put(&mut record.endpoints, key, value))
    }

    pub(super) fn set_tag(&mut self, key: String, value: Option<String>) -> Result<(), Refusal> {
        self.change(|record| put(&mut record.tags, key, value))
    }

    pub(super) const fn resign(&mut self) {
        self.wanted.resigned = true;
    }

    /// Another member leads: the resignation has done its work, and this member may lead again.
    pub(super) const fn end_resignation(&mut self) {
        self.wanted.resigned = false;
    }

    /// Gives everything away, for good.
    pub(super) fn drain(&mut self) {
        if self.wanted.state == MemberState::Participant {
            self.wanted.state = MemberState::Draining;
        }
    }

    /// When the record has to be written: `None` when it says what it should.
    pub(super) fn due(
        &self,
        written: &MemberRecord,
        awaits_app: bool,
        now: BootInstant,
    ) -> Option<BootInstant> {
        let wanted = self.wanted(awaits_app);
        if wanted == *written {
            return None;
        }
        let slow = MemberRecord {
            endpoints: written.endpoints.clone(),
            tags: written.tags.clone(),
            ..wanted
        };
        if slow != *written {
            return Some(now);
        }
        Some(self.updated.map_or(now, |at| at.after(Self::PERIOD)))
    }

    /// The record is sent.
    pub(super) const fn note_sent(&mut self, now: BootInstant) {
        self.updated = Some(now);
    }

    const PERIOD: Duration = UPDATE_PERIOD;

    fn change(&mut self, change: impl FnOnce(&mut MemberRecord)) -> Result<(), Refusal> {
        let mut record = self.wanted.clone();
        change(&mut record);
        let length = serde_json::to_vec(&record).map_or(usize::MAX, |text| text.len());
        if length > LONGEST_RECORD {
            return Err(Refusal::RecordTooLong(length));
        }
        self.wanted = record;
        Ok(())
    }
}

const fn name(state: MemberState) -> &'static str {
    match state {
        MemberState::Viewer => "viewer",
        MemberState::Participant => "participant",
        MemberState::Draining => "draining member",
    }
}

fn put(map: &mut std::collections::BTreeMap<String, String>, key: String, value: Option<String>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}
