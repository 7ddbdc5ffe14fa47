//! Which containers of the app are new since the app has missed its heartbeat.
//!
//! The kubelet asks the startup probe of a container at every start of it and at no other time. So a container whose
//! startup was asked for since then is another run of the app. A container that was not started again may still be the
//! one that hangs: the app is new once every container is.
//!
//! Not for: what follows from it (`crate::session`, `crate::drive`).

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

/// More containers than a pod has. Others may ask the probes too.
const MOST: usize = 64;

/// What the kubelet's probes have told. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Restarts(Arc<watch::Sender<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// Containers whose life the kubelet asks us about.
    known: BTreeSet<String>,
    /// Those that were started since the app was missed.
    new: BTreeSet<String>,
}

// === impl Restarts ===

impl Restarts {
    /// The app has missed its heartbeat: no container is new.
    pub fn app_was_missed(&self) {
        self.0.send_modify(|seen| seen.new.clear());
    }

    /// The kubelet asks whether this container lives.
    pub fn probed(&self, container: &str) {
        self.0.send_if_modified(|seen| note(&mut seen.known, container));
    }

    /// The kubelet has started this container.
    pub fn started(&self, container: &str) {
        self.0.send_if_modified(|seen| {
            let known = note(&mut seen.known, container);
            note(&mut seen.new, container) || known
        });
    }

    /// Whether this container was started since the app was missed.
    pub fn is_new(&self, container: &str) -> bool {
        self.0.borrow().new.contains(container)
    }

    /// Whether every container was.
    pub fn are_all_new(&self) -> bool {
        self.0.borrow().are_all_new()
    }

    /// Waits until every container is new.
    pub async fn all_new(&self) {
        // The sender is ours, so this does not fail.
        let _ = self.0.subscribe().wait_for(Seen::are_all_new).await;
    }
}

// === impl Seen ===

impl Seen {
    fn are_all_new(&self) -> bool {
        !self.known.is_empty() && self.known.is_subset(&self.new)
    }
}

/// True when it was not known.
fn note(containers: &mut BTreeSet<String>, container: &str) -> bool {
    containers.len() < MOST && containers.insert(container.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_new_once_every_container_was_started_again() {
        let restarts = Restarts::default();
        assert!(!restarts.are_all_new(), "nothing is known");
        restarts.started("a");
        restarts.probed("b");
        restarts.app_was_missed();
        assert!(!restarts.is_new("a"));
        restarts.started("a");
        assert!(restarts.is_new("a") && !restarts.are_all_new(), "b may hang");
        restarts.probed("b");
        assert!(!restarts.are_all_new());
        restarts.started("b");
        assert!(restarts.are_all_new());
    }

    #[test]
    fn others_cannot_fill_the_memory() {
        let restarts = Restarts::default();
        for index in 0..1000 {
            restarts.probed(&index.to_string());
        }
        assert_eq!(restarts.0.borrow().known.len(), MOST);
    }
}
