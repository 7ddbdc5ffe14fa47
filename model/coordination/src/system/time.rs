//! Time passes.

use super::SystemState;
use crate::config::MARGIN;
use crate::place::{PerShard, Pod, ProcessId, Shard};

impl SystemState {
    /// A tick passes; on the clock of a process so many.
    pub(crate) fn tick(&mut self, ticks: &dyn Fn(ProcessId) -> u8) {
        self.store.hold.tick();
        self.hold_author.tick();
        for pod in Pod::ALL {
            let state = &mut self.pods[pod];
            let served =
                PerShard { zero: state.serves(Shard::Zero), one: state.serves(Shard::One) };
            state.heartbeat = state.heartbeat.saturating_sub(1);
            // What an ended process has told counts on the same clock of the machine.
            let mut stands = false;
            for id in pod.processes() {
                if let Some(process) = state.processes.get_mut(id.younger) {
                    let passed = ticks(id);
                    process.tick(passed);
                    stands |= passed == 0;
                }
            }
            for shard in Shard::ALL {
                let told = &mut state.told[shard];
                *told = told.saturating_sub(u8::from(!stands));
                let rested = &mut state.rested[shard];
                *rested = if served[shard] { 0 } else { (*rested + 1).min(MARGIN) };
            }
        }
    }
}
