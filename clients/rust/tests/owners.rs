//! Owners as the streams of a sidecar tell them.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

#[path = "owners/sidecar.rs"]
mod sidecar;

use std::collections::HashMap;

use cairn_client::{GroupOwners, NoOwner, Owner, Owners as _};
use cairn_proto::v1::map_event::Event as OfMap;
use cairn_proto::v1::peers_event::Event as OfPeers;
use cairn_proto::v1::{
    KeyHash, MapChange, MapEvent, MapSnapshot, Member, PeersEvent, PeersSnapshot, ShardMap,
    ShardOwner,
};

use sidecar::Sidecar;

fn shard(shard: u32, uid: &str) -> ShardOwner {
    ShardOwner { shard, uid: uid.to_owned(), fence: 7 }
}

fn map(event: OfMap) -> MapEvent {
    MapEvent { id: "7".to_owned(), event: Some(event), ..MapEvent::default() }
}

/// The whole map: numbers are keys, modulo 4.
fn snapshot(owners: Vec<ShardOwner>) -> MapEvent {
    let map_in_force = ShardMap { shards: 4, hash: KeyHash::Int.into() };
    map(OfMap::Snapshot(MapSnapshot { map: Some(map_in_force), owners }))
}

fn peers(uids: &[&str]) -> PeersEvent {
    let member = |(port, uid): (usize, &&str)| Member {
        uid: (*uid).to_owned(),
        endpoints: HashMap::from([("http".to_owned(), format!("10.0.0.7:{port}"))]),
        ..Member::default()
    };
    let snapshot = PeersSnapshot { peers: uids.iter().enumerate().map(member).collect() };
    PeersEvent { event: Some(OfPeers::Snapshot(snapshot)), ..PeersEvent::default() }
}

fn owner(uid: &str, address: &str) -> Owner {
    Owner { uid: uid.to_owned(), address: address.to_owned() }
}

#[tokio::test]
async fn the_owner_of_a_key_follows_the_map() {
    let sidecar = Sidecar::start().await;
    let (owners, following) = GroupOwners::follow(sidecar.channel(), "http");
    tokio::spawn(following);
    assert_eq!(owners.owner(b"2"), Err(NoOwner::NoMap));
    sidecar.peers(peers(&["a", "b"]));
    sidecar.map(snapshot(vec![shard(2, "a")]));
    // Somebody else than nobody.
    let nobody = owner("", "");
    assert_eq!(owners.another(b"6", &nobody).await, Ok(owner("a", "10.0.0.7:0")));
    assert_eq!(owners.owner(b"3"), Err(NoOwner::Free(3)));
    assert!(matches!(owners.owner(b"x"), Err(NoOwner::Key(_))));

    let known = owners.owner(b"2").unwrap();
    let (another, ()) = tokio::join!(owners.another(b"2", &known), async {
        sidecar.map(map(OfMap::Change(MapChange { changed: vec![shard(2, "b")], freed: vec![] })));
    });
    assert_eq!(another, Ok(owner("b", "10.0.0.7:1")));
    sidecar.map(map(OfMap::Change(MapChange { changed: vec![], freed: vec![2] })));
    sidecar.map(map(OfMap::Change(MapChange { changed: vec![shard(1, "a")], freed: vec![] })));
    assert_eq!(owners.another(b"1", &nobody).await, Ok(owner("a", "10.0.0.7:0")));
    assert_eq!(owners.owner(b"2"), Err(NoOwner::Free(2)));
}

#[tokio::test]
async fn an_owner_without_the_endpoint_is_reported() {
    let sidecar = Sidecar::start().await;
    let (owners, following) = GroupOwners::follow(sidecar.channel(), "grpc");
    let (http, also) = GroupOwners::follow(sidecar.channel(), "http");
    tokio::spawn(following);
    tokio::spawn(also);
    sidecar.peers(peers(&["a"]));
    sidecar.map(snapshot(vec![shard(2, "a")]));
    assert!(http.another(b"2", &owner("", "")).await.is_ok());
    let found = loop {
        match owners.owner(b"2") {
            Err(NoOwner::NoMap) => tokio::task::yield_now().await,
            found => break found,
        }
    };
    assert_eq!(
        found.unwrap_err().to_string(),
        "the owner of shard 2 has no endpoint 'grpc'; add it to cairn.dev/endpoints"
    );
}

#[tokio::test]
async fn the_same_owner_is_not_asked_again() {
    let sidecar = Sidecar::start().await;
    let (owners, following) = GroupOwners::follow(sidecar.channel(), "http");
    tokio::spawn(following);
    sidecar.peers(peers(&["a"]));
    sidecar.map(snapshot(vec![shard(2, "a")]));
    let known = owners.another(b"2", &owner("", "")).await.unwrap();
    tokio::time::pause();
    assert_eq!(owners.another(b"2", &known).await, Err(NoOwner::Same));
}
