//! A handler without server and network: one review after the other on one thread, with warm caches and with cold ones.

use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

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
/// Until caches and branch predictors are warm.
const WARM_UP: u32 = 400;
/// With cold caches; each of them takes its pause.
const COLD_ROUNDS: u32 = 400;
/// As between reviews at 200 a second.
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes that are written meanwhile: more than the caches of a core hold.
const CACHES: usize = 4 * 1024 * 1024;
/// Of a cache.
const LINE: usize = 64;
/// The program beside this one that counts.
const COUNTER: &str = "cairn-admission-allocations";

/// The figures of one handler and one pod.
#[derive(Clone, Copy, Debug)]
pub struct Alone {
    /// What was measured.
    pub name: &'static str,
    /// Which pod.
    pub size: Size,
    /// The time of one review, directly after another one.
    pub times: Times,
    /// After a pause, and with the caches full of something else.
    pub cold: Times,
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
    let mut other = vec![0_u8; CACHES];
    for_each(|name, size, once| {
        let warm = (0..ROUNDS).map(|_| micros(once)).collect();
        let cold = (0..COLD_ROUNDS).map(|_| {
            sleep(PAUSE);
            black_box(&mut other).iter_mut().step_by(LINE).for_each(|byte| *byte = !*byte);
            micros(once)
        });
        let none = Allocated { count: f64::NAN, bytes: f64::NAN };
        let allocated = counted.next().unwrap_or(none);
        let (times, cold) = (Times::of(warm), Times::of(cold.collect()));
        all.push(Alone { name, size, times, cold, allocated });
    })?;
    Ok(all)
}

fn micros(once: &dyn Fn()) -> f64 {
    let begun = Instant::now();
    once();
    begun.elapsed().as_secs_f64() * 1e6
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
