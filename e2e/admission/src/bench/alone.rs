//! A handler without server and network: one review after the other on one thread.

use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::Command;

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
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
/// The program beside this one that counts.
const COUNTER: &str = "cairn-admission-allocations";

/// The figures of one handler and one pod.
#[derive(Clone, Copy, Debug)]
pub struct Alone {
    /// What was measured.
    pub name: &'static str,
    /// Which pod.
    pub size: Size,
    /// The time of one review.
    pub times: Times,
    /// What one review allocates.
    pub allocated: Allocated,
}

/// What one review allocates.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Allocated {
    /// How often, reallocations included.
    pub count: f64,
    /// How many bytes.
    pub bytes: f64,
}

/// Measures both handlers with both pods. Not within a runtime: the handlers are set up with one of their own.
pub fn measure(program: &Path) -> Result<Vec<Alone>, BenchError> {
    let counted = Command::new(program.with_file_name(COUNTER)).output()?;
    let counted: Vec<Allocated> =
        serde_json::from_slice(&counted.stdout).map_err(io::Error::from)?;
    let mut counted = counted.into_iter();
    let mut all = Vec::new();
    for_each(|name, size, once| {
        let micros = (0..ROUNDS).map(|_| {
            let begun = Instant::now();
            once();
            begun.elapsed().as_secs_f64() * 1e6
        });
        let times = Times::of(micros.collect());
        let none = Allocated { count: f64::NAN, bytes: f64::NAN };
        all.push(Alone { name, size, times, allocated: counted.next().unwrap_or(none) });
    })?;
    Ok(all)
}

/// Counts the allocations of both handlers with both pods, in a program with the allocator that counts.
pub fn count() -> Result<Vec<Allocated>, BenchError> {
    let mut all = Vec::new();
    for_each(|_, _, once| {
        let region = Region::new(&INSTRUMENTED_SYSTEM);
        for _ in 0..WARM_UP {
            once();
        }
        let counted = region.change();
        let of_one =
            |sum: usize| u32::try_from(sum).map_or(f64::NAN, f64::from) / f64::from(WARM_UP);
        all.push(Allocated {
            count: of_one(counted.allocations + counted.reallocations),
            bytes: of_one(counted.bytes_allocated),
        });
    })?;
    Ok(all)
}

/// Visits everything that is measured, warmed up.
fn for_each(mut visit: impl FnMut(&'static str, Size, &dyn Fn())) -> Result<(), BenchError> {
    let mut warm = |name, size, once: &dyn Fn()| {
        for _ in 0..WARM_UP {
            once();
        }
        visit(name, size, once);
    };
    for size in Size::ALL {
        let body = review::body(&pods::pod(size), NAMESPACE, false);
        for kind in Kind::ALL {
            let handler = Handler::new(kind)?;
            warm(kind.name(), size, &|| {
                black_box(handler.answer(black_box(&body)).now_or_never());
            });
            if let Handler::Typed(typed) = &handler {
                warm("typed structs, without the comparison", size, &|| {
                    black_box(typed.without_comparison(black_box(&body)));
                });
            }
        }
    }
    Ok(())
}
