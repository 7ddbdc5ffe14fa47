//! Progress messages with the elapsed time.

use crate::clock::Moment;

/// Prints messages with the seconds since its start.
#[derive(Debug)]
pub struct Progress(Moment);

impl Progress {
    /// Starts counting.
    pub fn start() -> Self {
        Self(Moment::now())
    }

    /// Prints a message.
    pub fn say(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.0.age().as_secs_f64());
    }
}
