//! All states of a model within some bounds, and what must hold in each of them.

use std::fmt;
use std::hash::Hash;

use stateright::{Model, Property};

use crate::broken::Broken;
use crate::names::Named;
use crate::tally::Tally;

/// All states of a model within some bounds.
pub trait Space:
    Model<
        State: Clone + fmt::Debug + PartialEq + Hash + Send + Sync + 'static,
        Action: Clone + fmt::Debug + PartialEq,
    > + Send
    + Sync
    + 'static
{
    /// The bounds.
    type Config;
    /// What must hold in every state.
    type Promise: Promise;
    /// The kinds of steps that are counted.
    type Milestone: Named;

    /// The states within these bounds. Only these promises are looked at.
    fn new(config: &Self::Config, promises: &[Self::Promise]) -> Self;

    /// Which promises were found broken so far.
    fn broken(&self) -> &Broken<Self::Promise>;

    /// What was counted.
    fn tally(&self) -> &Tally<Self::Milestone>;

    /// Whether a promise holds in a state.
    fn holds(&self, promise: Self::Promise, state: &Self::State) -> bool;

    /// A step in words.
    fn describe(&self, before: &Self::State, action: &Self::Action, after: &Self::State) -> String;
}

/// What a protocol promises.
pub trait Promise: Copy + Eq + fmt::Debug + fmt::Display + 'static {
    /// As the checker calls it.
    fn name(self) -> &'static str;

    /// As the checker looks at it.
    fn property<S: Space<Promise = Self>>(self) -> Property<S>;
}
