//! What is served under which fence and until when, and the lines of the journal that say so.
//!
//! Invariants: the deadline is journalled before anything is served by it. Everything that is not granted any more is
//! journalled as stopped before it can be confirmed.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::json;

/// Grows from owner to owner of a shard: epoch and revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fence(i64, i64);

/// What the sidecar has said: `GET /v1/shards`.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    epoch: i64,
    fences: BTreeMap<u32, i64>,
    valid_until_boottime_ns: u64,
    /// What has to stop.
    pub(crate) stopping: Vec<Stopping>,
}

/// One thing that has to stop.
#[derive(Debug, Deserialize)]
pub(crate) struct Stopping {
    stop: String,
}

/// What is served.
#[derive(Debug, Default)]
pub(crate) struct Served {
    granted: BTreeMap<u32, Fence>,
    until_ns: u64,
    open: BTreeMap<u32, Fence>,
}

// === impl Told ===

impl Told {
    /// The body that confirms everything that has to stop.
    pub(crate) fn confirmation(&self) -> String {
        let stops: Vec<&str> = self.stopping.iter().map(|stopping| &*stopping.stop).collect();
        json!({"stops": stops}).to_string()
    }
}

// === impl Served ===

impl Served {
    /// Does what was told.
    pub(crate) fn apply(&mut self, told: &Told, now: u64) -> Vec<String> {
        let mut lines = self.expire(now);
        let fence = |(shard, revision): (&u32, &i64)| (*shard, Fence(told.epoch, *revision));
        self.granted = told.fences.iter().map(fence).collect();
        lines.extend(self.close("stop", now, |granted, shard, fence| {
            granted.get(shard).is_none_or(|now| now != fence)
        }));
        if self.until_ns != told.valid_until_boottime_ns {
            self.until_ns = told.valid_until_boottime_ns;
            lines.push(format!("{now} until {}", self.until_ns));
        }
        lines.extend(self.look(now));
        lines
    }

    /// Looks whether to go on, and with what.
    pub(crate) fn look(&mut self, now: u64) -> Vec<String> {
        let mut lines = self.expire(now);
        if now < self.until_ns {
            for (shard, fence) in &self.granted {
                if self.open.insert(*shard, *fence).is_none() {
                    lines.push(format!("{now} serve {shard} {fence}"));
                }
            }
        }
        lines
    }

    /// Stops everything for good.
    pub(crate) fn terminate(&mut self, now: u64) -> Vec<String> {
        let mut lines = self.expire(now);
        lines.push(format!("{now} term {}", self.open.len()));
        self.granted.clear();
        lines.extend(self.close("stop", now, |_, _, _| true));
        lines
    }

    /// Whether this shard is served now.
    pub(crate) fn serves(&self, shard: u32, now: u64) -> bool {
        now < self.until_ns && self.open.contains_key(&shard)
    }

    fn expire(&mut self, now: u64) -> Vec<String> {
        if now < self.until_ns { Vec::new() } else { self.close("expire", now, |_, _, _| true) }
    }

    fn close(
        &mut self,
        word: &str,
        now: u64,
        ends: impl Fn(&BTreeMap<u32, Fence>, &u32, &Fence) -> bool,
    ) -> Vec<String> {
        let granted = &self.granted;
        let ended = self.open.extract_if(.., |shard, fence| ends(granted, shard, fence));
        ended.map(|(shard, fence)| format!("{now} {word} {shard} {fence}")).collect()
    }
}

// === impl Fence ===

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fences: &[(u32, i64)], until: u64) -> Told {
        Told {
            epoch: 7,
            fences: fences.iter().copied().collect(),
            valid_until_boottime_ns: until,
            stopping: Vec::new(),
        }
    }

    #[test]
    fn what_is_granted_is_served_until_it_is_not() {
        let mut served = Served::default();
        let lines = served.apply(&told(&[(3, 5), (4, 6)], 100), 10);
        assert_eq!(lines, ["10 until 100", "10 serve 3 7-5", "10 serve 4 7-6"]);
        assert_eq!(served.look(20), [""; 0]);
        assert_eq!(served.apply(&told(&[(4, 6)], 100), 30), ["30 stop 3 7-5"]);
        assert!(served.serves(4, 40) && !served.serves(3, 40));
    }

    #[test]
    fn another_fence_is_another_grant() {
        let mut served = Served::default();
        served.apply(&told(&[(3, 5)], 100), 10);
        let lines = served.apply(&told(&[(3, 9)], 100), 20);
        assert_eq!(lines, ["20 stop 3 7-5", "20 serve 3 7-9"]);
    }

    #[test]
    fn nothing_is_served_past_the_deadline_and_all_again_when_it_moves() {
        let mut served = Served::default();
        served.apply(&told(&[(3, 5)], 100), 10);
        assert!(!served.serves(3, 100));
        assert_eq!(served.look(110), ["110 expire 3 7-5"]);
        assert_eq!(served.look(120), [""; 0]);
        let lines = served.apply(&told(&[(3, 5)], 200), 130);
        assert_eq!(lines, ["130 until 200", "130 serve 3 7-5"]);
    }

    #[test]
    fn at_its_end_it_says_how_much_it_served() {
        let mut served = Served::default();
        served.apply(&told(&[(3, 5)], 100), 10);
        assert_eq!(served.terminate(20), ["20 term 1", "20 stop 3 7-5"]);
    }
}
