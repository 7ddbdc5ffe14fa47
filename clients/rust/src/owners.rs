//! Who owns a key: from the sidecar's streams of map and members.
//!
//! Each member has a picture of its own, which may be a moment old. So the receiver of a request looks itself, and says
//! 421 when it is not the owner.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::lookup::{KeyError, shard_of};
use cairn_core::coordination::map::{Shard, ShardMap};
use cairn_proto::v1::coordination_client::CoordinationClient;
use cairn_proto::v1::{self, WatchPeersRequest, WatchRequest, map_event, peers_event};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::sidecar::{known, wait_after};

/// How long a misdirected request waits for another owner. A hand-over that the app confirms takes far less; a takeover
/// takes longer than a caller waits.
const ANOTHER_WITHIN: Duration = Duration::from_secs(1);

/// A member that owns a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The pod's UID.
    pub uid: String,
    /// Where it can be reached: `10.0.0.7:8080`.
    pub address: String,
}

/// Why a key has no owner that can be reached.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoOwner {
    /// The sidecar has not told yet.
    #[error("the map is not known yet")]
    NoMap,
    /// The shard is free.
    #[error("nobody owns shard {0} at present")]
    Free(Shard),
    /// The owner has no such endpoint.
    #[error(
        "the owner of shard {shard} has no endpoint '{endpoint}'; add it to cairn.dev/endpoints"
    )]
    NoEndpoint {
        /// The shard.
        shard: Shard,
        /// The endpoint's name.
        endpoint: Arc<str>,
    },
    /// It is still the same one.
    #[error("no other owner is known")]
    Same,
    /// The key is not of the map's hash.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Something that knows who owns a key.
pub trait Owners: Clone + Send + Sync + 'static {
    /// Who owns the key, as far as is known now.
    fn owner(&self, key: &[u8]) -> Result<Owner, NoOwner>;

    /// Who owns it instead of `than`, as soon as that is known; an error after a short time.
    fn another(
        &self,
        key: &[u8],
        than: &Owner,
    ) -> impl Future<Output = Result<Owner, NoOwner>> + Send;
}

/// The owners of the pod's own group.
#[derive(Clone, Debug)]
pub struct GroupOwners {
    table: watch::Receiver<Table>,
    endpoint: Arc<str>,
}

/// What the streams have told.
#[derive(Clone, Debug, Default)]
struct Table {
    map: Option<ShardMap>,
    /// UIDs by shard.
    owners: HashMap<Shard, String>,
    /// Endpoints by UID.
    endpoints: HashMap<String, HashMap<String, String>>,
}

// === impl GroupOwners ===

impl GroupOwners {
    /// The owners, reached at the endpoint of this name; and what follows them, to be spawned. It ends when no owners
    /// are left.
    pub fn follow(
        sidecar: Channel,
        endpoint: &str,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (told, table) = watch::channel(Table::default());
        let client = CoordinationClient::new(sidecar);
        let following = async move {
            tokio::select! {
                () = follow_map(client.clone(), &told) => {}
                () = follow_peers(client, &told) => {}
                () = told.closed() => {}
            }
        };
        (Self { table, endpoint: endpoint.into() }, following)
    }
}

impl Owners for GroupOwners {
    fn owner(&self, key: &[u8]) -> Result<Owner, NoOwner> {
        self.table.borrow().owner(key, &self.endpoint)
    }

    async fn another(&self, key: &[u8], than: &Owner) -> Result<Owner, NoOwner> {
        let mut table = self.table.clone();
        let other = |table: &Table| {
            table.owner(key, &self.endpoint).is_ok_and(|owner| owner.uid != than.uid)
        };
        match timeout(ANOTHER_WITHIN, table.wait_for(other)).await {
            Ok(Ok(table)) => table.owner(key, &self.endpoint),
            _ => Err(NoOwner::Same),
        }
    }
}

// === impl Table ===

impl Table {
    fn owner(&self, key: &[u8], endpoint: &Arc<str>) -> Result<Owner, NoOwner> {
        let shard = shard_of(self.map.as_ref().ok_or(NoOwner::NoMap)?, key)?;
        let uid = self.owners.get(&shard).ok_or(NoOwner::Free(shard))?;
        let address = self.endpoints.get(uid).and_then(|of| of.get(&**endpoint));
        match address {
            Some(address) => Ok(Owner { uid: uid.clone(), address: address.clone() }),
            None => Err(NoOwner::NoEndpoint { shard, endpoint: Arc::clone(endpoint) }),
        }
    }

    fn take_map(&mut self, event: map_event::Event) {
        let (changed, freed) = match event {
            map_event::Event::Snapshot(snapshot) => {
                self.map = snapshot.map.and_then(known);
                self.owners.clear();
                (snapshot.owners, Vec::new())
            }
            map_event::Event::Change(change) => (change.changed, change.freed),
        };
        for shard in freed {
            self.owners.remove(&shard);
        }
        self.owners.extend(changed.into_iter().map(|owner| (owner.shard, owner.uid)));
    }

    fn take_peers(&mut self, event: peers_event::Event) {
        let (changed, removed) = match event {
            peers_event::Event::Snapshot(snapshot) => {
                self.endpoints.clear();
                (snapshot.peers, Vec::new())
            }
            peers_event::Event::Change(change) => (change.changed, change.removed),
        };
        for uid in removed {
            self.endpoints.remove(&uid);
        }
        self.endpoints.extend(changed.into_iter().map(|member| (member.uid, member.endpoints)));
    }
}

/// Never ends. What was told stays while the sidecar is away.
async fn follow_map(mut client: CoordinationClient<Channel>, told: &watch::Sender<Table>) {
    let mut after = String::new();
    loop {
        let request = WatchRequest { after: after.clone() };
        let ended = each(client.watch_map(request).await, |event: v1::MapEvent| {
            after = event.id;
            if let Some(event) = event.event {
                told.send_modify(|table| table.take_map(event));
            }
        });
        wait_after(ended.await).await;
    }
}

/// Never ends.
async fn follow_peers(mut client: CoordinationClient<Channel>, told: &watch::Sender<Table>) {
    let mut after = String::new();
    loop {
        let request = WatchPeersRequest { after: after.clone(), ..WatchPeersRequest::default() };
        let ended = each(client.watch_peers(request).await, |event: v1::PeersEvent| {
            after = event.id;
            if let Some(event) = event.event {
                told.send_modify(|table| table.take_peers(event));
            }
        });
        wait_after(ended.await).await;
    }
}

/// Takes every event of a stream.
async fn each<T>(
    answer: Result<tonic::Response<Streaming<T>>, Status>,
    mut take: impl FnMut(T),
) -> Result<(), Status> {
    let mut events = answer?.into_inner();
    while let Some(event) = events.message().await? {
        take(event);
    }
    Ok(())
}
