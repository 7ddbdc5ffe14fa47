//! Transactions as plain values: what is sent to the store, and what comes back.
//!
//! Wrappers of a [`Kv`](super::Kv) work on these values. Code that wants an answer uses
//! [`Batch`](super::Batch), which tells answers apart by typed handles and not by positions.

/// A compare of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The key, or the first one of a range.
    pub key: String,
    /// The first key after the range; `None` for one key alone. Every key of a range must be as expected. A range
    /// without keys is compared as one absent key.
    pub to: Option<String>,
    /// What it must have.
    pub expected: Expected,
}

/// What a [`Compare`] expects of a key. A revision of 0 is true for absent keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The revision that created the key.
    Created(i64),
    /// The revision of the last put.
    Modified(i64),
    /// The value. False for absent keys, whatever it is.
    Value(Vec<u8>),
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Read one key.
    Get(String),
    /// Read all keys with a prefix.
    List {
        /// The prefix.
        prefix: String,
        /// Leave the values out.
        keys_only: bool,
    },
    /// Count the keys with a prefix.
    Count(String),
    /// Count the keys with a prefix as they were at a revision. Any member answers from what it has. It refuses when
    /// it does not have that revision.
    CountAt {
        /// The prefix.
        prefix: String,
        /// The revision.
        revision: i64,
    },
    /// Read all keys with a prefix that were created before a revision, without values. The key that was created
    /// last comes first.
    ListBefore {
        /// The prefix.
        prefix: String,
        /// The first create revision that is left out.
        revision: i64,
    },
    /// Read all keys with a prefix, without values, as they were at a revision. Any member answers from what it
    /// has. It refuses when it does not have that revision.
    ListAt {
        /// The prefix.
        prefix: String,
        /// The revision.
        revision: i64,
    },
    /// Read a part of a range of keys, in the order of keys.
    Page {
        /// The first key.
        from: String,
        /// The first key after the last one.
        to: String,
        /// The most keys.
        limit: i64,
        /// The revision; 0 for the latest one. It is refused when the store has compacted it.
        revision: i64,
    },
    /// Write one key.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: Vec<u8>,
        /// The lease that the key is attached to; 0 for none.
        lease: i64,
    },
    /// Delete one key.
    Delete(String),
    /// A transaction within the transaction. Its compares see the state before the outer one.
    Txn(Txn),
}

/// If all compares are true then `then` else `otherwise`, atomically.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// All must be true for `then`.
    pub compares: Vec<Compare>,
    /// Done when all compares are true.
    pub then: Vec<Op>,
    /// Done when one of them is false.
    pub otherwise: Vec<Op>,
}

/// The answer to a [`Txn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnReply {
    /// The store's revision. All puts of the transaction have this revision.
    pub revision: i64,
    /// Whether `then` was done.
    pub succeeded: bool,
    /// One answer per operation of the branch that was done.
    pub replies: Vec<OpReply>,
}

/// The answer to an [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpReply {
    /// To `Get`, `Count`, `Page` and the lists.
    Keys {
        /// The keys that were asked for; none for `Count`.
        keys: Vec<KeyValue>,
        /// The number of keys in the range. No filter and no limit changes it.
        count: usize,
    },
    /// To `Put` and `Delete`.
    Done,
    /// To `Txn`.
    Txn(TxnReply),
}

/// A key as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// The value; empty when only keys were asked for.
    pub value: Vec<u8>,
    /// The revision that created it.
    pub create_revision: i64,
    /// The revision of its last put.
    pub mod_revision: i64,
    /// The lease that it is attached to; 0 for none.
    pub lease: i64,
}

/// The end of the range of all keys with a prefix: the prefix with its last character raised. Our prefixes end with a
/// slash or a letter, so there is no carry.
pub fn prefix_end(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    if let Some(last) = end.pop() {
        end.push(char::from_u32(u32::from(last) + 1).unwrap_or(last));
    }
    end
}

// === impl Compare ===

impl Compare {
    /// The key was created at this revision; 0 for "does not exist".
    pub fn created(key: impl Into<String>, revision: i64) -> Self {
        Self { key: key.into(), to: None, expected: Expected::Created(revision) }
    }

    /// The key was last put at this revision; 0 for "does not exist".
    pub fn modified(key: impl Into<String>, revision: i64) -> Self {
        Self { key: key.into(), to: None, expected: Expected::Modified(revision) }
    }

    /// The key exists and has this value.
    pub fn value(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), to: None, expected: Expected::Value(value.into()) }
    }

    /// No key with this prefix exists.
    pub fn none_below(prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        Self { to: Some(prefix_end(&prefix)), key: prefix, expected: Expected::Created(0) }
    }

    /// The key does not exist.
    pub fn absent(key: impl Into<String>) -> Self {
        Self::created(key, 0)
    }
}

// === impl Txn ===

impl Txn {
    /// Whether etcd passes it through Raft: it has a put or a deletion in either branch.
    pub fn writes(&self) -> bool {
        self.then.iter().chain(&self.otherwise).any(|op| match op {
            Op::Put { .. } | Op::Delete(_) => true,
            Op::Txn(inner) => inner.writes(),
            Op::Get(_)
            | Op::List { .. }
            | Op::Count(_)
            | Op::CountAt { .. }
            | Op::ListBefore { .. }
            | Op::ListAt { .. }
            | Op::Page { .. } => false,
        })
    }
}

// === impl Op ===

impl Op {
    /// Reads one key.
    pub fn get(key: impl Into<String>) -> Self {
        Self::Get(key.into())
    }

    /// Reads all keys with a prefix, with their values.
    pub fn list(prefix: impl Into<String>) -> Self {
        Self::List { prefix: prefix.into(), keys_only: false }
    }

    /// Reads all keys with a prefix, without their values.
    pub fn list_keys(prefix: impl Into<String>) -> Self {
        Self::List { prefix: prefix.into(), keys_only: true }
    }

    /// Writes one key.
    pub fn put(key: impl Into<String>, value: impl Into<Vec<u8>>, lease: i64) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease }
    }
}
