//! Waiting for a condition with a deadline. There is no other way to wait in this crate.

use std::thread;
use std::time::Duration;

use crate::Failure;
use crate::clock::Moment;

/// One look costs a tenth of a second of CPU (it starts `kubectl`), and tests share two cores.
const PAUSE: Duration = Duration::from_millis(400);
/// For looks that only read a file of this machine.
const SHORT_PAUSE: Duration = Duration::from_millis(50);

/// What one look found.
#[derive(Debug)]
pub enum Seen<T> {
    /// The condition holds.
    Yes(T),
    /// It does not; this was there instead.
    NotYet(String),
}

/// Looks until the condition holds. A look that fails counts as "not yet": a pod may not exist
/// yet, a container may be restarting.
pub fn until<T>(
    what: &str,
    within: Duration,
    look: impl FnMut() -> Result<Seen<T>, Failure>,
) -> Result<T, Failure> {
    until_every(PAUSE, what, within, look)
}

/// Like [`until`], for looks that start no process.
pub fn until_quickly<T>(
    what: &str,
    within: Duration,
    look: impl FnMut() -> Result<Seen<T>, Failure>,
) -> Result<T, Failure> {
    until_every(SHORT_PAUSE, what, within, look)
}

/// Looks for the whole span, and fails as soon as the condition does not hold.
pub fn throughout(span: Duration, mut look: impl FnMut() -> Result<(), Failure>) -> crate::Done {
    let began = Moment::now();
    loop {
        look()?;
        if began.age() >= span {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
}

fn until_every<T>(
    pause: Duration,
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<Seen<T>, Failure>,
) -> Result<T, Failure> {
    let began = Moment::now();
    loop {
        let last = match look() {
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

/// Seconds, for deadlines.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
