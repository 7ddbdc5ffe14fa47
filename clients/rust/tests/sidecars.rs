//! Both layers beside real sidecars on a real etcd: a shard moves, and requests follow it.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

#[path = "sidecars/member.rs"]
mod member;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_client::{GroupOwners, NoOwner, Owner, OwnerLayer, Owners, ReplayBody, sidecar};
use cairn_proto::v1::WatchRequest;
use cairn_proto::v1::coordination_client::CoordinationClient;
use cairn_test_etcd::TestEtcd;
use futures::poll;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;
use tonic::{Code, Request as Call};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer as _, ServiceExt as _};

use member::{Journal, Member, key};

/// The hold of a new etcd, the first map and a hand-over take some seconds each, on a busy machine longer.
const PATIENCE: Duration = Duration::from_secs(90);
const KEYS: [&str; 4] = ["0", "1", "2", "3"];

/// As somebody who has not heard yet that a shard has moved.
#[derive(Clone)]
struct Late {
    first: Owner,
    known: GroupOwners,
}

impl Owners for Late {
    fn owner(&self, _: &[u8]) -> Result<Owner, NoOwner> {
        Ok(self.first.clone())
    }

    async fn another(&self, key: &[u8], than: &Owner) -> Result<Owner, NoOwner> {
        self.known.another(key, than).await
    }
}

/// Two pods that own two shards each, and the owners of keys as `b` knows them.
struct Group {
    a: Member,
    b: Member,
    http: GroupOwners,
    grpc: GroupOwners,
    journal: Journal,
    _etcd: TestEtcd,
}

impl Group {
    async fn start() -> Self {
        let etcd = TestEtcd::start().unwrap();
        let journal = Journal::default();
        let a = Member::start(&etcd, "a", &journal).await;
        let b = Member::start(&etcd, "b", &journal).await;
        let (http, following) = GroupOwners::follow(b.sidecar.clone(), "http");
        tokio::spawn(following);
        let (grpc, following) = GroupOwners::follow(b.sidecar.clone(), "grpc");
        tokio::spawn(following);
        let even = BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 2)]);
        for owners in [&http, &grpc] {
            until("each owns two", async || shares(owners) == even).await;
        }
        // The pods know it a moment later than etcd.
        let group = Self { a, b, http, grpc, journal, _etcd: etcd };
        for key in KEYS {
            until("its owner serves it", async || {
                let owner = group.http.owner(key.as_bytes()).unwrap();
                group.ask(&owner, key).await.0 == StatusCode::OK
            })
            .await;
        }
        group
    }

    /// Asks one pod, without a layer.
    async fn ask(&self, owner: &Owner, key: &str) -> (StatusCode, String) {
        let request = Request::post(format!("http://{}/", owner.address)).header("key", key);
        let request = request.body(Full::new(Bytes::from("work"))).unwrap();
        whole(client(false).request(request).await.unwrap()).await
    }

    /// A key of `a`.
    fn of_a(&self) -> &'static str {
        let owner = |key: &str| self.http.owner(key.as_bytes()).unwrap().uid;
        KEYS.into_iter().find(|key| owner(key) == "a").unwrap()
    }
}

/// How many shards each owns.
fn shares(owners: &GroupOwners) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for owner in KEYS.iter().filter_map(|key| owners.owner(key.as_bytes()).ok()) {
        *shares.entry(owner.uid).or_default() += 1;
    }
    shares
}

/// Sends a request through the layer of the sender.
async fn send(
    owners: impl Owners,
    client: Client<HttpConnector, ReplayBody<Full<Bytes>>>,
    key_is: &str,
) -> (StatusCode, String) {
    let service = OwnerLayer::new(owners, key).layer(client);
    let request = Request::post("http://app/").header("key", key_is);
    let request = request.body(Full::new(Bytes::from("work"))).unwrap();
    whole(service.oneshot(request).await.unwrap()).await
}

