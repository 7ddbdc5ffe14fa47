//! How many requests the mirror sends to the API server: two token buckets, as clients written in Go have them (QPS and
//! burst).
//!
//! A write that finds no token is made later, from the claims that etcd has then; an Event waits in its queue. Events
//! have a bucket of their own, so that they never delay an annotation.
//!
//! Not for: lists and watches of pods, of which a replica makes a few an hour.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::{Instant, sleep_until};

/// Events, as a part of the requests about claims.
const EVENTS_PART: u32 = 4;

/// The requests of two seconds may come at once. With the limit as shipped, the last of 500 pods that claim together
/// waits half a second for it. The API server is not flooded: few writes are under way at a time.
const BURST_SECONDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

/// The limits of the mirror.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Writes to pods and lookups of pods in a second.
    pub requests: NonZeroU32,
}

/// At most so many requests in a second. Some more may come at once.
#[derive(Debug)]
pub struct RequestLimit(
    RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Duration>>,
);

/// The runtime's clock, which tests can stop.
#[derive(Clone, Copy, Debug)]
struct RuntimeClock {
    origin: Instant,
}

// === impl Limits ===

impl Limits {
    /// The limit of writes to pods and lookups of pods.
    pub fn of_requests(self) -> RequestLimit {
        RequestLimit::new(self.requests, self.requests.saturating_mul(BURST_SECONDS))
    }

    /// The limit of Events.
    pub fn of_events(self) -> RequestLimit {
        let part = NonZeroU32::new(self.requests.get() / EVENTS_PART).unwrap_or(NonZeroU32::MIN);
        RequestLimit::new(part, part)
    }
}

// === impl RequestLimit ===

impl RequestLimit {
    /// A full bucket, which has so many tokens and gets so many in a second.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let clock = RuntimeClock { origin: Instant::now() };
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self(RateLimiter::direct_with_clock(quota, clock))
    }

    /// Takes a token. Without one: when the next comes.
    pub fn take(&self) -> Result<(), Instant> {
        let now = Instant::now();
        self.0.check().map_err(|until| now + until.wait_time_from(self.0.clock().now()))
    }

    /// Takes a token as soon as there is one.
    pub async fn ready(&self) {
        while let Err(until) = self.take() {
            sleep_until(until).await;
        }
    }
}

// === impl RuntimeClock ===

impl Clock for RuntimeClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(requests: u32) -> Limits {
        Limits { requests: NonZeroU32::new(requests).unwrap() }
    }

    #[tokio::test(start_paused = true)]
    async fn the_requests_of_two_seconds_may_come_at_once_and_later_ones_are_spread() {
        let (limit, start) = (limits(10).of_requests(), Instant::now());
        let mut at = Vec::new();
        for _ in 0..23 {
            limit.ready().await;
            at.push((Instant::now() - start).as_millis());
        }
        assert_eq!(at[..20], [0; 20]);
        // The timer of the runtime counts whole milliseconds.
        for (found, expected) in at[20..].iter().zip([100, 200, 300]) {
            assert!((expected..expected + 3).contains(found), "{at:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_says_when_the_next_request_is_allowed() {
        let limit = limits(4).of_requests();
        while limit.take().is_ok() {}
        let until = limit.take().unwrap_err();
        assert_eq!(until - Instant::now(), Duration::from_millis(250));
        tokio::time::advance(Duration::from_millis(251)).await;
        limit.take().unwrap();
        limit.take().unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn events_have_a_quarter_and_at_least_one() {
        for (requests, events) in [(200, 50), (3, 1)] {
            let limit = limits(requests).of_events();
            let at_once = std::iter::from_fn(|| limit.take().ok()).count();
            assert_eq!(at_once, events);
        }
    }
}
