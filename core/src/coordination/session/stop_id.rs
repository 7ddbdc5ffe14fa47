//! The id of an order to stop.

use std::fmt;
use std::str::FromStr;

/// Names one order to stop; never used twice. The first part is of the process, the second counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StopId {
    /// The process's nonce.
    pub process: String,
    /// Counts from 1.
    pub count: u64,
}

impl fmt::Display for StopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.process, self.count)
    }
}

impl FromStr for StopId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (process, count) = text.rsplit_once('-').ok_or(())?;
        let count = count.parse().map_err(|_| ())?;
        Ok(Self { process: process.to_owned(), count })
    }
}
