//! The loss of a lease, and in a `Keep` pool the re-claim of the old name.

use super::{Context, Phase, Process, Regaining};
use crate::key::Pool;
use crate::pool_view::PoolView;
use crate::request::Request;
use crate::rule::Rule;

impl Process {
    /// The lease does not exist any more, nor does any key on it.
    pub(super) fn lease_gone(&mut self, context: &Context<'_>) {
        let age = self.age;
        let believers = context.config.keeps(Rule::OnlyBelieversReclaim);
        for claim in &mut self.claims {
            let left = |held: &super::Held| {
                if held.verified { held.validity.saturating_sub(age) } else { 0 }
            };
            claim.phase = match &claim.phase {
                Phase::Held(held) if context.config.keep || left(held) > 0 || !believers => {
                    let (name, left) = (held.name, left(held));
                    Phase::Regaining(Regaining { name, left, saved: false })
                }
                Phase::Lost => Phase::Lost,
                Phase::Regaining(regaining) => Phase::Regaining(*regaining),
                _ => Phase::Pending,
            };
        }
        self.begin(context);
    }

    pub(super) fn regain(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        regaining: Regaining,
        view: &PoolView,
    ) {
        let Some(terms) = view.terms else { return };
        let Regaining { name, left, .. } = regaining;
        let quarantine = view.own_quarantine(name);
        let believers = context.config.keeps(Rule::OnlyBelieversReclaim);
        let live = left > 0 || !believers;
        let taken =
            view.held.contains(&name) || (view.quarantined.contains(&name) && quarantine.is_none());
        if taken || (!context.config.keep && !live && quarantine.is_none()) {
            if context.config.keep {
                self.set(pool, Phase::Lost);
            } else {
                self.set(pool, Phase::Pending);
                self.ask(pool, Request::Read);
            }
        } else if !view.frozen || live {
            self.ask(pool, Request::Reclaim { name, terms, despite_freeze: live, quarantine });
        }
    }
}
