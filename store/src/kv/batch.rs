//! Operations of one transaction branch, and typed access to their answers.
//!
//! Every read that is added to a [`Batch`] gives a handle. The [`Answer`] is read with handles only, so that a new
//! read cannot shift the answers of the others. A handle of another kind does not compile. A handle of another
//! batch, and an answer that does not fit the batch, are [`Error::Malformed`].

use std::sync::atomic::{AtomicU64, Ordering};

use super::txn::{Compare, KeyValue, Op, OpReply, Txn, TxnReply};
use crate::error::{Class, Error};

/// Tells batches apart.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Operations of one branch, in the order in which they are done.
#[derive(Debug)]
pub struct Batch {
    id: u64,
    ops: Vec<Op>,
}

/// A transaction: `then` when all compares are true, `otherwise` when one is false.
#[derive(Debug, Default)]
pub struct Guarded {
    /// All must be true for `then`.
    pub compares: Vec<Compare>,
    /// Done when all compares are true.
    pub then: Batch,
    /// Done when one of them is false.
    pub otherwise: Batch,
}

/// Gives the answer to [`Batch::get`].
#[derive(Clone, Copy, Debug)]
pub struct KeyHandle(Position);

/// Gives the answer to a list of keys.
#[derive(Clone, Copy, Debug)]
pub struct KeysHandle(Position);

/// Gives the answer to [`Batch::count`].
#[derive(Clone, Copy, Debug)]
pub struct CountHandle(Position);

/// Gives the answer to [`Batch::txn`].
#[derive(Clone, Copy, Debug)]
pub struct TxnHandle {
    position: Position,
    branches: Branches,
}

/// The answers to the operations of one batch.
#[derive(Debug)]
pub struct Answer {
    batch: u64,
    revision: i64,
    replies: Vec<OpReply>,
}

/// The answer to a [`Guarded`] transaction.
#[derive(Debug)]
pub enum Branch {
    /// All compares were true.
    Then(Answer),
    /// A compare was false.
    Otherwise(Answer),
}

#[derive(Clone, Copy, Debug)]
struct Position {
    batch: u64,
    index: usize,
}

/// The ids of a transaction's batches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branches {
    then: u64,
    otherwise: u64,
}

// === impl Batch ===

impl Batch {
    /// Reads one key.
    pub fn get(&mut self, key: impl Into<String>) -> KeyHandle {
        KeyHandle(self.add(Op::Get(key.into())))
    }

    /// Reads all keys with a prefix, with their values.
    pub fn list(&mut self, prefix: impl Into<String>) -> KeysHandle {
        KeysHandle(self.add(Op::list(prefix)))
    }

    /// Reads all keys with a prefix, without their values.
    pub fn list_keys(&mut self, prefix: impl Into<String>) -> KeysHandle {
        KeysHandle(self.add(Op::list_keys(prefix)))
    }

    /// Reads the keys with a prefix that were created before a revision, without values, the latest first.
    pub fn list_keys_before(&mut self, prefix: String, revision: i64) -> KeysHandle {
        KeysHandle(self.add(Op::ListBefore { prefix, revision }))
    }

    /// Reads all keys with a prefix, without values, as they were at a revision.
    pub fn list_keys_at(&mut self, prefix: String, revision: i64) -> KeysHandle {
        KeysHandle(self.add(Op::ListAt { prefix, revision }))
    }

    /// Reads the first keys of a range as they were at a revision; 0 for the latest one.
    pub fn page(
        &mut self,
        from: impl Into<String>,
        to: impl Into<String>,
        limit: i64,
        revision: i64,
    ) -> KeysHandle {
        KeysHandle(self.add(Op::Page { from: from.into(), to: to.into(), limit, revision }))
    }

    /// Counts the keys with a prefix.
    pub fn count(&mut self, prefix: impl Into<String>) -> CountHandle {
        CountHandle(self.add(Op::Count(prefix.into())))
    }

    /// Counts the keys with a prefix as they were at a revision.
    pub fn count_at(&mut self, prefix: String, revision: i64) -> CountHandle {
        CountHandle(self.add(Op::CountAt { prefix, revision }))
    }

    /// Writes one key.
    pub fn put(&mut self, key: impl Into<String>, value: impl Into<Vec<u8>>, lease: i64) {
        self.push(Op::put(key, value, lease));
    }

    /// Deletes one key.
    pub fn delete(&mut self, key: impl Into<String>) {
        self.push(Op::Delete(key.into()));
    }

    /// Does a transaction within the transaction. Its compares see the state before the outer one.
    pub fn txn(&mut self, inner: Guarded) -> TxnHandle {
        let (txn, branches) = inner.into_txn();
        TxnHandle { position: self.add(Op::Txn(txn)), branches }
    }

