//! Readiness as a list of named blocks: ready once none is left, and never again after shutdown
//! began. `/readyz` prints the list, so a start that hangs says on what.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The pending blocks.
#[derive(Clone, Debug, Default)]
pub struct Ready(Arc<Mutex<BTreeSet<&'static str>>>);

/// A condition of readiness; dropping it fulfils the condition.
#[derive(Debug)]
#[must_use = "dropping the block fulfils its condition"]
pub struct Block {
    ready: Ready,
    name: &'static str,
}

// === impl Ready ===

impl Ready {
    /// Adds a block.
    pub fn register(&self, name: &'static str) -> Block {
        self.change(|pending| pending.insert(name));
        Block { ready: self.clone(), name }
    }

    /// The names of the pending blocks.
    pub fn pending(&self) -> Vec<&'static str> {
        self.change(|pending| pending.iter().copied().collect())
    }

    // A std mutex: it is never held across an await, and a set of names cannot be left half-changed.
    fn change<T>(&self, change: impl FnOnce(&mut BTreeSet<&'static str>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Block ===

impl Block {
    /// Keeps the block for ever.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let left = self.ready.change(|pending| {
            pending.remove(self.name);
            pending.len()
        });
        tracing::info!(task = self.name, still_pending = left, "ready");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_once_every_block_is_gone_and_says_what_is_left() {
        let ready = Ready::default();
        let (pools, certificate) = (ready.register("pools"), ready.register("certificate"));
        drop(pools);
        assert_eq!(ready.pending(), ["certificate"]);
        drop(certificate);
        assert!(ready.pending().is_empty());
        ready.register("shutdown").keep();
        assert_eq!(ready.pending(), ["shutdown"]);
    }
}
