//! Our ticket in the queue: its rank, and how long the pods ahead have not used a free name.
//!
//! A ticket's place is its create revision, and its rank is the number of older tickets. The k-th ticket takes
//! the k-th free name. When one such pair is done both lists lose that element, every other pair stays as it
//! was, and no pod tries what another is about to take.
//!
//! A ticket whose pod has died stays until its lease expires. It is overtaken: for each [`IDLE_STEP`] in which a
//! name was free and nothing changed, one ticket ahead counts as abandoned.

use std::borrow::Cow;
use std::time::Duration;

use super::event::{Origin, Queued};
use super::view::{PastView, PoolView, Ticket};
use crate::names::Names;
use crate::pick;
use crate::time::BootInstant;

/// So many waiting pods watch every release and may overtake an abandoned ticket. Those behind them watch the
/// ticket so many places ahead. Enough for a burst of releases, few enough that one release does not wake all
/// waiting pods.
pub const FRONT: usize = 16;

/// A live pod that could take a name needs a round trip or two for it. After each step of this length without
/// any change, one more ticket ahead counts as abandoned.
const IDLE_STEP: Duration = Duration::from_secs(1);

/// With so many names in use, their list costs the store more than the rest of a claim.
const MANY_NAMES: usize = 500;

/// With so many tickets the same is true of the list of those ahead.
const MANY_TICKETS: usize = 100;

/// Our ticket.
#[derive(Clone, Debug)]
pub(super) struct OwnTicket {
    /// Its create revision.
    revision: i64,
    origin: PastOrigin,
    /// That attempt had no clear answer. A read has to show first whether the ticket is still there.
    is_unclear: bool,
    /// Its rank as last seen.
    rank: Option<usize>,
    idle: Option<Idle>,
    /// Attempts that lost a compare although no change was seen.
    conflicts: u32,
}

/// What was true at the revision that created our ticket. It is good for one attempt.
#[derive(Clone, Copy, Debug)]
enum PastOrigin {
    /// Not known, and worth a request: the present would be read from long lists.
    Unknown,
    /// With many names in use, the name that is ours if they are the first ones of the pool is read first.
    Name(Origin),
    /// The lists of that revision tell which name is ours.
    Lists(Origin),
    /// It is of no use any more: the present counts.
    Over,
}

/// How long nothing has changed.
#[derive(Clone, Debug)]
struct Idle {
    activity: QueueActivity,
    since: BootInstant,
    /// Up to the send instant of the last read: what happened while its answer was under way was not seen.
    lasted: Duration,
}

/// Differs whenever something has changed in the slots, the quarantines or the queue. A put moves a mod revision
/// (that of the sentinel when a ticket is put), a deletion changes a count. Spec and freeze belong to it, because
/// a name that they set free has not been passed over by anybody yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct QueueActivity {
    newest: i64,
    sentinel: i64,
    counts: [usize; 3],
    spec: i64,
    epoch: i64,
    frozen: bool,
}

// === impl OwnTicket ===

impl OwnTicket {
    /// A ticket that a claim request has left us. During a freeze nothing is granted, so its origin is not worth a
    /// request.
    pub(super) fn created(queued: Queued, frozen: bool) -> Self {
        let rank = queued.origin.map(|origin| origin.rank);
        let mut ticket = Self::new(queued.revision, rank);
        ticket.set_origin(queued.origin.filter(|_| !frozen));
        ticket
    }

    /// What a read of the past, or the creation itself, has told.
    pub(super) fn set_origin(&mut self, origin: Option<Origin>) {
        self.origin = match origin {
            Some(origin) if origin.in_use >= MANY_NAMES => PastOrigin::Name(origin),
            Some(origin) => PastOrigin::Lists(origin),
            None => PastOrigin::Over,
        };
    }

    /// The ticket that a read has found. `known` is what we knew of ours when the read was sent at `read_at`.
    pub(super) fn found(
        known: Option<Self>,
        found: Ticket,
        view: &PoolView,
        spec_revision: i64,
        read_at: BootInstant,
        now: BootInstant,
    ) -> Self {
        let known = known.filter(|known| known.revision == found.revision);
        let mut ticket = known.unwrap_or_else(|| {
            let mut ticket = Self::new(found.revision, None);
            if view.queued >= MANY_TICKETS {
                ticket.origin = PastOrigin::Unknown;
            }
            ticket
        });
        ticket.is_unclear = false;
        if view.frozen || view.ahead.is_some() {
            ticket.origin = PastOrigin::Over;
        }
        if let Some(ahead) = &view.ahead {
            ticket.rank = Some(ahead.rank);
            ticket.observe(QueueActivity::of(view, spec_revision), read_at, now);
        }
        ticket
    }

    fn new(revision: i64, rank: Option<usize>) -> Self {
        Self {
            revision,
            origin: PastOrigin::Over,
            is_unclear: false,
            rank,
            idle: None,
            conflicts: 0,
        }
    }

