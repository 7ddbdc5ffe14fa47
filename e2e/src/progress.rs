//! Lines that say what is going on and when.

use crate::clock::Moment;

/// Prints lines with the seconds since it was made.
#[derive(Debug)]
pub struct Progress(Moment);

impl Progress {
    /// Starts counting.
    pub fn start() -> Self {
        Self(Moment::now())
    }

    /// Says what is being done.
    pub fn say(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.0.age().as_secs_f64());
    }
}
