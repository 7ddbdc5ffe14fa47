//! The renewing track: pairs of a keepalive and a read of the own slots.

use super::{Context, Effect, Phase, Process};
use crate::key::{Key, Name, Pool, Revision};
use crate::rule::Rule;
use crate::store::Store;
use crate::txn::Value;

/// A pair in flight. Its keepalive and its read land separately.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    /// Ticks since it was sent.
    pub(crate) age: u8,
    asked: Vec<Asked>,
    /// Whether the lease existed; `None` until the keepalive has landed.
    pub(crate) kept: Option<bool>,
    /// What the read showed; `None` until it has landed.
    pub(crate) seen: Option<Vec<Seen>>,
}

/// A slot of this process as it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Asked {
    pool: Pool,
    name: Name,
    create: Revision,
    own_mod_revision: Revision,
}

/// A slot as a pair showed it, and whether the pool was frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    slot: Slot,
    frozen: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Slot {
    Unchanged,
    /// A younger process of this pod has it.
    Younger,
    Gone,
}

impl Process {
    /// Whether a renewal can change anything.
    pub(crate) fn may_renew(&self) -> bool {
        self.has_begun() && self.pair.is_none() && !self.terminating && self.age > 0
    }

    pub(crate) fn renew(&mut self) {
        let asked = self.claims.iter().filter_map(|claim| {
            let held = claim.held()?;
            Some(Asked {
                pool: claim.pool,
                name: held.name,
                create: held.create,
                own_mod_revision: held.own_mod_revision,
            })
        });
        self.pair = Some(Pair { age: 0, asked: asked.collect(), kept: None, seen: None });
    }

    /// The keepalive reaches the store, which has the lease or not.
    pub(crate) fn kept(&mut self, context: &Context<'_>, kept: bool) -> Vec<Effect> {
        let alone = !context.config.keeps(Rule::RenewalsArePairs);
        if let Some(pair) = &mut self.pair {
            pair.kept = Some(kept);
            if pair.asked.is_empty() || alone {
                pair.seen = Some(Vec::new());
            }
            // There is nothing to read: the keepalive's answer is the answer of the pair.
            if pair.seen.as_ref().is_some_and(Vec::is_empty) || !context.config.split {
                return self.renewed(context);
            }
        }
        Vec::new()
    }

    /// The read reaches the store.
    pub(crate) fn read_slots(&mut self, context: &Context<'_>) {
        let (nonce, store) = (self.nonce, context.store);
        if let Some(pair) = &mut self.pair {
            let look = |asked: &Asked| Seen {
                slot: asked.look(context, nonce, store),
                frozen: store.has(Key::Freeze(asked.pool)),
            };
            pair.seen = Some(pair.asked.iter().map(look).collect());
        }
    }

    /// Both halves have answered.
    pub(crate) fn renewed(&mut self, context: &Context<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(pair) = self.pair.take() else {
            return effects;
        };
        if pair.kept == Some(false) {
            self.lease_gone(context);
            return effects;
        }
        let before = std::mem::replace(&mut self.age, pair.age);
        let seen = pair.seen.unwrap_or_default();
        for (index, asked) in pair.asked.iter().enumerate() {
            // Without the rule nothing was read, so every slot counts as unchanged.
            let fine = Seen { slot: Slot::Unchanged, frozen: false };
            let seen = seen.get(index).copied().unwrap_or(fine);
            self.judge(context, *asked, seen, before, &mut effects);
        }
        if !effects.contains(&Effect::Exit) {
            self.advance(context, &mut effects);
        }
        effects
    }

    fn judge(
        &mut self,
        context: &Context<'_>,
        asked: Asked,
        seen: Seen,
        before: u8,
        effects: &mut Vec<Effect>,
    ) {
        let claim = self.claims.iter_mut().find(|claim| claim.pool == asked.pool);
        let Some(Phase::Held(held)) = claim.map(|claim| &mut claim.phase) else {
            return;
        };
        // The pair did not ask about a claim that was won meanwhile.
        if (held.name, held.create, held.own_mod_revision)
            != (asked.name, asked.create, asked.own_mod_revision)
        {
            return;
        }
        match seen.slot {
            Slot::Unchanged => {
                let resumes = !held.verified || before >= held.validity;
                held.verified = !(resumes && context.forbids_resuming(seen.frozen));
                self.believe(context, asked.pool, effects);
            }
            Slot::Younger => effects.push(Effect::Exit),
            Slot::Gone => {
                effects.push(Effect::Forget(asked.pool));
                let phase = if context.config.keep { Phase::Lost } else { Phase::Pending };
                self.set(asked.pool, phase);
            }
        }
    }
}

// === impl Pair ===

impl Pair {
    pub(crate) fn is_answered(&self) -> bool {
        self.kept.is_some() && self.seen.is_some()
    }

    /// Every revision in it, to be renumbered.
    pub(super) fn revisions(&mut self, visit: &mut dyn FnMut(&mut Revision)) {
        for asked in &mut self.asked {
            visit(&mut asked.create);
            visit(&mut asked.own_mod_revision);
        }
    }
}

// === impl Asked ===

impl Asked {
    fn look(self, context: &Context<'_>, nonce: u8, store: &Store) -> Slot {
        let Some(entry) = store.get(Key::Slot(self.pool, self.name)) else {
            return Slot::Gone;
        };
        let Value::Slot { pod, nonce: by, .. } = entry.value else {
            return Slot::Gone;
        };
        let revisions = entry.create == self.create && entry.modified == self.own_mod_revision;
        let holder = pod == context.pod && by == nonce;
        let checks = context.config.keeps(Rule::PairsCheckHolder);
        if revisions && (holder || !checks) {
            Slot::Unchanged
        } else if pod == context.pod {
            Slot::Younger
        } else {
            Slot::Gone
        }
    }
}
