//! What happens to the whole store: wiped, restored, another epoch.

use super::SystemState;
use crate::config::Config;
use crate::place::Pod;
use crate::rule::Rule;
use crate::store::{Hold, Store};

impl SystemState {
    pub(super) fn wipe(&mut self, config: &Config) {
        self.faults.wipes = self.faults.wipes.saturating_sub(1);
        self.store = Store::default();
        self.store.map.count = config.map(Pod::A);
        self.writes.clear();
    }

    /// The store comes back as it was, by `cairn admin restored`: what was sent before does not reach it.
    pub(super) fn restore(&mut self, config: &Config) {
        self.faults.restores = self.faults.restores.saturating_sub(1);
        let Some(store) = self.snapshot.take() else { return };
        self.store = *store;
        self.writes.clear();
        if config.keeps(Rule::RestoreMovesEpoch) {
            self.move_epoch(config);
        } else {
            self.epochs += 1;
            self.store.hold = Hold::Left(config.hold());
        }
    }

    /// A new epoch, with its hold.
    pub(crate) fn move_epoch(&mut self, config: &Config) {
        self.epochs += 1;
        self.store.epoch = self.epochs;
        self.store.revision += 1;
        self.store.hold = Hold::Left(config.hold());
        if !config.two_step_hold {
            return;
        }
        if !config.keeps(Rule::HoldComesWithEpoch) {
            self.store.hold = Hold::None;
            self.hold_author = Hold::Unsettled;
        } else if config.keeps(Rule::HoldIsSettledLater) {
            self.store.hold = Hold::Unsettled;
        } else {
            self.store.hold = std::mem::take(&mut self.hold_author);
        }
    }

    /// Whether the epoch may be moved: without a rule, only while the hold's lease is there.
    pub(super) fn may_move_epoch(&self, config: &Config) -> bool {
        let prepared = matches!(self.hold_author, Hold::Left(_));
        !config.two_step_hold || config.keeps(Rule::HoldIsSettledLater) || prepared
    }

    /// The second step of a hold: by its author, or by the webhook.
    pub(crate) fn settle_hold(&mut self, config: &Config) {
        self.store.hold = Hold::Left(config.hold());
        self.hold_author = Hold::None;
    }

    /// Whether a second step is due.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.store.hold == Hold::Unsettled || self.hold_author == Hold::Unsettled
    }

    /// C10
    pub(super) fn drop_member(&mut self, config: &Config, pod: Pod) {
        self.faults.drops = self.faults.drops.saturating_sub(1);
        self.store.members[pod] = None;
        self.store.out[pod] = config.keeps(Rule::DropPutsOut);
        self.dropped[pod] = true;
    }
}
