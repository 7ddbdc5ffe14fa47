//! The claiming track and pools that are not known: read before a lease is granted, and written where nobody
//! else writes them.

use super::claim::Claim;
use super::machine::Machine;
use super::track::Track;
use super::{Action, EndReason};
use crate::pool::{Pool, PoolName};
use crate::time::Now;

impl Machine {
    /// A pool of which nobody can say yet how long a lease it needs.
    pub(super) fn unknown_pool(&self) -> Option<usize> {
        let unknown = |claim: &Claim| claim.pool.is_none() && Pool::builtin(&claim.name).is_none();
        self.claims.iter().position(unknown)
    }

    /// What a look without a lease has not found.
    pub(super) fn on_first_look(&mut self, now: Now, actions: &mut Vec<Action>) {
        let Some(index) = self.unknown_pool() else { return };
        let Some(claim) = self.claims.get(index) else { return };
        let name = claim.name.clone();
        match claim.unusable.clone() {
            Some(sentence) => self.wait(now, index, &sentence),
            None if self.config.define_missing => self.define(now, &name, actions),
            None => self.wait(now, index, &not_defined(&name)),
        }
    }

    /// Writes a pool that ships with Cairn; there is nobody else to ask for it without Kubernetes.
    pub(super) fn define(&mut self, now: Now, name: &PoolName, actions: &mut Vec<Action>) {
        if let Some(pool) = Pool::builtin(name) {
            self.claiming = Track::Busy;
            // A store without the pool may have been wiped: others may still believe.
            let known = self.epoch;
            let freeze = (known > 0 || !self.config.new_store).then(|| pool.spec.freeze_span());
            let epoch = (now.wall.0 / 1000).max(known.saturating_add(1));
            actions.push(Action::Define { pool, epoch, freeze });
            return;
        }
        let known = Pool::builtin_names().iter().map(PoolName::to_string).collect::<Vec<_>>();
        let sentence = format!(
            "pool '{name}' is not defined in etcd and is none of the built-in ones ({})",
            known.join(", ")
        );
        self.finish(EndReason::Failed(sentence), actions);
    }
}

pub(super) fn not_defined(name: &PoolName) -> String {
    format!("pool '{name}' is not in etcd yet; it is written by cairn-webhook, look at its log")
}
