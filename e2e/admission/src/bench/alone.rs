//! A handler without server and network: one review after the other on one thread, so that its allocations are its own.

use std::hint::black_box;

use futures::FutureExt as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region};
use tokio::time::Instant;

use super::handler::Handler;
use super::{BenchError, Kind, Size, Times, pods};
use crate::in_process::NAMESPACE;
use crate::review;

/// Enough for a stable 99th percentile.
const ROUNDS: u32 = 4_000;
/// Caches and branch predictors are warm in a process that serves.
const WARM_UP: u32 = 400;

/// The figures of one handler and one pod.
#[derive(Clone, Copy, Debug)]
pub struct Alone {
    /// What was measured.
    pub name: &'static str,
    /// Which pod.
    pub size: Size,
    /// The time of one review.
    pub times: Times,
    /// Allocations of one review.
    pub allocations: f64,
    /// Bytes allocated for one review.
    pub bytes: f64,
}

/// Measures both handlers with both pods. Not within a runtime: the handlers are set up with one of their own.
pub fn measure() -> Result<Vec<Alone>, BenchError> {
    let mut all = Vec::new();
    for size in Size::ALL {
        let body = review::body(&pods::pod(size), NAMESPACE, false);
        for kind in Kind::ALL {
            let handler = Handler::new(kind)?;
            all.push(one(kind.name(), size, || {
                black_box(handler.answer(black_box(&body)).now_or_never());
            }));
            if let Handler::Typed(typed) = &handler {
                all.push(one("typed structs, without the comparison", size, || {
                    black_box(typed.without_comparison(black_box(&body)));
                }));
            }
        }
    }
    Ok(all)
}

fn one(name: &'static str, size: Size, once: impl Fn()) -> Alone {
    for _ in 0..WARM_UP {
        once();
    }
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    for _ in 0..WARM_UP {
        once();
    }
    let counted = region.change();
    let share =
        |count: usize| u32::try_from(count).map_or(f64::NAN, f64::from) / f64::from(WARM_UP);
    let micros = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        once();
        begun.elapsed().as_secs_f64() * 1e6
    });
    Alone {
        name,
        size,
        times: Times::of(micros.collect()),
        allocations: share(counted.allocations + counted.reallocations),
        bytes: share(counted.bytes_allocated),
    }
}
