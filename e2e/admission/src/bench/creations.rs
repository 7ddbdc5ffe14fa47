//! Pods that an API server creates, and what they cost it.

use serde_json::{Value, json};

use super::cost::Meter;
use super::driver::{Rate, over_api_server};
use super::figures::{Creation, With};
use super::{BenchError, Size, pods};

/// An API server that has just started is busy with itself.
const WARM_UP: Rate = Rate { per_second: 50, pods: 500 };

/// The rates at which it is looked where an API server is too slow.
const CLIMB: [u32; 12] = [25, 50, 75, 100, 125, 150, 200, 250, 300, 400, 500, 600];
/// At each of them.
const SECONDS: u32 = 4;
/// The climb ends after so many misses in a row.
const MISSES: usize = 2;
/// The target for p99, in microseconds.
pub const LIMIT: f64 = 10_000.0;

/// Creates pods until the API server has started in earnest.
pub async fn warm_up(meter: Meter<'_>, with: With) -> Result<(), BenchError> {
    once(meter, with, Size::Small, WARM_UP).await.map(drop)
}

/// Creates one pod at one rate.
pub async fn once(
    meter: Meter<'_>,
    with: With,
    size: Size,
    rate: Rate,
) -> Result<Creation, BenchError> {
    let pod = if with.injects() { pods::pod(size) } else { without_cairn(size) };
    let kubernetes = meter.api_server.kubernetes();
    let run = over_api_server(kubernetes, &pod, with.injects(), rate);
    let (created, cost) = meter.around(rate, run).await?;
    let creation = Creation { with, size, rate, created, cost, in_handler: None, resident: None };
    eprintln!("{creation:?}");
    Ok(creation)
}

/// Creates the small pod at ever higher rates, until p99 is above the limit.
pub async fn climb(meter: Meter<'_>, with: With) -> Result<Vec<Creation>, BenchError> {
    let mut all: Vec<Creation> = Vec::new();
    for per_second in CLIMB {
        let rate = Rate { per_second, pods: per_second * SECONDS };
        all.push(once(meter, with, Size::Small, rate).await?);
        let missed = all.iter().rev().take_while(|one| !is_met(one)).count();
        if missed >= MISSES {
            break;
        }
    }
    Ok(all)
}

/// Whether a creation stays below the limit.
pub fn is_met(one: &Creation) -> bool {
    one.created.failed == 0 && one.created.times.p99 < LIMIT
}

/// A pod that does not ask for Cairn.
fn without_cairn(size: Size) -> Value {
    let mut pod = pods::pod(size);
    pod["metadata"]["annotations"] = json!({"example.com/team": "shop"});
    pod
}
