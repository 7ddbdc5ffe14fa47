//! Until when the session may be relied on: the last good read, the app's heartbeat, and the clocks.
//!
//! Invariants: a deadline is never later than the send instant of the last good read + V, nor than the last heartbeat +
//! the time that the app promised. Nothing else extends it.

use std::time::Duration;

use crate::coordination::validity::Validity;
use crate::time::{BootInstant, Now};

/// Until when the session may be relied on.
#[derive(Clone, Debug)]
pub(super) struct Deadline {
    validity: Validity,
    heartbeat: Option<Duration>,
    last_heartbeat: Option<BootInstant>,
    /// An earlier process of this pod has participated, so the app runs: it has to call from then on.
    resumed: Option<BootInstant>,
    /// Send instant of the last good read of this session.
    proved: Option<BootInstant>,
    /// The latest deadline that this session was told.
    told: BootInstant,
    /// Wall clock minus boot clock when the clocks were last compared and agreed, in milliseconds.
    offset: Option<i64>,
    /// Nothing that was proved before this instant is believed after it.
    jumped: BootInstant,
}

// === impl Deadline ===

impl Deadline {
    pub(super) fn new(validity: Validity, heartbeat: Option<Duration>) -> Self {
        Self {
            validity,
            heartbeat,
            last_heartbeat: None,
            resumed: None,
            proved: None,
            told: BootInstant::default(),
            offset: None,
            jumped: BootInstant::default(),
        }
    }

    /// The deadline; the boot instant 0 when nothing is proved.
    pub(super) fn at(&self) -> BootInstant {
        let Some(proved) = self.proved else { return BootInstant::default() };
        let mut at = proved.after(self.validity.span());
        if proved < self.jumped {
            at = at.min(self.jumped);
        }
        at.min(self.heartbeat_limit().unwrap_or(at))
    }

    /// The latest deadline that was told in this session. An app that was told it may act on it.
    pub(super) const fn told(&self) -> BootInstant {
        self.told
    }

    /// A good read was sent then.
    pub(super) fn prove(&mut self, sent: BootInstant, now: Now) {
        self.proved = self.proved.max(Some(sent));
        self.offset = Some(offset(now));
    }

    /// Takes note of what is told from now on.
    pub(super) fn note_told(&mut self) {
        self.told = self.told.max(self.at());
    }

    /// The session is over.
    pub(super) fn end(&mut self) {
        self.proved = None;
        self.told = BootInstant::default();
    }

    /// Takes in a reading of the clocks. True when one has jumped against the other by more than a third of V: a
    /// virtual machine that was paused may have had its boot clock stopped too.
    pub(super) fn compare_clocks(&mut self, now: Now) -> bool {
        let moved = offset(now).abs_diff(*self.offset.get_or_insert_with(|| offset(now)));
        let jumped = u128::from(moved) > (self.validity.span() / 3).as_millis();
        if jumped {
            self.jumped = now.boot;
            self.offset = Some(offset(now));
        }
        jumped
    }

    /// The app is alive. False when it has promised no heartbeat.
    pub(super) fn beat(&mut self, now: BootInstant) -> bool {
        if self.heartbeat.is_some() {
            self.last_heartbeat = Some(now);
        }
        self.heartbeat.is_some()
    }

    /// A session goes on in which an earlier process has participated. When the app called last is not known, so
    /// nothing is told before it calls again. If it hangs, that is missed as always.
    pub(super) fn resume(&mut self, now: BootInstant) {
        self.resumed.get_or_insert(now);
    }

    /// The app has promised a heartbeat and has not called yet. It may not be running yet, so nothing is told and the
    /// member does not participate.
    pub(super) fn awaits_first_beat(&self) -> bool {
        self.awaits_beat() && self.resumed.is_none()
    }

    /// The app has promised a heartbeat and has not called this process: nothing is told.
    pub(super) fn awaits_beat(&self) -> bool {
        self.heartbeat.is_some() && self.last_heartbeat.is_none()
    }

    /// When the app's next heartbeat is missed.
    pub(super) fn missed_at(&self) -> Option<BootInstant> {
        Some(self.last_heartbeat.or(self.resumed)?.after(self.heartbeat?))
    }

    fn heartbeat_limit(&self) -> Option<BootInstant> {
        let heartbeat = self.heartbeat?;
        Some(self.last_heartbeat.map_or_else(BootInstant::default, |last| last.after(heartbeat)))
    }
}

fn offset(now: Now) -> i64 {
    let boot = i64::try_from(now.boot.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
    now.wall.0.saturating_sub(boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootInstant {
        BootInstant::from_nanos(seconds * 1_000_000_000)
    }

    fn with_heartbeat() -> Deadline {
        Deadline::new(Validity::DEFAULT, Some(Duration::from_secs(15)))
    }

    #[test]
    fn an_app_is_missed_when_it_has_called_and_does_not_any_more() {
        let mut deadline = with_heartbeat();
        assert_eq!(deadline.missed_at(), None, "it may not be running");
        assert!(deadline.beat(at(100)));
        assert_eq!(deadline.missed_at(), Some(at(115)));
        let mut without = Deadline::new(Validity::DEFAULT, None);
        assert!(!without.beat(at(1)));
        assert_eq!(without.missed_at(), None);
    }

    #[test]
    fn a_younger_process_gives_the_app_its_whole_time_once() {
        let mut resumed = with_heartbeat();
        resumed.resume(at(50));
        resumed.resume(at(60));
        assert_eq!(resumed.missed_at(), Some(at(65)), "only the first time");
        assert!(resumed.awaits_beat() && !resumed.awaits_first_beat());
    }
}
