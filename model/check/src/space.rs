//! All states of a model within some bounds.

use std::fmt;
use std::hash::Hash;

use stateright::Model;

use crate::broken::Broken;
use crate::names::Named;
use crate::promises::Promise;
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
