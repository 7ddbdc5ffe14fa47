//! Coordination over gRPC, on the same port and socket: `proto/cairn/v1/coordination.proto`. It says what the JSON of
//! [`super::coordination`] says, and is made from it.

use axum::Router;
use axum::http::StatusCode;
use cairn_core::claim::Fence as ClaimFence;
use cairn_core::coordination::lookup::{Algorithm, Operation};
use cairn_core::coordination::member::Role;
use cairn_core::coordination::session::{Command, Status as SessionStatus};
use cairn_core::coordination::text;
use cairn_kit::serve;
use cairn_proto::v1::coordination_server::{self, CoordinationServer};
use cairn_proto::v1::{self as proto};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use tonic::{Code, Request, Response, Status};

use super::coordination::members::{Filter, Known, Peers};
use super::coordination::{Denied, heartbeat, leader, own, owner, require, shards};
use super::{Api, MAX_BODY};
use crate::coordination::Coordination;
use crate::coordination::follow::{Follow, Step};
use crate::coordination::json::{LeaderJson, MapJson, ShardsJson, epoch};
use crate::coordination::lookup::Question;

mod convert;

/// The service.
#[derive(Clone, Debug)]
struct Service(Api);

type Answer<T> = Result<Response<T>, Status>;
type Events<T> = BoxStream<'static, Result<T, Status>>;

/// The routes.
pub(super) fn routes(api: &Api) -> Router {
    let service = CoordinationServer::new(Service(api.clone())).max_decoding_message_size(MAX_BODY);
    Router::new().route_service("/cairn.v1.Coordination/{method}", service)
}

// === impl Service ===

impl Service {
    fn coordination(&self) -> Result<&Coordination, Status> {
        Ok(self.0.coordination()?)
    }

    /// Streams what a view makes of each step; it makes nothing of some.
    fn watch<T, F>(&self, after: &str, mut view: F) -> Answer<Events<T>>
    where
        T: Send + 'static,
        F: FnMut(Step) -> Option<T> + Send + 'static,
    {
        let permit = self.0.watchers.admit().map_err(Status::resource_exhausted)?;
        let follow = Follow::after(self.coordination()?, Some(after));
        let steps = stream::unfold((follow, permit), |(mut follow, permit)| async move {
            Some((follow.next().await?, (follow, permit)))
        });
        let events = steps.filter_map(move |step| std::future::ready(view(step).map(Ok))).boxed();
        let mut response = Response::new(events);
        response.extensions_mut().insert(serve::Stream);
        Ok(response)
    }
}

#[tonic::async_trait]
impl coordination_server::Coordination for Service {
    type WatchPeersStream = Events<proto::PeersEvent>;
    type WatchLeaderStream = Events<proto::LeaderEvent>;
    type WatchShardsStream = Events<proto::ShardsEvent>;
    type WatchMapStream = Events<proto::MapEvent>;

    async fn watch_peers(
        &self,
        request: Request<proto::WatchPeersRequest>,
    ) -> Answer<Self::WatchPeersStream> {
        let states = request.get_ref().states().map(convert::state_of).collect::<Result<_, _>>()?;
        let proto::WatchPeersRequest { after, tags, states: _, endpoint } = request.into_inner();
        let endpoint = Some(endpoint).filter(|name| !name.is_empty());
        let mut known = Known::new(Filter { tags: tags.into_iter().collect(), states, endpoint });
        let own = self.coordination()?.own().clone();
        self.watch(&after, move |step| {
            let event = match known.view(&step, &own) {
                Peers::Snapshot(peers) => convert::peers_snapshot(peers),
                Peers::Change(change) => convert::peers_change(change),
                Peers::Same => return None,
            };
            let (epoch, revision) = at(&step.status);
            Some(proto::PeersEvent { id: step.id, epoch, revision, event: Some(event) })
        })
    }

    async fn watch_leader(
        &self,
        request: Request<proto::WatchRequest>,
    ) -> Answer<Self::WatchLeaderStream> {
        let own = self.coordination()?.own().clone();
        let mut last = None;
        self.watch(&request.get_ref().after, move |step| {
            let leader = LeaderJson::new(&step.status, &own);
            if last.as_ref() == Some(&leader) {
                return None;
            }
            last = Some(leader.clone());
            Some(proto::LeaderEvent { id: step.id, leader: Some(leader.into()) })
        })
    }

    async fn watch_shards(
        &self,
        request: Request<proto::WatchRequest>,
    ) -> Answer<Self::WatchShardsStream> {
        let coordination = self.coordination()?;
        require(coordination, Role::Shards)?;
        let own = coordination.own().clone();
        let mut last = None;
        let participation = shards::participate(coordination.clone());
        self.watch(&request.get_ref().after, move |step| {
            // The stream owns it: it ends when the client leaves.
            let _while_watched = &participation;
            let shards = ShardsJson::new(&step.status, &own);
            if last.as_ref() == Some(&shards) {
                return None;
            }
            last = Some(shards.clone());
            Some(proto::ShardsEvent { id: step.id, shards: Some(shards.into()) })
        })
    }

    async fn watch_map(
        &self,
        request: Request<proto::WatchRequest>,
    ) -> Answer<Self::WatchMapStream> {
        require(self.coordination()?, Role::Shards)?;
        self.watch(&request.get_ref().after, |step| {
            let event = match &step.delta {
                None => convert::map_snapshot(MapJson::new(&step.status)),
                Some(delta) if delta.shards.is_empty() => return None,
                Some(delta) => convert::map_change(shards::map_change(&step.status, delta)),
            };
            let (epoch, revision) = at(&step.status);
            Some(proto::MapEvent { id: step.id, epoch, revision, event: Some(event) })
        })
    }

