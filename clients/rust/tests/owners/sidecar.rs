//! A sidecar that tells what a test wants. Each stream begins with the first event.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use cairn_client::sidecar;
use cairn_proto::v1::coordination_server::{Coordination, CoordinationServer};
use cairn_proto::v1::{
    GetLeaderValueRequest, HeartbeatRequest, HeartbeatResponse, LeaderEvent, LeaderValue, MapEvent,
    Member, OwnerRequest, OwnerResponse, PeersEvent, PutLeaderValueRequest, ResignRequest,
    ResignResponse, SetSelfRequest, ShardsEvent, StoppedRequest, StoppedResponse,
    WatchPeersRequest, WatchRequest,
};
use futures::{Stream, stream};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};

type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

/// A sidecar at a socket.
pub(crate) struct Sidecar {
    dir: TempDir,
    told: Told,
}

/// What it tells.
#[derive(Clone, Default)]
struct Told {
    map: Arc<Log<MapEvent>>,
    peers: Arc<Log<PeersEvent>>,
}

struct Log<T> {
    events: Mutex<Vec<T>>,
    more: Notify,
}

// === impl Sidecar ===

impl Sidecar {
    pub(crate) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let listener = UnixListener::bind(dir.path().join("cairn.sock")).unwrap();
        let told = Told::default();
        let serving = Server::builder()
            .add_service(CoordinationServer::new(told.clone()))
            .serve_with_incoming(UnixListenerStream::new(listener));
        tokio::spawn(serving);
        tokio::task::yield_now().await;
        Self { dir, told }
    }

    pub(crate) fn channel(&self) -> Channel {
        let socket = self.dir.path().join("cairn.sock");
        sidecar::channel(&format!("unix:{}", socket.display())).unwrap()
    }

    pub(crate) fn map(&self, event: MapEvent) {
        self.told.map.push(event);
    }

    pub(crate) fn peers(&self, event: PeersEvent) {
        self.told.peers.push(event);
    }
}

// === impl Log ===

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { events: Mutex::default(), more: Notify::new() }
    }
}

impl<T: Clone + Send + 'static> Log<T> {
    fn push(&self, event: T) {
        self.events.lock().unwrap().push(event);
        self.more.notify_waiters();
    }

    fn stream(self: &Arc<Self>) -> Response<Events<T>> {
        let next = async |(log, index): (Arc<Self>, usize)| {
            loop {
                let more = log.more.notified();
                let event = log.events.lock().unwrap().get(index).cloned();
                if let Some(event) = event {
                    return Some((Ok(event), (Arc::clone(&log), index + 1)));
                }
                more.await;
            }
        };
        let state = (Arc::clone(self), 0);
        Response::new(Box::pin(stream::unfold(state, move |state| Box::pin(next(state)))))
    }
}

fn no<T>() -> Answer<T> {
    Err(Status::unimplemented("not of this test"))
}

#[tonic::async_trait]
impl Coordination for Told {
    type WatchPeersStream = Events<PeersEvent>;
    type WatchLeaderStream = Events<LeaderEvent>;
    type WatchShardsStream = Events<ShardsEvent>;
    type WatchMapStream = Events<MapEvent>;

    async fn watch_peers(&self, _: Request<WatchPeersRequest>) -> Answer<Self::WatchPeersStream> {
        Ok(self.peers.stream())
    }

    async fn watch_map(&self, _: Request<WatchRequest>) -> Answer<Self::WatchMapStream> {
        Ok(self.map.stream())
    }

    async fn watch_leader(&self, _: Request<WatchRequest>) -> Answer<Self::WatchLeaderStream> {
        no()
    }

    async fn watch_shards(&self, _: Request<WatchRequest>) -> Answer<Self::WatchShardsStream> {
        no()
    }

    async fn stopped(&self, _: Request<StoppedRequest>) -> Answer<StoppedResponse> {
        no()
    }

    async fn owner(&self, _: Request<OwnerRequest>) -> Answer<OwnerResponse> {
        no()
    }

    async fn set_self(&self, _: Request<SetSelfRequest>) -> Answer<Member> {
        no()
    }

    async fn resign(&self, _: Request<ResignRequest>) -> Answer<ResignResponse> {
        no()
    }

    async fn get_leader_value(&self, _: Request<GetLeaderValueRequest>) -> Answer<LeaderValue> {
        no()
    }

    async fn put_leader_value(&self, _: Request<PutLeaderValueRequest>) -> Answer<LeaderValue> {
        no()
    }

    async fn heartbeat(&self, _: Request<HeartbeatRequest>) -> Answer<HeartbeatResponse> {
        no()
    }
}