async fn whole(answer: Response<Incoming>) -> (StatusCode, String) {
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn client<B>(http2: bool) -> Client<HttpConnector, B>
where
    B: Body<Data = Bytes> + Send,
{
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

fn call(key: &'static str) -> Call<HealthCheckRequest> {
    let mut call = Call::new(HealthCheckRequest::default());
    call.metadata_mut().insert("key", key.parse().unwrap());
    call
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the pod's deadline has moved by more than its validity.
async fn another_deadline(member: &Member) {
    let mut client = CoordinationClient::new(member.sidecar.clone());
    let mut events = client.watch_shards(WatchRequest::default()).await.unwrap().into_inner();
    let mut first = None;
    loop {
        let event = events.message().await.unwrap().unwrap();
        let deadline = event.shards.unwrap().valid_until_boottime_ns;
        if deadline > *first.get_or_insert(deadline) + 3_000_000_000 {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_meets_the_former_owner_ends_at_the_new_one() {
    let group = Group::start().await;
    let mine = group.of_a();
    let former = group.http.owner(mine.as_bytes()).unwrap();
    let former_grpc = group.grpc.owner(mine.as_bytes()).unwrap();
    assert_eq!(
        send(group.http.clone(), client(false), mine).await,
        (StatusCode::OK, "a".to_owned())
    );

    // A stream without an end, at the owner.
    let grpc = |owners: Late| HealthClient::new(OwnerLayer::new(owners, key).layer(client(true)));
    let late = Late { first: former_grpc, known: group.grpc.clone() };
    let mut cut_off = grpc(late.clone()).watch(call(mine)).await.unwrap().into_inner();
    assert!(cut_off.message().await.unwrap().is_some());
    another_deadline(&group.a).await;
    assert!(poll!(Box::pin(cut_off.message())).is_pending());

    group.a.drain().await;
    let status = cut_off.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), format!("this pod does not own shard {mine} any more"));
    let all = BTreeMap::from([("b".to_owned(), KEYS.len())]);
    for owners in [&group.http, &group.grpc] {
        until("the other one owns everything", async || shares(owners) == all).await;
    }

    let refusal = format!("this pod does not own shard {mine}");
    let found = group.ask(&former, mine).await;
    assert_eq!(found, (StatusCode::MISDIRECTED_REQUEST, refusal));
    let late_http = Late { first: former, known: group.http.clone() };
    for http2 in [false, true] {
        let answer = send(late_http.clone(), client(http2), mine).await;
        assert_eq!(answer, (StatusCode::OK, "b".to_owned()));
    }
    let channel = sidecar::channel(&late.first.address).unwrap();
    let refused = HealthClient::new(channel).check(call(mine)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.metadata().contains_key("cairn-misdirected"));
    grpc(late.clone()).check(call(mine)).await.unwrap();
    let mut stream = grpc(late).watch(call(mine)).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_shards_move_every_request_is_served_by_their_owner() {
    let group = Group::start().await;
    let all = BTreeMap::from([("b".to_owned(), KEYS.len())]);
    let senders = KEYS.map(|key_is| {
        let owners = group.http.clone();
        let all = all.clone();
        tokio::spawn(async move {
            let (client, mut servers) = (client(false), Vec::new());
            let end = Instant::now() + PATIENCE;
            loop {
                let last = shares(&owners) == all;
                let (status, server) = send(owners.clone(), client.clone(), key_is).await;
                assert_eq!(status, StatusCode::OK, "{server}");
                servers.push(server);
                if last {
                    return servers;
                }
                assert!(Instant::now() < end, "never: the other one owns everything");
            }
        })
    });
    group.a.drain().await;
    let mut moved = 0;
    for sender in senders {
        let servers = sender.await.unwrap();
        assert_eq!(servers.last().unwrap(), "b");
        moved += usize::from(servers.first().unwrap() == "a");
        let changes = servers.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 1, "{:?}", servers.iter().collect::<BTreeSet<_>>());
    }
    assert_eq!(moved, 2);
    // No later request of a shard is served under an earlier fence.
    let journal = Arc::clone(&group.journal);
    let mut fences = BTreeMap::new();
    for (shard, fence, uid) in journal.lock().unwrap().iter() {
        let former = fences.insert(*shard, *fence).unwrap_or_default();
        assert!(former <= *fence, "{uid} serves {shard} under {fence} after {former}");
    }
    drop(group.b);
}
