//! Converts between our plain values and those of the client library.

use etcd_client::{
    CompareOp, GetOptions, PutOptions, SortOrder, SortTarget, TxnOp, TxnOpResponse, TxnResponse,
};

use crate::kv::{Compare, Expected, KeyValue, Op, OpReply, Txn, TxnReply};

pub(super) fn txn(txn: Txn) -> etcd_client::Txn {
    let ops = |ops: Vec<Op>| ops.into_iter().map(op).collect::<Vec<_>>();
    etcd_client::Txn::new()
        .when(txn.compares.into_iter().map(compare).collect::<Vec<_>>())
        .and_then(ops(txn.then))
        .or_else(ops(txn.otherwise))
}

pub(super) fn txn_reply(response: &TxnResponse) -> Option<TxnReply> {
    let replies = response.op_responses().into_iter().map(reply).collect::<Option<_>>()?;
    Some(TxnReply {
        revision: response.header().map_or(0, etcd_client::ResponseHeader::revision),
        succeeded: response.succeeded(),
        replies,
    })
}

pub(super) fn key_value(found: etcd_client::KeyValue) -> KeyValue {
    let (create_revision, mod_revision) = (found.create_revision(), found.mod_revision());
    let lease = found.lease();
    let (key, value) = found.into_key_value();
    // Our keys are ASCII. A foreign key that is not UTF-8 never parses as ours.
    let key = String::from_utf8(key)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    KeyValue { key, value, create_revision, mod_revision, lease }
}

fn compare(compare: Compare) -> etcd_client::Compare {
    let Compare { key, to, expected } = compare;
    let compare = match expected {
        Expected::Created(revision) => {
            etcd_client::Compare::create_revision(key, CompareOp::Equal, revision)
        }
        Expected::Modified(revision) => {
            etcd_client::Compare::mod_revision(key, CompareOp::Equal, revision)
        }
        Expected::Value(value) => etcd_client::Compare::value(key, CompareOp::Equal, value),
    };
    match to {
        Some(to) => compare.with_range(to),
        None => compare,
    }
}

fn op(op: Op) -> TxnOp {
    match op {
        Op::Get(key) => TxnOp::get(key, None),
        Op::List { prefix, keys_only } => {
            let options = GetOptions::new().with_prefix();
            let options = if keys_only { options.with_keys_only() } else { options };
            TxnOp::get(prefix, Some(options))
        }
        Op::Count(prefix) => {
            TxnOp::get(prefix, Some(GetOptions::new().with_prefix().with_count_only()))
        }
        Op::CountAt { prefix, revision } => {
            let options = GetOptions::new().with_prefix().with_count_only();
            TxnOp::get(prefix, Some(options.with_revision(revision).with_serializable()))
        }
        Op::ListBefore { prefix, revision } => {
            let options = GetOptions::new().with_prefix().with_keys_only();
            let options = options.with_sort(SortTarget::Create, SortOrder::Descend);
            TxnOp::get(prefix, Some(options.with_max_create_revision(revision - 1)))
        }
        Op::ListAt { prefix, revision } => {
            let options = GetOptions::new().with_prefix().with_keys_only();
            TxnOp::get(prefix, Some(options.with_revision(revision).with_serializable()))
        }
        Op::Page { from, to, limit, revision } => {
            let options = GetOptions::new().with_range(to).with_limit(limit);
            TxnOp::get(from, Some(options.with_revision(revision)))
        }
        Op::Put { key, value, lease } => {
            TxnOp::put(key, value, Some(PutOptions::new().with_lease(lease)))
        }
        Op::Delete(key) => TxnOp::delete(key, None),
        Op::Txn(inner) => TxnOp::txn(txn(inner)),
    }
}

fn reply(response: TxnOpResponse) -> Option<OpReply> {
    Some(match response {
        TxnOpResponse::Get(mut got) => OpReply::Keys {
            count: usize::try_from(got.count()).ok()?,
            keys: got.take_kvs().into_iter().map(key_value).collect(),
        },
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) => OpReply::Done,
        TxnOpResponse::Txn(inner) => OpReply::Txn(txn_reply(&inner)?),
    })
}
