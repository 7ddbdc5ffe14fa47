//! Transactions as the store understands them: compares, two branches, transactions within.

use crate::key::{Key, Name, Pod, Pool, Range, Revision};
use crate::spec::Spec;

/// If all compares hold then `then` else `otherwise`, atomically.
#[derive(Clone, Debug, Default)]
pub(crate) struct Txn {
    pub(crate) compares: Vec<Compare>,
    pub(crate) then: Vec<Op>,
    pub(crate) otherwise: Vec<Op>,
}

/// A compare. Revision 0 holds for an absent key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Compare {
    /// When the key was created.
    Create(Key, Revision),
    /// When it was last put.
    Mod(Key, Revision),
}

/// An operation.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Get(Key),
    List(Range),
    /// The number of keys. As in etcd, a count has no filter by create revision.
    Count(Range),
    Put(Key, Value, Option<LeaseId>),
    Delete(Key),
    /// Its compares see the state before the outer transaction.
    Txn(Txn),
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Value {
    Empty,
    Epoch(u8),
    Spec(Spec),
    /// Where the owner's slot is, and which process put it there.
    Owner {
        name: Name,
        nonce: u8,
    },
    /// Who holds a slot, and V and Q as they were granted.
    Slot {
        pod: Pod,
        nonce: u8,
        validity: u8,
        quarantine: u8,
    },
    /// A quarantine that names the pod which may end it.
    OfPod(Pod),
    /// A quarantine that still needs a lease of so many ticks.
    Unsettled(u8),
    /// Until when timestamps are reserved, relative to the present.
    ReservedUntil(i8),
}

/// A lease, named by its purpose. Clients choose the identifiers, so that equal histories give equal states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum LeaseId {
    /// A pod's lease. Its number tells it from earlier leases of the pod.
    Pod(Pod, u8),
    /// Of a quarantine that a release left: by whom, and by which of its processes.
    Quarantine(Pool, Name, Pod, u8),
    /// Of a quarantine that an administrator left.
    Forced(Pool, Name),
    /// Of a freeze.
    Freeze(Pool),
}

/// A key's value, its revisions and its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyValue {
    pub(crate) value: Value,
    pub(crate) create: Revision,
    pub(crate) modified: Revision,
    pub(crate) lease: Option<LeaseId>,
}

/// The answer to a [`Txn`].
#[derive(Clone, Debug, Default)]
pub(crate) struct TxnReply {
    /// The store's revision in the response's header.
    pub(crate) header: Revision,
    pub(crate) succeeded: bool,
    pub(crate) answers: Vec<OpReply>,
}

/// The answer to an [`Op`].
#[derive(Clone, Debug)]
pub(crate) enum OpReply {
    Found(Vec<(Key, KeyValue)>),
    Count(u8),
    Done,
    Txn(TxnReply),
}

// === impl Txn ===

impl Txn {
    /// A transaction that only reads.
    pub(crate) fn read(ops: Vec<Op>) -> Self {
        Self { then: ops, ..Self::default() }
    }
}

// === impl Reply ===

impl TxnReply {
    /// Every key that was read by an operation of the branch that was done.
    pub(crate) fn found(&self) -> impl Iterator<Item = (Key, KeyValue)> + '_ {
        self.answers
            .iter()
            .flat_map(|answer| match answer {
                OpReply::Found(found) => found.as_slice(),
                _ => &[],
            })
            .copied()
    }

    pub(crate) fn entry(&self, wanted: Key) -> Option<KeyValue> {
        self.found().find(|(key, _)| *key == wanted).map(|(_, entry)| entry)
    }

    /// The answer of the transaction within.
    pub(crate) fn inner(&self) -> Option<&Self> {
        self.answers.iter().find_map(|answer| match answer {
            OpReply::Txn(reply) => Some(reply),
            _ => None,
        })
    }

    pub(crate) fn count(&self) -> Option<u8> {
        self.answers.iter().find_map(|answer| match answer {
            OpReply::Count(count) => Some(*count),
            _ => None,
        })
    }
}
