//! The answer to a read (T0), taken apart.

use crate::clock::Stamp;
use crate::key::{Key, Name, Pod, Revision};
use crate::request::{Caller, Since, Terms};
use crate::spec::Spec;
use crate::txn::{LeaseId, Reply, Value};

/// The store as one client saw it, at one revision.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) terms: Option<Terms>,
    pub(crate) frozen: bool,
    pub(crate) sentinel: Revision,
    pub(crate) since: Since,
    pub(crate) held: Vec<Name>,
    pub(crate) resting: Vec<Name>,
    /// Of these, those that name this pod, with the mod revisions of their quarantines.
    pub(crate) own_rests: Vec<(Name, Revision)>,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) owner: Option<Owner>,
    clocks: Vec<(Name, Stamp)>,
}

/// A ticket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) pod: Pod,
    pub(crate) create: Revision,
    pub(crate) lease: Option<LeaseId>,
}

/// Our own owner record, with the slot's V and Q.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) name: Name,
    pub(crate) nonce: u8,
    pub(crate) lease: Option<LeaseId>,
    pub(crate) create: Revision,
    pub(crate) modified: Revision,
    pub(crate) granted: Option<(u8, u8)>,
}

// === impl View ===

impl View {
    pub(crate) fn parse(caller: Caller, reply: &Reply) -> Self {
        let mut view = Self::default();
        for (key, entry) in reply.found() {
            match (key, entry.value) {
                (Key::Spec(_), Value::Spec(spec)) => {
                    let (revision, validity) = (entry.modified, spec.validity);
                    view.terms = Some(Terms { spec, revision, validity });
                }
                (Key::Freeze(_), _) => view.frozen = true,
                (Key::Sentinel(_), _) => view.sentinel = entry.modified,
                (Key::Shift(_), _) => view.since.shift = entry.modified,
                (Key::Epoch, _) => view.since.epoch = entry.modified,
                (Key::Slot(_, name), _) => view.held.push(name),
                (Key::Quarantine(_, name), value) => {
                    view.resting.push(name);
                    if value == Value::Resting(caller.pod) {
                        view.own_rests.push((name, entry.modified));
                    }
                }
                (Key::Ticket(_, pod), _) => {
                    view.tickets.push(Ticket { pod, create: entry.create, lease: entry.lease });
                }
                (Key::Clock(_, name), Value::ReservedUntil(until)) => {
                    view.clocks.push((name, Stamp { until, revision: entry.modified }));
                }
                (Key::Owner(pod, _), Value::Owner { name, nonce }) if pod == caller.pod => {
                    let slot = reply.entry(Key::Slot(caller.pool, name));
                    view.owner = Some(Owner {
                        name,
                        nonce,
                        lease: entry.lease,
                        create: entry.create,
                        modified: entry.modified,
                        granted: slot.and_then(|slot| match slot.value {
                            Value::Slot { validity, quarantine, .. } => {
                                Some((validity, quarantine))
                            }
                            _ => None,
                        }),
                    });
                }
                _ => {}
            }
        }
        view
    }

    /// The names that are neither held nor at rest, in the pool's order.
    pub(crate) fn free(&self, spec: Spec, by_number: bool) -> Vec<Name> {
        spec.keys(by_number)
            .filter(|name| !self.held.contains(name) && !self.resting.contains(name))
            .collect()
    }

    pub(crate) fn own_rest(&self, name: Name) -> Option<Revision> {
        self.own_rests.iter().find(|(of, _)| *of == name).map(|(_, revision)| *revision)
    }

    pub(crate) fn ticket(&self, pod: Pod) -> Option<Ticket> {
        self.tickets.iter().find(|ticket| ticket.pod == pod).copied()
    }

    /// How many tickets are older.
    pub(crate) fn older(&self, than: Revision) -> u8 {
        let older = self.tickets.iter().filter(|ticket| ticket.create < than).count();
        u8::try_from(older).unwrap_or(u8::MAX)
    }

    /// How many tickets there are: what a count answers.
    pub(crate) fn all(&self) -> u8 {
        u8::try_from(self.tickets.len()).unwrap_or(u8::MAX)
    }

    pub(crate) fn clock(&self, name: Name) -> Stamp {
        let nothing = Stamp { until: -1, revision: 0 };
        self.clocks.iter().find(|(of, _)| *of == name).map_or(nothing, |(_, stamp)| *stamp)
    }
}
