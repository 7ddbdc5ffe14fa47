//! Requests without an answer: they may have been applied, or may land later. A linearizable read of the owner record
//! tells whether one was. A grant, a read and a release are simply sent again.

use super::{Call, Context, Effect, Held, Phase, Process};
use crate::key::{Key, Pool};
use crate::request::Request;
use crate::rule::Rule;
use crate::txn::{TxnReply, Value};

impl Process {
    /// No answer came in time. The request may have been applied, or may land later.
    pub(crate) fn unanswered(&mut self, context: &Context<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(Call { pool, request, age, .. }) = self.call.take() else {
            return effects;
        };
        match request {
            Request::Claim { .. }
            | Request::Redeem { .. }
            | Request::Adopt(_)
            | Request::Reclaim { .. } => self.ask(pool, Request::Confirm(Box::new(request))),
            // The answer to the next T4 shows the reservation.
            Request::Reserve { .. } => self.advance(context, &mut effects),
            // If it fails, nothing is revoked. The lease expires.
            Request::Release { .. } if self.terminating => effects.push(Effect::Exit),
            // A deadline counts from the first send.
            Request::Begin => self.call = Some(Call { pool, request, age, again: true }),
            _ => self.ask(pool, request),
        }
        effects
    }

    /// The answer to the read of the owner record after an attempt without an answer.
    pub(super) fn confirmed(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        request: Request,
        reply: &TxnReply,
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
            | Request::Redeem { terms, .. }
            | Request::Reclaim { terms, .. } => (terms.validity, terms.spec.quarantine, false),
            _ => return,
        };
        // The reservation is not in this answer, so a process that needs it reads again.
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
