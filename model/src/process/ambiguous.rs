//! Requests without an answer: they may have been applied, or may be yet. Whether one was is found out by a
//! linearizable read of the owner key; a grant, a read and a release are just sent again.

use super::{Call, Context, Effect, Held, Phase, Process};
use crate::key::{Key, Pool};
use crate::request::Request;
use crate::rule::Rule;
use crate::txn::{Reply, Value};

impl Process {
    /// No answer came in time. It may have been applied, or may be yet.
    pub(crate) fn unanswered(&mut self, context: &Context<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(Call { pool, request, age, .. }) = self.call.take() else {
            return effects;
        };
        match request {
            Request::Claim { .. }
            | Request::Take { .. }
            | Request::Adopt(_)
            | Request::Reclaim { .. } => self.ask(pool, Request::Confirm(Box::new(request))),
            // Known again from the answer of the next one.
            Request::Reserve { .. } => self.advance(context, &mut effects),
            // If it fails, nothing is revoked: the lease runs out.
            Request::Release { .. } if self.terminating => effects.push(Effect::Exit),
            // A deadline counts from the first send.
            Request::Begin => self.call = Some(Call { pool, request, age, again: true }),
            _ => self.ask(pool, request),
        }
        effects
    }

    /// A linearizable get of the owner key, after an attempt that got no answer.
    pub(super) fn confirmed(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        request: Request,
        reply: &Reply,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = reply.entry(Key::Owner(context.pod, pool)) else {
            match request {
                Request::Adopt(_) => self.ask(pool, Request::Read),
                _ => self.ask(pool, request),
            }
            return;
        };
        let Value::Owner { name, nonce } = entry.value else { return };
        let frozen = reply.entry(Key::Freeze(pool)).is_some();
        let ours = nonce == self.nonce && entry.lease == self.lease;
        let (validity, quarantine, adopted) = match &request {
            Request::Adopt(adoption) => (adoption.validity, adoption.quarantine, true),
            Request::Claim { terms, .. }
            | Request::Take { terms, .. }
            | Request::Reclaim { terms, .. } => (terms.validity, terms.spec.quarantine, false),
            _ => return,
        };
        // The reservation is not in this answer: a reader of clocks looks again.
        let recognised = !context.config.keeps(Rule::OwnAttemptsAreRecognised) || ours;
        if !recognised || context.config.clock {
            self.ask(pool, Request::Read);
            return;
        }
        let held = Held {
            name,
            create: entry.create,
            own_mod_revision: entry.modified,
            validity,
            quarantine,
            verified: !adopted && !context.forbids_finding(frozen),
            clock: None,
        };
        if adopted {
            self.adopted(context, pool, held, effects);
        } else {
            self.set(pool, Phase::Held(held));
            self.believe(context, pool, effects);
        }
    }
}
