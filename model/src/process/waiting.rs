//! One waiter: its rank, its target, and what wakes it.

use super::{Context, Phase, Process};
use crate::config::Config;
use crate::key::{Pod, Pool, Revision};
use crate::pool_view::PoolView;
use crate::request::{Request, Terms};
use crate::rule::Rule;

/// A waiter's state.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wait {
    /// R: the create revision of the ticket.
    pub(crate) ticket: Revision,
    /// The watch has reported a change since the last read.
    pub(crate) woken: bool,
    /// Something has changed since the last read. The next read shows it.
    pub(crate) changed: bool,
    /// The watch is broken.
    pub(crate) watch_broken: bool,
    pub(crate) watch: Watch,
    /// Ticks without any change.
    pub(crate) idle: u8,
    /// Ticks since the last read.
    pub(crate) ticks_since_read: u8,
    /// It had something to do and a tick has passed. Others may overtake it.
    pub(crate) may_be_overtaken: bool,
}

/// What a waiter watches, besides the spec and the freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Watch {
    /// In the front of the queue: every deletion of a ticket, a slot or a quarantine.
    Queue,
    /// Behind the front: the ticket `near` places ahead; `None` when there is none.
    Ticket(Option<Pod>),
}

impl Process {
    /// The pool in which it may read again and has a reason to.
    pub(crate) fn wants_reread(&self, context: &Context<'_>) -> Option<Pool> {
        if self.call.is_some() || self.terminating {
            return None;
        }
        let claim = self.current()?;
        let wakes = match &claim.phase {
            Phase::Waiting(wait) => wait.wakes(context.config, claim.pool),
            Phase::Regaining(_) => !context.store.has(crate::key::Key::Freeze(claim.pool)),
            _ => false,
        };
        wakes.then_some(claim.pool)
    }

    pub(crate) fn reread(&mut self, context: &Context<'_>) {
        if let Some(pool) = self.wants_reread(context) {
            self.ask(pool, Request::Read);
        }
    }

    /// Keeps waiting with this ticket, or begins to.
    pub(super) fn keep_waiting(&mut self, context: &Context<'_>, pool: Pool, ticket: Revision) {
        let own = context.config.keeps(Rule::TicketRevisionIsItsOwn);
        let claim = self.claims.iter_mut().find(|claim| claim.pool == pool);
        match claim.map(|claim| &mut claim.phase) {
            Some(Phase::Waiting(wait)) if wait.ticket == ticket || !own => wait.read(),
            // The ticket is older than what this process knows of it.
            Some(phase) => *phase = Phase::Waiting(Wait::new(ticket, true)),
            None => {}
        }
    }

    /// The answer to the read at the ticket's revision: rank and free names of that revision.
    pub(super) fn read_at_ticket(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        (ticket, rank, terms): (Revision, Option<u8>, Terms),
        view: &PoolView,
    ) {
        let rank = rank.unwrap_or_else(|| context.rank(view, ticket));
        self.redeem_target(context, pool, rank, terms, view);
        // The known spec may be older than the ticket.
        if self.call.is_none() && context.config.keeps(Rule::EmptyPastReadsAreFollowed) {
            self.ask(pool, Request::Read);
        }
    }

    /// Chooses a target from a current read: the rank, less one for each idle tick.
    pub(super) fn choose_target(&mut self, context: &Context<'_>, pool: Pool, view: &PoolView) {
        let Some(wait) = self.waits_in(pool).cloned() else { return };
        let rank = context.rank(view, wait.ticket);
        let near = rank < context.config.near;
        let watch = if near {
            Watch::Queue
        } else {
            Watch::Ticket(view.ahead(wait.ticket, context.config.near))
        };
        self.set(pool, Phase::Waiting(Wait { watch, ..wait.clone() }));
        let idle = if context.config.keeps(Rule::IdleBeforeOvertaking) {
            wait.idle
        } else {
            wait.idle.max(1)
        };
        let rank = if near { rank.saturating_sub(idle) } else { rank };
        if let Some(terms) = view.terms.filter(|_| !view.frozen) {
            self.redeem_target(context, pool, rank, terms, view);
        }
    }

    /// T2 for the r-th free name, when there is one.
    fn redeem_target(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        rank: u8,
        terms: Terms,
        view: &PoolView,
    ) {
        let Some(ticket) = self.waits_in(pool).map(|wait| wait.ticket) else { return };
        let by_number = context.config.keeps(Rule::SlotsKeyedByNumber);
        if let Some(name) = view.free(terms.spec, by_number).get(usize::from(rank)).copied() {
            let seen = context.seen(view, name);
            let guard = view.guard;
            self.ask(pool, Request::Redeem { name, ticket, guard, terms, seen });
        }
    }
}

// === impl Wait ===

impl Wait {
    pub(super) fn new(ticket: Revision, may_be_overtaken: bool) -> Self {
        Self {
            ticket,
            woken: false,
            changed: false,
            watch_broken: false,
            watch: Watch::Queue,
            idle: 0,
            ticks_since_read: 0,
            may_be_overtaken,
        }
    }

    /// Whether it reads again now: when the watch reports, once per V, and in the front after an idle tick.
    fn wakes(&self, config: &Config, pool: Pool) -> bool {
        self.woken || self.is_due(config, pool)
    }

    /// Whether it reads again without a report of the watch.
    fn is_due(&self, config: &Config, pool: Pool) -> bool {
        match self.watch {
            Watch::Queue => self.ticks_since_read > 0,
            Watch::Ticket(_) => {
                config.keeps(Rule::WaitersReread) && self.ticks_since_read >= validity(config, pool)
            }
        }
    }

    pub(super) fn tick(&mut self, config: &Config, pool: Pool, behind: bool) {
        self.may_be_overtaken = behind || self.watch_broken || self.wakes(config, pool);
        // More idle ticks than ranks have no further effect. Nor has a report to a waiter that reads anyway.
        let most = u8::try_from(config.pods.len()).unwrap_or(u8::MAX);
        let most = most - u8::from(config.keeps(Rule::RankCountsOlderTickets));
        self.idle = self.idle.saturating_add(1).min(most);
        let longest = if self.watch == Watch::Queue { 1 } else { validity(config, pool) };
        self.ticks_since_read = (self.ticks_since_read + 1).min(longest);
        self.woken &= !self.is_due(config, pool);
    }

    /// A current read was answered.
    fn read(&mut self) {
        if self.changed {
            self.idle = 0;
        }
        (self.changed, self.woken, self.ticks_since_read) = (false, false, 0);
    }
}

fn validity(config: &Config, pool: Pool) -> u8 {
    config.spec(pool, 0).map_or(0, |spec| spec.validity)
}

impl Context<'_> {
    /// The number of older tickets. Without the rule: the number of all tickets.
    fn rank(&self, view: &PoolView, ticket: Revision) -> u8 {
        if self.config.keeps(Rule::RankCountsOlderTickets) {
            view.older(ticket)
        } else {
            view.all()
        }
    }
}

impl PoolView {
    /// The ticket that is this number of places ahead.
    fn ahead(&self, of: Revision, places: u8) -> Option<Pod> {
        let mut older: Vec<_> = self.tickets.iter().filter(|ticket| ticket.create < of).collect();
        older.sort_unstable_by_key(|ticket| std::cmp::Reverse(ticket.create));
        older.get(usize::from(places).checked_sub(1)?).map(|ticket| ticket.pod)
    }
}
