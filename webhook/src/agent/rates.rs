//! How many enrolments each namespace may ask for: a token bucket for each.
//!
//! The namespace is known from a review, so one namespace cannot use up what another may ask for. Pure except for its
//! lock: time is passed in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cairn_core::time::BootInstant;

/// A rollout of this many pods in one namespace enrols without a pause.
const BURST: f64 = 2000.0;
/// Enrolments a second afterwards. A pod enrols once at its start and then every few hours.
const PER_SECOND: f64 = 20.0;
/// Namespaces with a bucket, before full ones are dropped. A full bucket is like none.
const BUCKETS: usize = 1024;

/// The buckets.
#[derive(Debug, Default)]
pub struct Rates(Mutex<HashMap<String, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: BootInstant,
}

// === impl Rates ===

impl Rates {
    /// Takes one enrolment of a namespace; false if it has none left.
    pub fn admit(&self, namespace: &str, now: BootInstant) -> bool {
        // No code panics while it is locked.
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS && !buckets.contains_key(namespace) {
            buckets.retain(|_, bucket| bucket.filled(now).left < BURST);
        }
        let full = Bucket { left: BURST, at: now };
        let bucket = buckets.entry(namespace.to_owned()).or_insert(full);
        *bucket = bucket.filled(now);
        let admitted = bucket.left >= 1.0;
        if admitted {
            bucket.left -= 1.0;
        }
        admitted
    }
}

// === impl Bucket ===

impl Bucket {
    fn filled(self, now: BootInstant) -> Self {
        let since: Duration = now.since(self.at);
        Self { left: (self.left + since.as_secs_f64() * PER_SECOND).min(BURST), at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> BootInstant {
        BootInstant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_namespace_that_has_used_up_its_burst_waits_and_others_do_not() {
        let rates = Rates::default();
        let admitted = (0..3000).filter(|_| rates.admit("noisy", at(0))).count();
        assert_eq!(admitted, 2000);
        assert!(rates.admit("quiet", at(0)));
        assert!(!rates.admit("noisy", at(49)));
        assert!(rates.admit("noisy", at(51)));
        assert!(!rates.admit("noisy", at(52)));
    }

    #[test]
    fn full_buckets_are_dropped_when_there_are_many() {
        let rates = Rates::default();
        for namespace in 0..5000 {
            assert!(rates.admit(&namespace.to_string(), at(namespace * 1000)));
        }
        assert!(rates.0.lock().unwrap().len() <= BUCKETS);
    }
}
