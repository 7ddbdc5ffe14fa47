//! A connection to etcd that counts what its watches bring.
//!
//! Bytes are those of the wire, computed from what was delivered: the events as protobuf, and one gRPC message with its
//! header for each revision. So they do not contain the answers to renewals, which etcd's own counter contains.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cairn_store::etcd::Etcd;
use cairn_store::{Change, Delta, Deltas, Error, Follow, Kv, Span, Txn, TxnReply};
use futures::StreamExt as _;
use futures::channel::mpsc;

/// A watch response without events: 9 bytes of HTTP/2 frame, 5 of gRPC, 30 of etcd's response header with its own
/// head, 2 of the watch's number.
const RESPONSE: usize = 46;

/// What watches have brought.
#[derive(Debug, Default)]
pub struct Traffic {
    events: AtomicU64,
    bytes: AtomicU64,
}

/// A connection that counts.
#[derive(Clone, Debug)]
pub struct Metered {
    inner: Arc<Etcd>,
    traffic: Arc<Traffic>,
}

// === impl Traffic ===

impl Traffic {
    /// Events and bytes so far.
    pub fn so_far(&self) -> (u64, u64) {
        (self.events.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    fn add(&self, delta: &Delta) {
        self.events.fetch_add(delta.changes.len() as u64, Ordering::Relaxed);
        self.bytes.fetch_add(size(delta) as u64, Ordering::Relaxed);
    }
}

// === impl Metered ===

impl Metered {
    /// A connection whose watches are counted there.
    pub fn new(inner: Arc<Etcd>, traffic: Arc<Traffic>) -> Self {
        Self { inner, traffic }
    }
}

impl Kv for Metered {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        self.inner.txn(txn).await
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        self.inner.grant(ttl).await
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        self.inner.keep_alive(lease).await
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.inner.revoke(lease).await
    }

    async fn changed(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        self.inner.changed(spans, from).await
    }

    async fn follow(&self, follow: Follow, deltas: Deltas) -> Error {
        let (sender, mut received) = mpsc::unbounded();
        let passing = async {
            while let Some(delta) = received.next().await {
                self.traffic.add(&delta);
                // Nobody listens to a watch that was closed.
                let _ = deltas.unbounded_send(delta);
            }
            std::future::pending().await
        };
        tokio::select! {
            error = self.inner.follow(follow, sender) => error,
            error = passing => error,
        }
    }
}

/// The bytes on the wire of what one revision has changed.
fn size(delta: &Delta) -> usize {
    let events = delta.changes.iter().map(|change| {
        let (kind, pair) = match change {
            Change::Put(found) => {
                let numbers = [found.create_revision, found.mod_revision, 1, found.lease];
                (
                    0,
                    field(found.key.len())
                        + field(found.value.len())
                        + numbers.map(number).iter().sum::<usize>(),
                )
            }
            Change::Delete(key) => (2, field(key.len()) + number(delta.revision)),
        };
        field(kind + field(pair))
    });
    RESPONSE + events.sum::<usize>()
}

/// A protobuf field of so many bytes, with its tag and length.
fn field(length: usize) -> usize {
    1 + varint(length as u64) + length
}

/// A protobuf field of a number; zero is left out.
fn number(value: i64) -> usize {
    if value == 0 { 0 } else { 1 + varint(value.unsigned_abs()) }
}

fn varint(value: u64) -> usize {
    let bits = (u64::BITS - value.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use cairn_store::KeyValue;

    use super::*;

    #[test]
    fn numbers_take_a_byte_for_every_seven_bits() {
        assert_eq!([0, 127, 128, 16_383, 16_384].map(varint), [1, 1, 2, 2, 3]);
        assert_eq!([0, 1, 300].map(number), [0, 2, 3]);
    }

    #[test]
    fn a_response_has_the_size_of_its_protobuf_encoding() {
        let found = KeyValue {
            key: "k".repeat(37),
            value: vec![0; 86],
            create_revision: 20_000,
            mod_revision: 20_300,
            lease: 0,
        };
        // The pair: 39 + 88 + 4 + 4 + 2. It has a head of 3 bytes, and so has the event.
        let put = Delta { revision: 20_300, changes: vec![Change::Put(found)] };
        assert_eq!(size(&put), RESPONSE + 137 + 3 + 3);
        let gone = Delta { revision: 300, changes: vec![Change::Delete("k".repeat(37))] };
        assert_eq!(size(&gone), RESPONSE + 39 + 3 + 2 + 2 + 2);
        assert_eq!(size(&Delta::default()), RESPONSE);
    }
}
