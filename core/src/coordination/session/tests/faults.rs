//! What goes wrong in the simulation.

use super::fixture::S;
use super::world::{Item, World};
use crate::coordination::session::Event;

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// The process dies; another one follows.
    Crash,
    /// Another process of the pod starts beside it.
    Twin,
    /// The record is deleted, as if the lease had ended.
    Vanish,
    /// The process reaches nothing for a while.
    Cut,
    /// The same, and its record is gone at once.
    Lost,
    /// The epoch moves, and nothing is lost.
    Epoch,
    /// Everything is lost.
    Wipe,
    /// The pod is being deleted.
    Drain,
    /// SIGTERM.
    Terminate,
    /// The watch breaks.
    Break,
    /// The watch stays open and shows nothing.
    Silence,
}

// === impl World ===

impl World {
    pub(super) fn fault(&mut self, fault: Fault, pod: usize) {
        let last = self.pods[pod].processes.len().saturating_sub(1);
        let started = !self.pods[pod].processes.is_empty();
        match fault {
            Fault::Crash | Fault::Twin if started && !self.pods[pod].deleted => {
                if matches!(fault, Fault::Crash) {
                    self.pods[pod].processes[last].alive = false;
                }
                let delay = self.below(3 * S);
                self.put(delay, Item::Start(pod));
            }
            Fault::Vanish => {
                let uid = self.pods[pod].uid.clone();
                self.store.delete_member(&uid);
            }
            Fault::Cut | Fault::Lost if started => {
                let until = self.now + self.below(20 * S);
                let process = &mut self.pods[pod].processes[last];
                process.cut_until = until;
                process.silent_until = until;
                if matches!(fault, Fault::Lost) {
                    let uid = self.pods[pod].uid.clone();
                    self.store.delete_member(&uid);
                }
            }
            Fault::Epoch => {
                let epoch = self.store.picture.epoch.unwrap_or(7) + 1000;
                self.store.move_epoch(epoch);
                self.put(64 * S, Item::EndHold);
            }
            Fault::Wipe => {
                let epoch = self.store.picture.epoch.unwrap_or(100_000) + 1000;
                self.store.wipe();
                self.put(S, Item::Epoch(epoch));
            }
            // One pod always stays.
            Fault::Drain | Fault::Terminate if pod > 0 && started => {
                self.pods[pod].deleted = true;
                let drain = matches!(fault, Fault::Drain);
                self.event((pod, last), if drain { Event::Drain } else { Event::Terminate });
            }
            Fault::Break if started => {
                self.pods[pod].processes[last].watch = None;
                self.event((pod, last), Event::WatchEnded("broken".into()));
            }
            Fault::Silence if started => {
                self.pods[pod].processes[last].silent_until = self.now + 30 * S;
            }
            _ => {}
        }
        self.watches();
        self.look();
    }
}
