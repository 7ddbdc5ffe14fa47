//! A sidecar of the next release, as far as plans go: it announces plan version 2, by which all weights are equal. It
//! plans by it only when no member announces less.
//!
//! The machine has one plan. So this changes what it is told of members: their weights. It is not for groups whose
//! epoch moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_core::coordination::member::{Member, MemberRecord};
use cairn_core::coordination::picture::{Change, Changes};
use cairn_core::coordination::plan;
use cairn_core::coordination::session::{Action, Event};
use cairn_core::coordination::write::{WriteAnswer, WriteKind};

use super::manner::PLAIN_WEIGHT;

/// The plan version of the next release.
const NEXT: u32 = plan::CURRENT + 1;

/// What a sidecar of the next release knows of plan versions.
#[derive(Clone, Debug)]
pub struct Newer {
    uid: String,
    /// Whether it plans by its own version whatever others announce: a planted bug.
    alone: bool,
    /// The members as they are, and the revision at which each is known.
    members: BTreeMap<String, (i64, Option<Member>)>,
    /// Up to which a read or the watch has shown everything.
    revision: i64,
    planned_by: u32,
}

// === impl Newer ===

impl Newer {
    /// A sidecar of this pod.
    pub fn new(uid: &str, alone: bool) -> Self {
        let members = BTreeMap::new();
        Self { uid: uid.to_owned(), alone, members, revision: 0, planned_by: plan::CURRENT }
    }

    /// Announces its version in what it writes.
    pub fn announce(action: &mut Action) {
        let Action::Write(write) = action else { return };
        if let WriteKind::Join { record, .. }
        | WriteKind::Resume { record, .. }
        | WriteKind::Update { record, .. } = &mut write.kind
        {
            record.plan = NEXT;
        }
    }

    /// Changes what the machine is told. With another lowest version, the machine is told of all members first.
    pub fn event(&mut self, event: &mut Event) -> Option<Event> {
        self.learn(event);
        let by = self.version();
        let again = (by != self.planned_by).then(|| {
            let changes = self.members.iter().map(|(uid, (_, member))| {
                let member = member.clone().map(|mut member| {
                    self.show(uid, &mut member.record, by);
                    Box::new(member)
                });
                Change::Member(uid.clone(), member)
            });
            Event::Changed(Changes { revision: self.revision, changes: changes.collect() })
        });
        self.planned_by = by;
        if let Event::Renewed(renewal) = event
            && let Some(member) = &mut renewal.member
        {
            self.show(&self.uid, &mut member.record, by);
        }
        each_member(event, |uid, member| self.show(uid, &mut member.record, by));
        again
    }

    /// What the plan of this version sees of a record. The own version is the one that the machine has written.
    fn show(&self, uid: &str, record: &mut MemberRecord, version: u32) {
        if version >= NEXT {
            record.weight = PLAIN_WEIGHT;
        }
        if uid == self.uid {
            record.plan = plan::CURRENT;
        }
    }

    /// The lowest version that is announced.
    fn version(&self) -> u32 {
        let members = self.members.values().filter_map(|(_, member)| member.as_ref());
        let lowest = members.map(|member| member.record.plan).fold(NEXT, u32::min);
        if self.alone { NEXT } else { lowest }
    }

    fn learn(&mut self, event: &Event) {
        if let Event::Changed(changes) = event {
            self.revision = self.revision.max(changes.revision);
        }
        match event {
            Event::Read { picture, .. } => {
                self.revision = self.revision.max(picture.revision);
                for (uid, known) in &mut self.members {
                    if known.0 <= picture.revision && !picture.members.contains_key(uid) {
                        *known = (picture.revision, None);
                    }
                }
                for (uid, member) in &picture.members {
                    self.note(uid, Some(member), picture.revision);
                }
            }
            Event::Changed(changes) | Event::Written(WriteAnswer::Refused(changes)) => {
                for change in &changes.changes {
                    if let Change::Member(uid, member) = change {
                        self.note(uid, member.as_deref(), changes.revision);
                    }
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, uid: &str, member: Option<&Member>, revision: i64) {
        let known = self.members.get(uid).map_or(0, |(revision, _)| *revision);
        if revision >= known {
            self.members.insert(uid.to_owned(), (revision, member.cloned()));
        }
    }
}

/// Changes every member's record that an event shows.
pub fn each_member(event: &mut Event, mut change: impl FnMut(&str, &mut Member)) {
    match event {
        Event::Read { picture, .. } => {
            let members = picture.members.iter_mut();
            members.for_each(|(uid, member)| change(uid, Arc::make_mut(member)));
        }
        Event::Changed(changes) | Event::Written(WriteAnswer::Refused(changes)) => {
            for found in &mut changes.changes {
                if let Change::Member(uid, Some(member)) = found {
                    change(uid, member);
                }
            }
        }
        _ => {}
    }
}
