//! Checks a model of a protocol in small bounds, and reports: what the models of both protocols have in common.
//!
//! A [`Space`] has all states within some bounds. [`check`] visits them, breadth first, and looks in each whether every
//! [`Promise`] holds. The [`Report`] counts states and steps, says which milestones were reached ([`Tally`]), and has
//! the shortest path to each broken promise ([`Counterexample`]), as text and to be replayed.
//!
//! Not for: what a state is, what a promise says, and which rules a protocol has.

mod broken;
mod counterexample;
mod names;
mod promises;
mod report;
mod space;
mod tally;

pub use broken::Broken;
pub use counterexample::Counterexample;
pub use names::Named;
pub use report::{Report, check};
pub use space::{Promise, Space};
#[doc(hidden)]
pub use stateright::Property;
pub use tally::Tally;
