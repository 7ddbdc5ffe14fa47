//! Losing a lease, and with `Keep` the way back to the old name and no other.

use super::{Context, Phase, Process, Regaining};
use crate::key::Pool;
use crate::request::Request;
use crate::rule::Rule;
use crate::view::View;

impl Process {
    /// The lease is known to be gone, and every key with it.
    pub(super) fn lease_gone(&mut self, context: &Context<'_>) {
        let age = self.age;
        let believers = context.config.keeps(Rule::BelieversAloneReclaim);
        for claim in &mut self.claims {
            let left = |held: &super::Held| {
                if held.verified { held.validity.saturating_sub(age) } else { 0 }
            };
            claim.phase = match &claim.phase {
                Phase::Held(held) if context.config.keep || left(held) > 0 || !believers => {
                    let (name, left) = (held.name, left(held));
                    Phase::Regaining(Regaining { name, left, marked: false })
                }
                Phase::Lost => Phase::Lost,
                Phase::Regaining(regaining) => Phase::Regaining(*regaining),
                _ => Phase::Wanting,
            };
        }
        self.begin(context);
    }

    pub(super) fn regain(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        regaining: Regaining,
        view: &View,
    ) {
        let Some(terms) = view.terms else { return };
        let Regaining { name, left, .. } = regaining;
        let rest = view.own_rest(name);
        let believers = context.config.keeps(Rule::BelieversAloneReclaim);
        let live = left > 0 || !believers;
        let taken = view.held.contains(&name) || (view.resting.contains(&name) && rest.is_none());
        if taken || (!context.config.keep && !live && rest.is_none()) {
            if context.config.keep {
                self.set(pool, Phase::Lost);
            } else {
                self.set(pool, Phase::Wanting);
                self.ask(pool, Request::Read);
            }
        } else if !view.frozen || live {
            self.ask(pool, Request::Reclaim { name, terms, holding: live, rest });
        }
    }
}
