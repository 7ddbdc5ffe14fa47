//! The answer to a read (T0), parsed.

use crate::clock::Stamp;
use crate::key::{Key, Name, Pod, Revision};
use crate::request::{Caller, RankGuard, Terms};
use crate::spec::Spec;
use crate::txn::{LeaseId, TxnReply, Value};

/// The pool as one process has read it, at one revision.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoolView {
    pub(crate) terms: Option<Terms>,
    pub(crate) frozen: bool,
    pub(crate) sentinel: Revision,
    pub(crate) guard: RankGuard,
    pub(crate) held: Vec<Name>,
    pub(crate) quarantined: Vec<Name>,
    /// The quarantines that name this pod, with their mod revisions.
    pub(crate) own_quarantines: Vec<(Name, Revision)>,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) owner: Option<FoundOwner>,
    clocks: Vec<(Name, Stamp)>,
}

/// A ticket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) pod: Pod,
    pub(crate) create: Revision,
    pub(crate) lease: Option<LeaseId>,
}

/// The owner record of this pod, with the slot's V and Q.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundOwner {
    pub(crate) name: Name,
    pub(crate) nonce: u8,
    pub(crate) lease: Option<LeaseId>,
    pub(crate) create: Revision,
    pub(crate) modified: Revision,
    pub(crate) granted: Option<(u8, u8)>,
}

// === impl View ===

impl PoolView {
    pub(crate) fn parse(caller: Caller, reply: &TxnReply) -> Self {
        let mut view = Self::default();
        for (key, entry) in reply.found() {
            match (key, entry.value) {
                (Key::Spec(_), Value::Spec(spec)) => {
                    let (revision, validity) = (entry.modified, spec.validity);
                    view.terms = Some(Terms { spec, revision, validity });
                }
                (Key::Freeze(_), _) => view.frozen = true,
                (Key::Sentinel(_), _) => view.sentinel = entry.modified,
                (Key::Reclaims(_), _) => view.guard.reclaims = entry.modified,
                (Key::Epoch, _) => view.guard.epoch = entry.modified,
                (Key::Slot(_, name), _) => view.held.push(name),
                (Key::Quarantine(_, name), value) => {
                    view.quarantined.push(name);
                    if value == Value::OfPod(caller.pod) {
                        view.own_quarantines.push((name, entry.modified));
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
                    view.owner = Some(FoundOwner {
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

    /// The names that are neither held nor quarantined, in the pool's order.
    pub(crate) fn free(&self, spec: Spec, by_number: bool) -> Vec<Name> {
        spec.keys(by_number)
            .filter(|name| !self.held.contains(name) && !self.quarantined.contains(name))
            .collect()
    }

    pub(crate) fn own_quarantine(&self, name: Name) -> Option<Revision> {
        self.own_quarantines.iter().find(|(of, _)| *of == name).map(|(_, revision)| *revision)
    }

    pub(crate) fn ticket(&self, pod: Pod) -> Option<Ticket> {
        self.tickets.iter().find(|ticket| ticket.pod == pod).copied()
    }

    /// How many tickets are older.
    pub(crate) fn older(&self, than: Revision) -> u8 {
        let older = self.tickets.iter().filter(|ticket| ticket.create < than).count();
        u8::try_from(older).unwrap_or(u8::MAX)
    }

    /// The number of tickets, as a count answers.
    pub(crate) fn all(&self) -> u8 {
        u8::try_from(self.tickets.len()).unwrap_or(u8::MAX)
    }

    pub(crate) fn clock(&self, name: Name) -> Stamp {
        let nothing = Stamp { until: -1, revision: 0 };
        self.clocks.iter().find(|(of, _)| *of == name).map_or(nothing, |(_, stamp)| *stamp)
    }
}