    async fn stopped(
        &self,
        request: Request<proto::StoppedRequest>,
    ) -> Answer<proto::StoppedResponse> {
        let stops = shards::stop_ids(&request.get_ref().stops)?;
        let command = Command::Stopped(stops);
        self.coordination()?.command(command).await.map_err(Denied::from)?;
        Ok(Response::new(proto::StoppedResponse {}))
    }

    async fn owner(&self, request: Request<proto::OwnerRequest>) -> Answer<proto::OwnerResponse> {
        let asked = request.get_ref();
        let question = Question {
            key: &asked.key,
            n: usize::try_from(asked.n.max(1)).unwrap_or(usize::MAX),
            operation: match asked.operation() {
                proto::Operation::Unspecified | proto::Operation::Read => Operation::Read,
                proto::Operation::Write => Operation::Write,
            },
            algorithm: match asked.algorithm() {
                proto::Algorithm::Unspecified | proto::Algorithm::Map => Algorithm::Map,
                proto::Algorithm::Ring => Algorithm::Ring,
                proto::Algorithm::Rendezvous => Algorithm::Rendezvous,
                proto::Algorithm::Multiprobe => Algorithm::Multiprobe,
            },
        };
        Ok(Response::new(owner::find(self.coordination()?, question)?.into()))
    }

    async fn set_self(&self, request: Request<proto::SetSelfRequest>) -> Answer<proto::Member> {
        let coordination = self.coordination()?;
        let own = &coordination.own().config.own;
        let wrong = |error: text::TextError| Status::invalid_argument(error.to_string());
        let asked = request.get_ref();
        let state = match asked.state() {
            proto::MemberState::Unspecified => None,
            state => Some(convert::state_of(state)?),
        };
        // All is checked before anything is done.
        let mut commands: Vec<_> = state.map(Command::SetState).into_iter().collect();
        for (name, value) in &asked.set_endpoints {
            let name = text::endpoint_name(name).map_err(wrong)?;
            let value = text::endpoint(value, *own).map_err(wrong)?;
            commands.push(Command::SetEndpoint(name, Some(value)));
        }
        for name in &asked.remove_endpoints {
            commands.push(Command::SetEndpoint(text::endpoint_name(name).map_err(wrong)?, None));
        }
        for (key, value) in &asked.set_tags {
            let key = text::tag_key(key).map_err(wrong)?;
            commands.push(Command::SetTag(key, Some(text::tag_value(value).map_err(wrong)?)));
        }
        for key in &asked.remove_tags {
            commands.push(Command::SetTag(text::tag_key(key).map_err(wrong)?, None));
        }
        Ok(Response::new(own::change(coordination, commands).await?.into()))
    }

    async fn resign(&self, _: Request<proto::ResignRequest>) -> Answer<proto::ResignResponse> {
        let leader::Resigned { stop, valid_until_boottime_ns } =
            leader::give_away(self.coordination()?).await?;
        let valid_until_boottime_ns = convert::nanos(valid_until_boottime_ns);
        let stop = stop.unwrap_or_default();
        Ok(Response::new(proto::ResignResponse { stop, valid_until_boottime_ns }))
    }

    async fn get_leader_value(
        &self,
        _: Request<proto::GetLeaderValueRequest>,
    ) -> Answer<proto::LeaderValue> {
        let value = leader::read(self.coordination()?)?;
        let none = || Status::not_found("the leader has put no value yet");
        let leader::Value { bytes, epoch, revision } = value.ok_or_else(none)?;
        Ok(Response::new(proto::LeaderValue { value: bytes, epoch, revision }))
    }

    async fn put_leader_value(
        &self,
        request: Request<proto::PutLeaderValueRequest>,
    ) -> Answer<proto::LeaderValue> {
        let proto::PutLeaderValueRequest { value, expected_revision } = request.into_inner();
        let coordination = self.coordination()?;
        let revision = leader::put(coordination, value.clone(), expected_revision).await?;
        let shown = coordination.shown();
        let epoch = shown.status().map_or(0, |status| epoch(status));
        Ok(Response::new(proto::LeaderValue { value, epoch, revision }))
    }

    async fn heartbeat(
        &self,
        request: Request<proto::HeartbeatRequest>,
    ) -> Answer<proto::HeartbeatResponse> {
        let fence = request.into_inner().fence;
        let fence = fence.map(|fence| ClaimFence { epoch: fence.epoch, revision: fence.revision });
        let beaten = heartbeat::take(self.coordination()?, &self.0.applied, fence).await;
        let beaten = beaten.map_err(|denied| match denied {
            Denied(StatusCode::CONFLICT, why) if fence.is_some() => Status::aborted(why),
            denied => denied.into(),
        })?;
        Ok(Response::new(beaten.into()))
    }
}

fn at(status: &SessionStatus) -> (i64, i64) {
    (epoch(status), status.picture.revision)
}

// === impl Denied ===

impl From<Denied> for Status {
    fn from(Denied(status, message): Denied) -> Self {
        let code = match status {
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Code::InvalidArgument,
            StatusCode::PRECONDITION_FAILED => Code::Aborted,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
            _ => Code::FailedPrecondition,
        };
        Self::new(code, message)
    }
}