    /// Adds an operation whose answer is not needed.
    pub fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    fn add(&mut self, op: Op) -> Position {
        let index = self.ops.len();
        self.ops.push(op);
        Position { batch: self.id, index }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), ops: Vec::new() }
    }
}

impl From<Vec<Op>> for Batch {
    /// Operations whose answers are not needed.
    fn from(ops: Vec<Op>) -> Self {
        Self { ops, ..Self::default() }
    }
}

// === impl Guarded ===

impl Guarded {
    pub(super) fn into_txn(self) -> (Txn, Branches) {
        let Self { compares, then, otherwise } = self;
        let branches = Branches { then: then.id, otherwise: otherwise.id };
        (Txn { compares, then: then.ops, otherwise: otherwise.ops }, branches)
    }
}

impl From<Batch> for Guarded {
    /// Operations without a condition.
    fn from(then: Batch) -> Self {
        Self { then, ..Self::default() }
    }
}

// === impl Branches ===

impl Branches {
    pub(super) fn answer(self, reply: TxnReply) -> Branch {
        let TxnReply { revision, succeeded, replies } = reply;
        if succeeded {
            Branch::Then(Answer { batch: self.then, revision, replies })
        } else {
            Branch::Otherwise(Answer { batch: self.otherwise, revision, replies })
        }
    }

    /// The answer to operations without a condition.
    pub(super) fn answer_unconditional(self, reply: TxnReply) -> Result<Answer, Error> {
        // Without compares etcd does the first branch.
        self.answer(reply).then().ok_or_else(malformed)
    }
}

// === impl Branch ===

impl Branch {
    /// Whether all compares were true.
    pub fn succeeded(&self) -> bool {
        matches!(self, Self::Then(_))
    }

    /// The answers of `then`; `None` when a compare was false.
    pub fn then(self) -> Option<Answer> {
        match self {
            Self::Then(answer) => Some(answer),
            Self::Otherwise(_) => None,
        }
    }
}

// === impl Answer ===

impl Answer {
    /// The answer to a read of an earlier revision. `None` when the member that was asked does not have that revision:
    /// it was compacted, or has not arrived yet.
    pub(crate) fn of_past(answer: Result<Self, Error>) -> Result<Option<Self>, Error> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.class() == Class::NotApplied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The store's revision. All puts of the transaction have this revision.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The key; `None` when it does not exist.
    pub fn key(&self, handle: KeyHandle) -> Result<Option<&KeyValue>, Error> {
        self.found(handle.0).map(|(keys, _)| keys.first())
    }

    /// Whether the key exists.
    pub fn exists(&self, handle: KeyHandle) -> Result<bool, Error> {
        self.key(handle).map(|found| found.is_some())
    }

    /// The key's mod revision; 0 when it does not exist, as compares take it.
    pub fn mod_revision(&self, handle: KeyHandle) -> Result<i64, Error> {
        self.key(handle).map(|found| found.map_or(0, |found| found.mod_revision))
    }

    /// The keys.
    pub fn keys(&self, handle: KeysHandle) -> Result<&[KeyValue], Error> {
        self.found(handle.0).map(|(keys, _)| keys)
    }

    /// The keys, taken out of the answer.
    pub fn into_keys(mut self, handle: KeysHandle) -> Result<Vec<KeyValue>, Error> {
        self.found(handle.0)?;
        match self.replies.get_mut(handle.0.index) {
            Some(OpReply::Keys { keys, .. }) => Ok(std::mem::take(keys)),
            Some(OpReply::Done | OpReply::Txn(_)) | None => Err(malformed()),
        }
    }

    /// Whether the range has more keys than the page.
    pub fn has_more(&self, handle: KeysHandle) -> Result<bool, Error> {
        self.found(handle.0).map(|(keys, count)| count > keys.len())
    }

    /// The number of keys.
    pub fn count(&self, handle: CountHandle) -> Result<usize, Error> {
        self.found(handle.0).map(|(_, count)| count)
    }

    /// The branch of an inner transaction that was done.
    pub fn txn(&self, handle: TxnHandle) -> Result<Branch, Error> {
        match self.reply(handle.position)? {
            OpReply::Txn(reply) => Ok(handle.branches.answer(reply.clone())),
            OpReply::Keys { .. } | OpReply::Done => Err(malformed()),
        }
    }

    fn found(&self, position: Position) -> Result<(&[KeyValue], usize), Error> {
        match self.reply(position)? {
            OpReply::Keys { keys, count } => Ok((keys, *count)),
            OpReply::Done | OpReply::Txn(_) => Err(malformed()),
        }
    }

    fn reply(&self, position: Position) -> Result<&OpReply, Error> {
        let reply = self.replies.get(position.index).filter(|_| position.batch == self.batch);
        reply.ok_or_else(malformed)
    }
}

fn malformed() -> Error {
    Error::Malformed { operation: "a transaction" }
}

#[cfg(test)]
mod tests;
