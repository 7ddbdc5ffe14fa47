//! The watch of a group: one order of revisions for map, leader, members and shards.
//!
//! One range covers map, leader, its value, members and shards, so that a shard's new owner never comes before the
//! record that it names. Epoch and hold lie elsewhere; their changes may come later, and never earlier, than those of
//! the group ([`Follow`]).
//!
//! A watch ends when the epoch changes, and does not tell it: records that came since may have been taken as those of
//! the former epoch. The read that follows tells it before anything else.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::path::{GroupKey, GroupPath, HOLD};
use cairn_core::coordination::picture::{Change, Changes};
use cairn_core::keys;
use futures::channel::{mpsc, oneshot};
use futures::future;
use futures::stream::{self, Stream, StreamExt};

use super::Coordination;
use super::decode::{Decoder, epoch};
use crate::error::Error;
use crate::kv::{self, Batch, Delta, Follow, Kv, Span, prefix_end};
use crate::store::Store;

/// What to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The first revision: the one after that of a read.
    pub from: i64,
    /// Whether shards are watched.
    pub shards: bool,
    /// Ask for progress this often.
    pub progress: Duration,
    /// At another etcd member than the one that serves the requests now.
    pub elsewhere: bool,
}

impl<K: Kv + 'static> Coordination<K> {
    /// Changes and progress, until an error, which is the last item.
    pub fn watch(
        &self,
        watch: Watch,
    ) -> impl Stream<Item = Result<Changes, Error>> + Send + use<K> {
        let Self { store, path, .. } = self.clone();
        stream::once(async move {
            // As it was before the first change. A compacted revision fails, as the watch would.
            match epoch_at(&store, watch.from.saturating_sub(1)).await {
                Ok(epoch) => decoded(store, path, epoch, watch).left_stream(),
                Err(error) => stream::once(future::ready(Err(error))).right_stream(),
            }
        })
        .flatten()
    }
}

fn decoded<K: Kv + 'static>(
    store: Arc<Store<K>>,
    path: GroupPath,
    epoch: Option<i64>,
    watch: Watch,
) -> impl Stream<Item = Result<Changes, Error>> + Send {
    let follow = Follow {
        spans: spans(&path, watch.shards),
        from: watch.from,
        progress: watch.progress,
        elsewhere: watch.elsewhere,
    };
    let (sender, deltas) = mpsc::unbounded();
    let (failed, failure) = oneshot::channel();
    let following = stream::once(async move {
        let _ = failed.send(store.kv().follow(follow, sender).await);
    });
    // What came before the failure is passed on before it.
    let end = async { Err(failure.await.unwrap_or(Error::Malformed { operation: "watching" })) };
    let found = stream::select(deltas.map(Ok), following.filter_map(|()| future::ready(None)));
    found.chain(stream::once(end)).scan((path, epoch, false), |(path, epoch, over), found| {
        if *over {
            return future::ready(None);
        }
        let decoder = Decoder { path, epoch: *epoch };
        let changes = found.and_then(|delta| decode(&decoder, delta));
        *over = changes.is_err();
        future::ready(Some(changes))
    })
}

fn decode(decoder: &Decoder<'_>, delta: Delta) -> Result<Changes, Error> {
    let mut changes = Changes { revision: delta.revision, changes: Vec::new() };
    for change in delta.changes {
        let change = match &change {
            kv::Change::Put(found) => decoder.change(&found.key, Some(found)),
            kv::Change::Delete(key) => decoder.change(key, None),
        };
        match change? {
            Some(Change::Epoch(epoch)) if epoch != decoder.epoch => {
                return Err(Error::EpochChanged);
            }
            Some(Change::Epoch(_)) | None => {}
            Some(change) => changes.changes.push(change),
        }
    }
    Ok(changes)
}

/// The group first: the others follow its order. Keys of pods that are kept out come after all of these.
fn spans(path: &GroupPath, shards: bool) -> Vec<Span> {
    let last = if shards { path.shards() } else { path.members() };
    let group = Span::range(path.key(&GroupKey::Map), prefix_end(&last));
    vec![group, Span::key(keys::EPOCH), Span::key(HOLD)]
}

async fn epoch_at<K: Kv>(store: &Store<K>, revision: i64) -> Result<Option<i64>, Error> {
    let mut batch = Batch::default();
    let page = batch.page(keys::EPOCH, format!("{}\0", keys::EPOCH), 1, revision.max(0));
    let answer = store.kv().read(batch).await?;
    Ok(epoch(answer.keys(page)?.first()))
}
