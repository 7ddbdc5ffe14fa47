//! Waiting for a condition with a deadline.

use std::time::Duration;

use tokio::time::sleep;

use crate::boottime;
use crate::failure::Failure;

/// Between two looks: each costs a round trip or less.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks until the look is content; what it complains of last becomes the failure.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failure> {
    let began = boottime::now();
    loop {
        match look().await {
            Ok(seen) => return Ok(seen),
            Err(last) if boottime::between(began, boottime::now()) > within => {
                return Err(Failure::Deadline { what: what.to_owned(), within, last });
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}
