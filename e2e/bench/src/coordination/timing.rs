//! How long computations take: the median of many batches, by the boot clock.

use std::time::Duration;

use cairn_kit::clock;

/// Each figure is the median of so many batches.
const BATCHES: usize = 51;

/// A batch lasts at least this long, so that the clock's own time does not count.
const BATCH: Duration = Duration::from_micros(200);

/// The median time of a call of `work`.
pub fn median(mut work: impl FnMut()) -> Duration {
    let mut time = |calls: u32| {
        let before = clock::now().boot;
        for _ in 0..calls {
            work();
        }
        clock::now().boot.since(before)
    };
    let mut calls = 1;
    while time(calls) < BATCH {
        calls *= 2;
    }
    let mut took: Vec<Duration> = (0..BATCHES).map(|_| time(calls)).collect();
    took.sort_unstable();
    took.get(BATCHES / 2).copied().unwrap_or_default() / calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_work_is_repeated_until_it_can_be_timed() {
        let mut calls = 0_u64;
        let took = median(|| calls = std::hint::black_box(calls + 1));
        assert!(calls > 1000, "{calls}");
        assert!(took < Duration::from_micros(5), "{took:?}");
    }
}
