//! The control file of a pod: errors of its clocks, and how far its requests to etcd get. The sidecar under test
//! reads it at each use, and the harness replaces it while the pod runs.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::boottime::Nanos;

/// The errors of a pod's clocks, and how far its requests get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Added to the wall clock.
    pub wall_offset_ms: i64,
    /// From this instant on the pod's boot clock runs at `rate`.
    pub slow_from: Nanos,
    /// The rate in thousandths; 1000 is a correct clock.
    pub rate: u64,
    /// How far requests get.
    pub way: Way,
}

/// How far a sidecar's requests get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// Requests and answers arrive.
    Open,
    /// Requests do not arrive.
    Cut,
    /// Requests arrive, and answers do not.
    Deaf,
}

impl Default for Control {
    fn default() -> Self {
        Self { wall_offset_ms: 0, slow_from: 0, rate: FULL, way: Way::Open }
    }
}

/// A rate without error.
const FULL: u64 = 1000;

// === impl Control ===

impl Control {
    /// Reads the file. A pod without a file has no errors.
    pub fn read(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Replaces the file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(&new, path)
    }

    /// The reading of the pod's boot clock at an instant.
    pub fn shown(&self, real: Nanos) -> Nanos {
        match real.checked_sub(self.slow_from) {
            Some(since) if self.rate != FULL => self.slow_from + scale(since, self.rate, FULL),
            _ => real,
        }
    }

    /// The instant at which the pod's boot clock has this reading.
    pub fn real(&self, shown: Nanos) -> Nanos {
        match shown.checked_sub(self.slow_from) {
            Some(since) if self.rate != FULL => {
                self.slow_from.saturating_add(scale(since, FULL, self.rate.max(1)))
            }
            _ => shown,
        }
    }
}

fn scale(span: Nanos, by: u64, of: u64) -> Nanos {
    let scaled = u128::from(span) * u128::from(by) / u128::from(of);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_of_a_slow_clock_are_converted_in_both_directions() {
        let control = Control { slow_from: 1_000, rate: 500, ..Control::default() };
        assert_eq!(control.shown(900), 900);
        assert_eq!(control.shown(3_000), 2_000);
        assert_eq!(control.real(2_000), 3_000);
        assert_eq!(Control::default().real(7), 7);
    }
}
