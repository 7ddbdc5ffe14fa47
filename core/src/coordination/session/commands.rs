//! What the app asks for, and what it is shown.

use std::collections::BTreeMap;

use super::command::{Command, LONGEST_VALUE, Refusal};
use super::machine::{Machine, Mode};
use super::membership::Membership;
use super::status::{LeaderStatus, Status};
use crate::coordination::member::{MemberRecord, MemberState, Role};
use crate::coordination::owner::Ownable;
use crate::time::{BootInstant, Now};

impl Machine {
    /// Takes a command of the app in. Step with [`super::Event::Tick`] afterwards: what follows from it is done then.
    pub fn command(&mut self, now: Now, command: Command) -> Result<(), Refusal> {
        match command {
            Command::SetState(state) => {
                self.require_session()?;
                if state == MemberState::Participant && !self.may_own() {
                    return Err(Refusal::NoRole("leader or shards"));
                }
                self.record.set_state(state)?;
            }
            Command::SetEndpoint(name, value) => {
                self.require_session()?;
                self.record.set_endpoint(name, value)?;
            }
            Command::SetTag(key, value) => {
                self.require_session()?;
                self.record.set_tag(key, value)?;
            }
            Command::Stopped(ids) => {
                self.stops.confirm(&ids);
                self.replan = true;
            }
            Command::Resign => {
                if !self.config.terms.roles.contains(&Role::Leader) {
                    return Err(Refusal::NoRole("leader"));
                }
                self.leads_at(now).ok_or(Refusal::NotLeader)?;
                self.record.resign();
            }
            Command::PutLeaderValue { value, expected } => {
                if value.len() > LONGEST_VALUE {
                    return Err(Refusal::ValueTooLong(value.len()));
                }
                let fence = self.leads_at(now).ok_or(Refusal::NotLeader)?;
                self.value.request(value, expected, fence)?;
            }
            Command::Heartbeat => {
                if !self.deadline.beat(now.boot) {
                    return Err(Refusal::NoHeartbeat);
                }
                self.deadline.note_told();
            }
        }
        Ok(())
    }

    /// What the outside sees at this instant.
    pub fn status(&self, now: Now) -> Status {
        let session = self.session.as_ref();
        let serves = session.filter(|session| self.serves(session, now.boot));
        let own = self.known.own().iter();
        let own = own.filter(|(of, granted)| {
            serves.is_some_and(|session| session.owns(granted)) && !self.stops.contains(**of)
        });
        let mut shards = BTreeMap::new();
        let mut leads = None;
        for (of, granted) in own {
            match of {
                Ownable::Leader => leads = Some(granted.revision),
                Ownable::Shard(shard) => {
                    shards.insert(*shard, granted.revision);
                }
            }
        }
        Status {
            session: session.map(|session| session.id),
            state: session.map_or(MemberState::Viewer, |session| session.written.state),
            picture: self.shown.picture(),
            valid_until: self.deadline.at(),
            shards,
            leader: LeaderStatus {
                own: leads,
                puts: self.value.count,
                last_put: self.value.last.clone(),
            },
            stopping: self.stops.iter().cloned().collect(),
            lost: self.lost,
            reason: self.reason(now),
        }
    }

    /// Our record as it will be once all commands so far are written.
    pub fn wanted_record(&self) -> MemberRecord {
        self.record.wanted(self.deadline.awaits_first_beat())
    }

    /// The fence under which we lead, whether the deadline has passed or not.
    pub(super) fn leads(&self) -> Option<i64> {
        let session = self.session.as_ref()?;
        let granted = self.known.own().get(&Ownable::Leader)?;
        let leads = session.owns(granted) && !self.stops.contains(Ownable::Leader);
        leads.then_some(granted.revision)
    }

    /// Whether a session may serve what it owns at this instant.
    fn serves(&self, session: &Membership, now: BootInstant) -> bool {
        self.mode != Mode::Ended
            && now < self.deadline.at()
            && session.owns_from_reads_since.is_none()
    }

    fn leads_at(&self, now: Now) -> Option<i64> {
        self.leads().filter(|_| now.boot < self.deadline.at())
    }

    pub(super) fn owns_nothing(&self) -> bool {
        let Some(session) = &self.session else { return true };
        session.owns_from_reads_since.is_none()
            && !self.known.own().values().any(|granted| session.owns(granted))
    }

    fn may_own(&self) -> bool {
        [Role::Leader, Role::Shards].iter().any(|role| self.config.terms.roles.contains(role))
    }

    fn require_session(&self) -> Result<(), Refusal> {
        if self.record.has_begun() {
            return Ok(());
        }
        Err(Refusal::NoSession(self.trouble.clone().unwrap_or_else(|| "joining".to_owned())))
    }

    fn reason(&self, now: Now) -> Option<String> {
        if self.mode == Mode::Ended {
            return Some("the member has left".to_owned());
        }
        if self.session.is_none() || now.boot >= self.deadline.at() {
            if self.session.is_some() && self.deadline.awaits_beat() {
                return Some("waits for the app's POST /v1/heartbeat".to_owned());
            }
            let own = self.known.picture().members.get(&self.config.uid);
            if self.session.is_none() && own.is_some_and(|own| !self.record.continues(&own.record))
            {
                return Some(
                    "an earlier sidecar of this pod has coordinated with other flags; waiting until its session ends"
                        .to_owned(),
                );
            }
            return Some(self.trouble.clone().unwrap_or_else(|| "joining".to_owned()));
        }
        let picture = self.known.picture();
        if picture.hold {
            return Some(
                "etcd was wiped or restored: no shard changes its owner until the hold ends".into(),
            );
        }
        let other = picture
            .map
            .as_ref()
            .filter(|map| self.config.terms.map.is_some_and(|m| m != map.value));
        if let Some(map) = other {
            let (shards, hash) = (map.value.shards, map.value.hash);
            return Some(format!(
                "the group has another map ({shards} shards, {hash}); this pod waits until nobody serves it"
            ));
        }
        self.trouble.clone()
    }
}
