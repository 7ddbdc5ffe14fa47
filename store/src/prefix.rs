//! The key prefix under which an installation keeps its keys in etcd.
//!
//! In the layout of keys, and so in the protocol, every key begins with `/cairn/v1/`. A prefix moves the whole
//! layout, as the `namespace` package of etcd's own client does: keys are mapped in requests and mapped back in
//! answers, also in ranges, watches and nested transactions. So two installations on one etcd never see each other.
//! Keys outside of the layout are not changed; the protocol has none.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use cairn_core::keys::ROOT;
use thiserror::Error;

use crate::kv::{Change, Delta, Follow, KeyValue, Op, OpReply, Span, Txn, TxnReply};

/// The prefix of temporary layouts for benchmarks. It lies outside of `/cairn/v1/`, so that neither a webhook nor the
/// role of a namespace reaches it.
pub const SCRATCH: &str = "/cairn-bench/";

/// The longest prefix. It keeps whole keys short enough for etcd's tools to show them on one line.
const MAX_LEN: usize = 128;

/// The prefix of an installation's keys. It begins and ends with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

/// A text that is not a prefix. The message says what to write instead.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "'{0}' is not a key prefix; begin and end it with a slash and use letters, digits, '.', '_' and '-' \
     between slashes, at most {MAX_LEN} characters, like /cairn/v1/"
)]
pub struct KeyPrefixError(String);

// === impl KeyPrefix ===

impl KeyPrefix {
    /// A temporary layout.
    pub fn scratch(id: u128) -> Self {
        Self(format!("{SCRATCH}{id:032x}/"))
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether keys in etcd are the same as in the layout.
    pub fn is_default(&self) -> bool {
        self.0 == ROOT
    }

    /// Maps a key of the layout to the key in etcd.
    pub fn outer<'k>(&self, key: &'k str) -> Cow<'k, str> {
        replace_prefix(key, ROOT, &self.0)
    }

    /// Maps a key in etcd to the key of the layout.
    pub fn inner<'k>(&self, key: &'k str) -> Cow<'k, str> {
        replace_prefix(key, &self.0, ROOT)
    }

    /// Maps all keys of a transaction for etcd.
    #[must_use]
    pub fn outer_txn(&self, txn: Txn) -> Txn {
        if self.is_default() {
            return txn;
        }
        let Txn { mut compares, then, otherwise } = txn;
        for compare in &mut compares {
            compare.key = self.outer(&compare.key).into_owned();
            compare.to = compare.to.take().map(|to| self.outer(&to).into_owned());
        }
        let ops = |ops: Vec<Op>| ops.into_iter().map(|op| self.outer_op(op)).collect();
        Txn { compares, then: ops(then), otherwise: ops(otherwise) }
    }

    /// Maps all keys of an answer back.
    #[must_use]
    pub fn inner_reply(&self, mut reply: TxnReply) -> TxnReply {
        if !self.is_default() {
            self.map_reply(&mut reply);
        }
        reply
    }

    /// Maps a span for etcd.
    #[must_use]
    pub fn outer_span(&self, span: Span) -> Span {
        Span {
            from: self.outer(&span.from).into_owned(),
            to: span.to.map(|to| self.outer(&to).into_owned()),
            ..span
        }
    }

    /// Maps what is to be followed for etcd.
    #[must_use]
    pub fn outer_follow(&self, follow: Follow) -> Follow {
        let spans = follow.spans.into_iter().map(|span| self.outer_span(span));
        Follow { spans: spans.collect(), ..follow }
    }

    /// Maps the keys of changes back.
    #[must_use]
    pub fn inner_delta(&self, mut delta: Delta) -> Delta {
        for change in &mut delta.changes {
            let (Change::Put(KeyValue { key, .. }) | Change::Delete(key)) = change;
            *key = self.inner(key).into_owned();
        }
        delta
    }

    fn outer_op(&self, op: Op) -> Op {
        let outer = |key: String| self.outer(&key).into_owned();
        match op {
            Op::Get(key) => Op::Get(outer(key)),
            Op::List { prefix, keys_only } => Op::List { prefix: outer(prefix), keys_only },
            Op::Count(prefix) => Op::Count(outer(prefix)),
            Op::CountAt { prefix, revision } => Op::CountAt { prefix: outer(prefix), revision },
            Op::ListBefore { prefix, revision } => {
                Op::ListBefore { prefix: outer(prefix), revision }
            }
            Op::ListAt { prefix, revision } => Op::ListAt { prefix: outer(prefix), revision },
            Op::Page { from, to, limit, revision } => {
                Op::Page { from: outer(from), to: outer(to), limit, revision }
            }
            Op::Put { key, value, lease } => Op::Put { key: outer(key), value, lease },
            Op::Delete(key) => Op::Delete(outer(key)),
            Op::Txn(txn) => Op::Txn(self.outer_txn(txn)),
        }
    }

    fn map_reply(&self, reply: &mut TxnReply) {
        for answer in &mut reply.replies {
            match answer {
                OpReply::Keys { keys, .. } => {
                    for found in keys {
                        found.key = self.inner(&found.key).into_owned();
                    }
                }
                OpReply::Txn(inner) => self.map_reply(inner),
                OpReply::Done => {}
            }
        }
    }
}

