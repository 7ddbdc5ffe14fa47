//! Changes that are followed: plain values of [`Kv::follow`](super::Kv::follow).

use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;

use super::span::Span;
use super::txn::KeyValue;

/// What is followed, and how.
///
/// The changes of the first span come in the order of revisions, and all that one revision has changed in it comes
/// together. The other spans lie elsewhere in the store, and their changes may come later than those of the first span
/// that have a higher revision. No change and no progress comes before everything of the first span up to the same
/// revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Where.
    pub spans: Vec<Span>,
    /// The first revision.
    pub from: i64,
    /// Ask for progress this often.
    pub progress: Duration,
    /// At another member than the one that serves the requests now.
    pub elsewhere: bool,
}

/// What one revision has changed. Without changes it is progress: everything up to this revision has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// The revision.
    pub revision: i64,
    /// The changes, in the order of the store.
    pub changes: Vec<Change>,
}

/// One change of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key was put; this is its new value.
    Put(KeyValue),
    /// The key was deleted, or its lease has expired.
    Delete(String),
}

/// Takes what is followed.
pub type Deltas = UnboundedSender<Delta>;
