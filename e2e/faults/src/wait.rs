//! Waiting for a condition, with a deadline.

use std::time::Duration;

use tokio::time::sleep;

use crate::boottime;
use crate::failure::Failure;

/// Between two checks: each costs a round trip or less.
const PAUSE: Duration = Duration::from_millis(100);

/// Repeats a check until it succeeds. After the deadline, its last error becomes the failure.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut check: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failure> {
    let began = boottime::now();
    loop {
        match check().await {
            Ok(seen) => return Ok(seen),
            Err(last) if boottime::between(began, boottime::now()) > within => {
                return Err(Failure::Deadline { what: what.to_owned(), within, last });
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}