fn replace_prefix<'k>(key: &'k str, from: &str, to: &str) -> Cow<'k, str> {
    match key.strip_prefix(from) {
        Some(rest) if from != to => Cow::Owned(format!("{to}{rest}")),
        _ => Cow::Borrowed(key),
    }
}

impl Default for KeyPrefix {
    fn default() -> Self {
        Self(ROOT.to_owned())
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyPrefix {
    type Err = KeyPrefixError;

    fn from_str(text: &str) -> Result<Self, KeyPrefixError> {
        let segments = text.strip_prefix('/').and_then(|text| text.strip_suffix('/'));
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        let good = text.len() <= MAX_LEN
            && segments.is_some_and(|segments| {
                let segment = |segment: &str| !segment.is_empty() && segment.bytes().all(plain);
                segments.split('/').all(segment)
            });
        if good { Ok(Self(text.to_owned())) } else { Err(KeyPrefixError(text.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::Compare;

    fn prefix(text: &str) -> KeyPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_begins_and_ends_with_a_slash() {
        for good in ["/cairn/v1/", "/a/", "/teams/shop_1/cairn.v2/"] {
            assert_eq!(prefix(good).as_str(), good);
        }
        for bad in [
            "",
            "/",
            "//",
            "cairn/",
            "/cairn",
            "/a//b/",
            "/a b/",
            &format!("/{}/", "a".repeat(127)),
        ] {
            let error = bad.parse::<KeyPrefix>().unwrap_err().to_string();
            assert!(error.contains("begin and end it with a slash"), "{bad}: {error}");
        }
    }

    #[test]
    fn every_key_of_a_transaction_is_mapped_in_and_every_key_of_its_answer_back() {
        let moved = prefix("/other/");
        let inner = Txn {
            compares: vec![Compare::created("/cairn/v1/a", 0), Compare::none_below("/cairn/v1/b/")],
            then: vec![Op::put("/cairn/v1/a", "", 0), Op::Delete("/cairn/v1/b".to_owned())],
            otherwise: vec![Op::list("/cairn/v1/ns/"), Op::get("/foreign")],
        };
        let outer = moved.outer_txn(Txn { then: vec![Op::Txn(inner)], ..Txn::default() });
        let [Op::Txn(inner)] = outer.then.as_slice() else { panic!("{outer:?}") };
        let compares = [Compare::created("/other/a", 0), Compare::none_below("/other/b/")];
        assert_eq!(inner.compares, compares);
        assert_eq!(inner.then, [Op::put("/other/a", "", 0), Op::Delete("/other/b".to_owned())]);
        assert_eq!(inner.otherwise, [Op::list("/other/ns/"), Op::get("/foreign")]);

        let found = KeyValue {
            key: "/other/ns/shop".to_owned(),
            value: Vec::new(),
            create_revision: 1,
            mod_revision: 1,
            lease: 0,
        };
        let keys = OpReply::Keys { keys: vec![found], count: 1 };
        let nested = TxnReply { revision: 1, succeeded: true, replies: vec![keys] };
        let reply = TxnReply { replies: vec![OpReply::Txn(nested.clone())], ..nested };
        let reply = moved.inner_reply(reply);
        let [OpReply::Txn(nested)] = reply.replies.as_slice() else { panic!("{reply:?}") };
        let [OpReply::Keys { keys, .. }] = nested.replies.as_slice() else { panic!("{nested:?}") };
        assert_eq!(keys[0].key, "/cairn/v1/ns/shop");
    }
}