    fn observe(&mut self, activity: QueueActivity, read_at: BootInstant, now: BootInstant) {
        match &mut self.idle {
            Some(idle) if idle.activity == activity => idle.lasted = read_at.since(idle.since),
            idle => {
                *idle = Some(Idle { activity, since: now, lasted: Duration::ZERO });
                self.conflicts = 0;
            }
        }
    }

    pub(super) fn revision(&self) -> i64 {
        self.revision
    }

    pub(super) fn rank(&self) -> Option<usize> {
        self.rank
    }

    /// Whether its rank when it was created is known, as long as that is good for an attempt.
    pub(super) fn knows_origin(&self) -> bool {
        matches!(self.origin, PastOrigin::Name(_) | PastOrigin::Lists(_))
    }

    /// The key of the name that is ours if the names in use are the first ones of the pool. Many pods that start at
    /// once find it so. Then a read of this name saves a list of all names in use.
    pub(super) fn expected(&self, names: Option<&Names>) -> Option<String> {
        match self.origin {
            PastOrigin::Name(Origin { rank, in_use }) => key(names?, in_use + rank),
            PastOrigin::Unknown | PastOrigin::Lists(_) | PastOrigin::Over => None,
        }
    }

    /// Whether the past is still worth a request.
    pub(super) fn has_past(&self) -> bool {
        !matches!(self.origin, PastOrigin::Over)
    }

    /// Whether a read of the past comes next.
    pub(super) fn asks_for_past(&self) -> bool {
        self.has_past() && !self.is_unclear
    }

    /// The key of the name that is ours by a read of the past. Without one, something else is read next: the lists
    /// after the expected name, and the present after the lists.
    pub(super) fn name_of_past(
        &mut self,
        past: Option<&PastView>,
        names: Option<&Names>,
    ) -> Option<String> {
        let (found, next) = match (self.origin, self.expected(names)) {
            (PastOrigin::Name(origin), Some(expected)) => {
                let found = past.filter(|past| past.is_free(&expected)).map(|_| expected);
                (found, PastOrigin::Lists(origin))
            }
            (PastOrigin::Name(Origin { rank, .. }) | PastOrigin::Lists(Origin { rank, .. }), _) => {
                let free = past.zip(names).and_then(|(past, names)| {
                    let index = pick::free(names, &past.held, &past.quarantined).nth(rank)?;
                    key(names, index)
                });
                (free, PastOrigin::Over)
            }
            (PastOrigin::Unknown | PastOrigin::Over, _) => (None, PastOrigin::Over),
        };
        if found.is_none() {
            self.origin = next;
        }
        found
    }

    /// A request had no good answer. `attempted`: it may have turned the ticket into a slot. What was true when the
    /// ticket was created stays true, and asking for that again costs the store less than anything else. While the
    /// store does not answer, no pod ahead can be called idle.
    pub(super) fn request_failed(&mut self, attempted: bool) {
        self.is_unclear |= attempted;
        self.idle = None;
    }

    /// An attempt lost a compare. True for the first one: it is the price of a read that came too early. Later
    /// ones must not lead to a stream of writes.
    pub(super) fn conflict(&mut self) -> bool {
        self.origin = PastOrigin::Over;
        self.conflicts += 1;
        self.conflicts == 1
    }

    /// The rank to act with: our own, less the abandoned tickets ahead.
    pub(super) fn effective_rank(&self) -> usize {
        let rank = self.rank.unwrap_or(usize::MAX);
        let steps = self.idle.as_ref().map_or(0, Idle::steps);
        if rank < FRONT { rank.saturating_sub(steps) } else { rank }
    }

    /// When to read whether the queue is still idle. Idle time means nothing while there is nothing to do.
    pub(super) fn next_idle_check(
        &self,
        view: &PoolView,
        names: Option<&Names>,
    ) -> Option<BootInstant> {
        let idle = self.idle.as_ref().filter(|_| self.rank.is_some_and(|rank| rank < FRONT))?;
        let names = names.filter(|_| !view.frozen)?;
        if view.unsettled.is_empty() {
            pick::free(names, &view.held, &view.quarantined).next()?;
        }
        let next = u32::try_from(idle.steps()).unwrap_or(u32::MAX).saturating_add(1);
        Some(idle.since.after(IDLE_STEP * next))
    }
}

// === impl Idle ===

impl Idle {
    fn steps(&self) -> usize {
        usize::try_from(self.lasted.as_nanos() / IDLE_STEP.as_nanos()).unwrap_or(usize::MAX)
    }
}

// === impl QueueActivity ===

impl QueueActivity {
    fn of(view: &PoolView, spec_revision: i64) -> Self {
        Self {
            newest: view.newest,
            sentinel: view.sentinel,
            counts: [view.held.len(), view.quarantined.len(), view.queued],
            spec: spec_revision,
            epoch: view.epoch_revision,
            frozen: view.frozen,
        }
    }
}

fn key(names: &Names, index: usize) -> Option<String> {
    names.key(index).map(Cow::into_owned)
}
