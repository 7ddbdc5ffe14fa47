//! The same over gRPC, on the same socket.

use cairn_proto::v1::coordination_client::CoordinationClient;
use cairn_proto::v1::{
    HeartbeatRequest, OwnerRequest, SetSelfRequest, StoppedRequest, WatchPeersRequest,
    WatchRequest, peers_event,
};
use cairn_test_etcd::TestEtcd;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint, Uri};

use super::{Member, until};

async fn connect(member: &Member) -> CoordinationClient<Channel> {
    let path = member.dir.published().join("cairn.sock");
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    CoordinationClient::new(endpoint.connect_with_connector(connector).await.unwrap())
}

#[tokio::test]
async fn grpc_says_what_http_says_with_calls_beside_watches_on_one_connection() {
    let etcd = TestEtcd::start().unwrap();
    let member = Member::start(&etcd, &["--coordinate", "peers,shards", "--shards", "4"]);
    until("a member", &[], async || member.json("/v1/self").await.is_some()).await;
    let mut client = connect(&member).await;
    let peers = client.watch_peers(WatchPeersRequest::default()).await.unwrap();
    let first = peers.into_inner().message().await.unwrap().unwrap();
    let Some(peers_event::Event::Snapshot(snapshot)) = first.event else { panic!("no snapshot") };
    assert!(snapshot.peers[0].me);

    let shards = client.watch_shards(WatchRequest::default()).await.unwrap();
    let mut shards = shards.into_inner();
    loop {
        let shards = shards.message().await.unwrap().unwrap().shards.unwrap();
        if shards.shards.len() == 4 {
            assert_eq!(shards.fences.len(), 4);
            break;
        }
    }
    // The watch goes on, and calls go beside it.
    let key = b"order-17".to_vec();
    let owner = client.owner(OwnerRequest { key, ..OwnerRequest::default() }).await.unwrap();
    let owner = owner.into_inner();
    assert!(owner.agreed && owner.owners[0].me);
    let tags = [("tier".to_owned(), "hot".to_owned())].into();
    let own = SetSelfRequest { set_tags: tags, ..SetSelfRequest::default() };
    assert_eq!(client.set_self(own).await.unwrap().into_inner().tags["tier"], "hot");
    let wrong = StoppedRequest { stops: vec!["nonsense".into()] };
    assert_eq!(client.stopped(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    let silent = client.heartbeat(HeartbeatRequest::default()).await.unwrap_err();
    assert_eq!(silent.code(), Code::FailedPrecondition);
    let changed = shards.message().await.unwrap();
    assert!(changed.is_some(), "the deadline moves");
}
