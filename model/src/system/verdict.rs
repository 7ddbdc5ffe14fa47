//! Promises that a single step can break. They are checked when a claim succeeds or fails in the store.

use crate::config::Config;
use crate::key::{Key, Name, Pod, Pool, Revision};
use crate::request::{Caller, Request};
use crate::system::SystemState;
use crate::txn::{TxnReply, Value};

/// The promises that were broken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a promise of its own")]
pub(crate) struct Verdict {
    /// A name was granted before its last holder's deadline was Q ago.
    pub(crate) unrested: bool,
    /// A claim left fewer names than there are prompt waiters with older tickets.
    pub(crate) overtaken: bool,
    /// A T2 failed although nothing had changed.
    pub(crate) failed_for_nothing: bool,
    /// A timestamp was emitted that an earlier holder of the name may have emitted.
    pub(crate) timestamp_repeated: bool,
    /// An app that lived on was given another name.
    pub(crate) renamed: bool,
}

impl SystemState {
    /// Checks a transaction. `free` is the number of free names before it.
    pub(super) fn judge(
        &mut self,
        config: &Config,
        caller: Caller,
        request: &Request,
        reply: &TxnReply,
        free: u8,
    ) {
        let (name, ticket, in_line) = match request {
            Request::Claim { name, .. } => (*name, None, true),
            Request::Redeem { name, ticket, .. } => (*name, Some(*ticket), true),
            Request::Reclaim { name, .. } => (*name, None, false),
            _ => return,
        };
        if reply.succeeded {
            self.verdict.unrested |= self.is_unrested(caller, name);
            let left = free.saturating_sub(1);
            self.verdict.overtaken |= in_line && left < self.prompt_before(config, caller, ticket);
        } else if let Request::Redeem { .. } = request {
            self.verdict.failed_for_nothing |= self.nothing_happened(caller, request);
        }
    }

    fn is_unrested(&self, caller: Caller, name: Name) -> bool {
        (0..).zip(&self.pods).any(|(pod, state)| {
            pod != caller.pod
                && state.beliefs.iter().any(|belief| belief.is_about(caller.pool, name))
        })
    }

    /// The number of prompt waiters with an older ticket: no tick passed while they had something to do.
    fn prompt_before(&self, config: &Config, caller: Caller, ticket: Option<Revision>) -> u8 {
        let before = config.every_pod().filter(|pod| {
            let theirs = self.ticket(*pod, caller.pool);
            let older = match (theirs, ticket) {
                (Some(theirs), Some(ticket)) => theirs < ticket,
                (Some(_), None) => true,
                (None, _) => false,
            };
            older && *pod != caller.pod && self.is_prompt(*pod, caller.pool)
        });
        u8::try_from(before.count()).unwrap_or(u8::MAX)
    }

    fn ticket(&self, pod: Pod, pool: Pool) -> Option<Revision> {
        self.store.get(Key::Ticket(pool, pod)).map(|entry| entry.create)
    }

    fn is_prompt(&self, pod: Pod, pool: Pool) -> bool {
        let ticket = self.ticket(pod, pool);
        let processes = self.pods.get(usize::from(pod)).into_iter().flat_map(|pod| &pod.processes);
        processes
            .filter_map(|process| process.waits_in(pool))
            .any(|wait| Some(wait.ticket) == ticket && !wait.may_be_overtaken)
    }

    /// No success of another pod, no release, edit, freeze or new epoch, and no lost ticket.
    fn nothing_happened(&self, caller: Caller, request: &Request) -> bool {
        let Request::Redeem { name, ticket, terms, guard, .. } = request else {
            return false;
        };
        let pool = caller.pool;
        let modified = |key| self.store.get(key).map_or(0, |entry| entry.modified);
        let moved =
            modified(Key::Reclaims(pool)) != guard.reclaims || modified(Key::Epoch) != guard.epoch;
        let spec = self.store.get(Key::Spec(pool)).map(|entry| entry.value);
        let same_spec = spec == Some(Value::Spec(terms.spec));
        let gone = self.ticket(caller.pod, pool) != Some(*ticket);
        let taken = self.store.has(Key::Slot(pool, *name))
            || self.store.has(Key::Quarantine(pool, *name))
            || self.store.has(Key::Owner(caller.pod, pool));
        same_spec && !gone && !taken && !moved && !self.store.has(Key::Freeze(pool))
    }
}
