//! Waiting for a condition, with a deadline. Nothing in this crate waits in another way.

use std::thread;
use std::time::Duration;

use crate::Failure;
use crate::clock::Moment;
use crate::turn::Rest;

/// One check starts `kubectl`, which takes a tenth of a second of CPU, and tests share two cores.
const PAUSE: Duration = Duration::from_millis(400);
/// For checks that only read a file of this machine.
const SHORT_PAUSE: Duration = Duration::from_millis(50);

/// The result of one check.
#[derive(Debug)]
pub enum Seen<T> {
    /// The condition holds.
    Yes(T),
    /// The condition does not hold; this was seen instead.
    NotYet(String),
}

/// Repeats a check until the condition holds. A check that fails counts as [`Seen::NotYet`]: a pod may not exist yet,
/// or a container may be restarting.
pub fn until<T>(
    what: &str,
    within: Duration,
    check: impl FnMut() -> Result<Seen<T>, Failure>,
) -> Result<T, Failure> {
    until_every(PAUSE, what, within, check)
}

/// Like [`until`], for checks that start no process.
pub fn until_quickly<T>(
    what: &str,
    within: Duration,
    check: impl FnMut() -> Result<Seen<T>, Failure>,
) -> Result<T, Failure> {
    until_every(SHORT_PAUSE, what, within, check)
}

/// Repeats a check for the whole span, and fails with its first failure.
pub fn throughout(span: Duration, mut check: impl FnMut() -> Result<(), Failure>) -> crate::Done {
    let began = Moment::now();
    loop {
        check()?;
        if began.age() >= span {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
}

/// Lets time pass in which nothing is asked: what happens is in logs, which are read afterwards. Another test may use
/// the machine meanwhile.
pub fn pass(span: Duration) {
    let _rest = Rest::begin();
    thread::sleep(span);
}

fn until_every<T>(
    pause: Duration,
    what: &str,
    within: Duration,
    mut check: impl FnMut() -> Result<Seen<T>, Failure>,
) -> Result<T, Failure> {
    let began = Moment::now();
    loop {
        let last = match check() {
            Ok(Seen::Yes(value)) => return Ok(value),
            Ok(Seen::NotYet(last)) => last,
            Err(failure) => format!("{failure:?}"),
        };
        if began.age() >= within {
            return Err(Failure::Deadline { what: what.to_owned(), within, last });
        }
        thread::sleep(pause);
    }
}

/// A duration in seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
