//! The app's heartbeat, as far as the app's life and its claims depend on it. The session machine keeps its own account
//! for shards and leadership.

use std::time::Duration;

use cairn_core::duration;
use cairn_core::time::BootInstant;

/// When the app called last. Before its first call nothing is expected: it may not be running yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heart {
    period: Option<Duration>,
    /// The last call; or when this process learned that the app has called an earlier one.
    last: Option<BootInstant>,
    /// The app has called this process.
    called: bool,
}

// === impl Heart ===

impl Heart {
    /// A heart that has not beaten. Without a period, nothing is expected.
    pub(super) fn new(period: Option<Duration>) -> Self {
        Self { period, last: None, called: false }
    }

    /// The app has called.
    pub(super) fn beat(&mut self, now: BootInstant) {
        self.last = Some(now);
        self.called = true;
    }

    /// The app has promised to call, and has not called this process yet.
    pub(super) fn awaits_call(&self) -> bool {
        self.period.is_some() && !self.called
    }

    /// The app has called an earlier process of this pod, so it runs. This one gives it the whole period once.
    pub(super) fn resume(&mut self, now: BootInstant) {
        self.last.get_or_insert(now);
    }

    /// No deadline told is later than this.
    pub(super) fn until(&self) -> Option<BootInstant> {
        Some(self.last?.after(self.period?))
    }

    /// Whether the app has called before, and does not any more.
    pub(super) fn has_stopped(&self, now: BootInstant) -> bool {
        self.until().is_some_and(|until| now >= until)
    }

    /// Why the app has to stop.
    pub(super) fn missed(&self, now: BootInstant) -> Option<String> {
        let period = self.period.filter(|_| self.has_stopped(now))?;
        let period = duration::print(period);
        Some(format!("the app has not called POST /v1/heartbeat for {period}; it has to stop"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_that_has_beaten_and_stops_is_missed() {
        let at = |seconds: u64| BootInstant::from_nanos(seconds * 1_000_000_000);
        let mut heart = Heart::new(Some(Duration::from_secs(15)));
        assert_eq!((heart.missed(at(100)), heart.until()), (None, None), "it may not be running");
        heart.beat(at(100));
        assert_eq!(heart.until(), Some(at(115)));
        assert_eq!(heart.missed(at(114)), None);
        assert!(heart.missed(at(115)).unwrap().contains("POST /v1/heartbeat for 15s"));
        let mut resumed = Heart::new(Some(Duration::from_secs(15)));
        resumed.resume(at(50));
        resumed.resume(at(60));
        assert_eq!(resumed.until(), Some(at(65)), "only the first time");
        let mut without = Heart::new(None);
        without.beat(at(1));
        assert_eq!((without.missed(at(1000)), without.until()), (None, None));
    }
}
