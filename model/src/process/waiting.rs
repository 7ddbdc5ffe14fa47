//! The queue as one waiter sees it: its rank, its target, and what wakes it.

use super::{Context, Phase, Process};
use crate::config::Config;
use crate::key::{Pod, Pool, Revision};
use crate::request::{Request, Terms};
use crate::rule::Rule;
use crate::view::View;

/// A waiter's state.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wait {
    /// R: the create revision of the ticket.
    pub(crate) ticket: Revision,
    /// The watch has reported something since the last read.
    pub(crate) nudged: bool,
    /// Something has changed since the last read; the next one will see it.
    pub(crate) changed: bool,
    /// The watch is broken.
    pub(crate) deaf: bool,
    pub(crate) watch: Watch,
    /// Ticks without any change.
    pub(crate) silent: u8,
    /// Ticks since the last read.
    pub(crate) since: u8,
    /// It has let a tick pass although it had something to do: others may overtake it.
    pub(crate) lags: bool,
}

/// What a waiter watches, besides the spec and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Watch {
    /// Near the head: every deletion of a ticket, a slot or a quarantine.
    Queue,
    /// Far behind: this ticket, so many places ahead; none when there is none.
    Ticket(Option<Pod>),
}

impl Process {
    /// The pool in which it may read again, and has a reason to.
    pub(crate) fn rereads(&self, context: &Context<'_>) -> Option<Pool> {
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
        if let Some(pool) = self.rereads(context) {
            self.ask(pool, Request::Read);
        }
    }

    /// Goes on waiting with this ticket, or begins to.
    pub(super) fn wait_on(&mut self, context: &Context<'_>, pool: Pool, ticket: Revision) {
        let own = context.config.keeps(Rule::TicketRevisionIsItsOwn);
        let claim = self.claims.iter_mut().find(|claim| claim.pool == pool);
        match claim.map(|claim| &mut claim.phase) {
            Some(Phase::Waiting(wait)) if wait.ticket == ticket || !own => wait.read(),
            // The ticket is older than our knowledge of it.
            Some(phase) => *phase = Phase::Waiting(Wait::new(ticket, true)),
            None => {}
        }
    }

    /// The slots as they were when our ticket was created: rank and free names of one revision.
    pub(super) fn looked_back(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        (ticket, rank, terms): (Revision, Option<u8>, Terms),
        view: &View,
    ) {
        let rank = rank.unwrap_or_else(|| context.rank(view, ticket));
        self.target(context, pool, rank, terms, view);
        // The spec is the one that was known before the ticket was put; it may be older than that.
        if self.call.is_none() && context.config.keeps(Rule::VainLooksAreFollowed) {
            self.ask(pool, Request::Read);
        }
    }

    /// The current state: rank anew, less one for every silent tick.
    pub(super) fn aim(&mut self, context: &Context<'_>, pool: Pool, view: &View) {
        let Some(wait) = self.waits_in(pool).cloned() else { return };
        let rank = context.rank(view, wait.ticket);
        let near = rank < context.config.near;
        let watch = if near {
            Watch::Queue
        } else {
            Watch::Ticket(view.ahead(wait.ticket, context.config.near))
        };
        self.set(pool, Phase::Waiting(Wait { watch, ..wait.clone() }));
        let silent = if context.config.keeps(Rule::SilenceBeforeOvertaking) {
            wait.silent
        } else {
            wait.silent.max(1)
        };
        let rank = if near { rank.saturating_sub(silent) } else { rank };
        if let Some(terms) = view.terms.filter(|_| !view.frozen) {
            self.target(context, pool, rank, terms, view);
        }
    }

    /// T2 for the r-th free name, when there is one.
    fn target(&mut self, context: &Context<'_>, pool: Pool, rank: u8, terms: Terms, view: &View) {
        let Some(ticket) = self.waits_in(pool).map(|wait| wait.ticket) else { return };
        let by_number = context.config.keeps(Rule::SlotsKeyedByNumber);
        if let Some(name) = view.free(terms.spec, by_number).get(usize::from(rank)).copied() {
            let seen = context.seen(view, name);
            let since = view.since;
            self.ask(pool, Request::Take { name, ticket, since, terms, seen });
        }
    }
}

// === impl Wait ===

impl Wait {
    pub(super) fn new(ticket: Revision, lags: bool) -> Self {
        Self {
            ticket,
            nudged: false,
            changed: false,
            deaf: false,
            watch: Watch::Queue,
            silent: 0,
            since: 0,
            lags,
        }
    }

    /// Whether it reads again now: nudged; once per V; and near the head after a tick of silence.
    fn wakes(&self, config: &Config, pool: Pool) -> bool {
        self.nudged || self.is_due(config, pool)
    }

    /// Whether it reads again without being told to.
    fn is_due(&self, config: &Config, pool: Pool) -> bool {
        match self.watch {
            Watch::Queue => self.since > 0,
            Watch::Ticket(_) => {
                config.keeps(Rule::WaitersReread) && self.since >= validity(config, pool)
            }
        }
    }

    pub(super) fn tick(&mut self, config: &Config, pool: Pool, behind: bool) {
        self.lags = behind || self.deaf || self.wakes(config, pool);
        // More silence than there can be ranks tells nothing new; nor does a nudge to somebody who is
        // due.
        let most = u8::try_from(config.pods.len()).unwrap_or(u8::MAX);
        let most = most - u8::from(config.keeps(Rule::RankCountsOlderTickets));
        self.silent = self.silent.saturating_add(1).min(most);
        let longest = if self.watch == Watch::Queue { 1 } else { validity(config, pool) };
        self.since = (self.since + 1).min(longest);
        self.nudged &= !self.is_due(config, pool);
    }

    /// A current read has answered.
    fn read(&mut self) {
        if self.changed {
            self.silent = 0;
        }
        (self.changed, self.nudged, self.since) = (false, false, 0);
    }
}

fn validity(config: &Config, pool: Pool) -> u8 {
    config.spec(pool, 0).map_or(0, |spec| spec.validity)
}

impl Context<'_> {
    /// The number of older tickets; without the rule, of all.
    fn rank(&self, view: &View, ticket: Revision) -> u8 {
        if self.config.keeps(Rule::RankCountsOlderTickets) {
            view.older(ticket)
        } else {
            view.all()
        }
    }
}

impl View {
    /// The ticket so many places ahead.
    fn ahead(&self, of: Revision, places: u8) -> Option<Pod> {
        let mut older: Vec<_> = self.tickets.iter().filter(|ticket| ticket.create < of).collect();
        older.sort_unstable_by_key(|ticket| std::cmp::Reverse(ticket.create));
        older.get(usize::from(places).checked_sub(1)?).map(|ticket| ticket.pod)
    }
}
