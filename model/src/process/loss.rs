//! Losing a lease, and with `Keep` the way back to the old name and no other.

use super::{Context, Phase, Process, Regaining};
use crate::key::Pool;
use crate::request::Request;
use crate::view::View;

impl Process {
    /// The lease is known to be gone, and every key with it.
    pub(super) fn lease_gone(&mut self, context: &Context<'_>) {
        let age = self.age;
        for claim in &mut self.claims {
            claim.phase = match &claim.phase {
                Phase::Held(held) if context.config.keep => Phase::Regaining(Regaining {
                    name: held.name,
                    left: if held.verified { held.validity.saturating_sub(age) } else { 0 },
                }),
                Phase::Lost => Phase::Lost,
                Phase::Regaining(regaining) => Phase::Regaining(*regaining),
                _ => Phase::Wanting,
            };
        }
        self.begin(context);
    }

    pub(super) fn regain(&mut self, pool: Pool, regaining: Regaining, view: &View) {
        let Some(terms) = view.terms else { return };
        let name = regaining.name;
        if view.held.contains(&name) || view.resting.contains(&name) {
            self.set(pool, Phase::Lost);
        } else if !view.on_hold || regaining.left > 0 {
            self.ask(pool, Request::Reclaim { name, terms, holding: regaining.left > 0 });
        }
    }
}
