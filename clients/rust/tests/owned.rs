//! Requests that reach a pod: served while it owns their shard, answered 421 otherwise.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

use std::convert::Infallible;
use std::future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use cairn_client::{Fence, KeyHash, OwnShards, OwnedBody, OwnedLayer, Served};
use cairn_proto::v1::{Shards, Stopping};
use futures::channel::mpsc;
use futures::{StreamExt as _, poll};
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use rustix::time::{ClockId, clock_gettime};
use tower::{Layer as _, ServiceExt as _, service_fn};

type AnyBody = UnsyncBoxBody<Bytes, Infallible>;
type Answer = Response<OwnedBody<AnyBody>>;

const HTTP: &str = "text/plain";
const GRPC: &str = "application/grpc+proto";
const LONG: Duration = Duration::from_secs(60);

/// These of four shards, for so long, under the fence 70 + k.
fn granted(shards: &[u32], span: Duration) -> Shards {
    Shards {
        epoch: 9,
        count: 4,
        shards: shards.to_vec(),
        fences: shards.iter().map(|shard| (*shard, 70 + i64::from(*shard))).collect(),
        valid_until_boottime_ns: after(span),
        ..Shards::default()
    }
}

/// Shard 2 has to stop within this time.
fn stopping(span: Duration) -> Shards {
    let stop = Stopping {
        shard: Some(2),
        stop: "a-1".to_owned(),
        valid_until_boottime_ns: after(span),
        fence: 72,
    };
    Shards { stopping: vec![stop], ..granted(&[1], LONG) }
}

fn after(span: Duration) -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec + i64::try_from(span.as_nanos()).unwrap()
}

fn told(shards: &Shards) -> OwnShards {
    let own = OwnShards::new(KeyHash::Int);
    own.tell(shards);
    own
}

/// A request with this key in its path, to an app that does this.
async fn ask<F>(own: &OwnShards, key: &str, kind: &str, app: impl FnOnce(Served) -> F) -> Answer
where
    F: Future<Output = AnyBody> + Send + 'static,
{
    let mut app = Some(app);
    let app = service_fn(|request: Request<()>| {
        let served = request.extensions().get::<Served>().unwrap().clone();
        let body = app.take().unwrap()(served);
        async move { Ok::<_, Infallible>(Response::new(body.await)) }
    });
    let path = |request: &Request<()>| request.uri().path()[1..].to_owned();
    let request = Request::get(format!("/{key}")).header(header::CONTENT_TYPE, kind);
    let service = OwnedLayer::new(own.clone(), path).layer(app);
    service.oneshot(request.body(()).unwrap()).await.unwrap()
}

/// Says under which fence it was asked.
async fn says_fence(served: Served) -> AnyBody {
    let Fence { epoch, revision } = served.fence;
    full(&format!("{} under {epoch}-{revision}", served.shard))
}

async fn never(_: Served) -> AnyBody {
    future::pending().await
}

fn full(text: &str) -> AnyBody {
    Full::new(Bytes::copy_from_slice(text.as_bytes())).boxed_unsync()
}

fn streamed() -> (mpsc::UnboundedSender<&'static str>, AnyBody) {
    let (sender, frames) = mpsc::unbounded();
    let frames = frames.map(|text| Ok(Frame::data(Bytes::from(text))));
    (sender, StreamBody::new(frames).boxed_unsync())
}

async fn text(answer: Answer) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_request_for_an_own_shard_is_served_under_its_fence() {
    let own = told(&granted(&[1, 2], LONG));
    for kind in [HTTP, GRPC] {
        let answer = ask(&own, "6", kind, says_fence).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(text(answer).await, "2 under 9-72");
    }
}

#[tokio::test]
async fn a_key_of_another_pod_is_answered_421() {
    let own = told(&granted(&[1, 2], LONG));
    let answer = ask(&own, "7", HTTP, says_fence).await;
    assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(text(answer).await, "this pod does not own shard 3");

    let answer = ask(&OwnShards::new(KeyHash::Int), "7", HTTP, says_fence).await;
    assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(text(answer).await, "this pod does not know its shards yet");
}

#[tokio::test]
async fn in_grpc_that_is_unavailable_and_says_that_nothing_was_done() {
    let own = told(&granted(&[1, 2], LONG));
    let answer = ask(&own, "7", GRPC, says_fence).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(field(&answer, "grpc-status"), Some("14"));
    assert_eq!(field(&answer, "grpc-message"), Some("this pod does not own shard 3"));
    assert_eq!(field(&answer, "cairn-misdirected"), Some("1"));
    assert_eq!(text(answer).await, "");
}

#[tokio::test]
async fn a_key_that_is_not_of_the_hash_is_a_bad_request() {
    let own = told(&granted(&[1, 2], LONG));
    assert_eq!(ask(&own, "x", HTTP, says_fence).await.status(), StatusCode::BAD_REQUEST);
    let answer = ask(&own, "x", GRPC, says_fence).await;
    assert_eq!(field(&answer, "grpc-status"), Some("3"));
    assert_eq!(field(&answer, "cairn-misdirected"), None);
}

#[tokio::test]
async fn after_the_deadline_nothing_is_served() {
    let own = told(&granted(&[1, 2], Duration::ZERO));
    let answer = ask(&own, "2", HTTP, says_fence).await;
    assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_request_that_is_served_at_the_deadline_is_cut_off() {
    // It was begun, so the sender must not take it for one that can be sent again.
    let own = told(&granted(&[2], Duration::from_millis(500)));
    let answer = ask(&own, "2", HTTP, never).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(answer).await, "this pod does not own shard 2 any more");

    own.tell(&granted(&[2], Duration::from_millis(500)));
    let answer = ask(&own, "2", GRPC, never).await;
    assert_eq!(field(&answer, "grpc-status"), Some("14"));
    assert_eq!(field(&answer, "cairn-misdirected"), None);
}

#[tokio::test]
async fn a_stream_goes_on_when_the_deadline_moves_and_ends_when_the_shard_is_gone() {
    for kind in [HTTP, GRPC] {
        let own = told(&granted(&[2], Duration::from_millis(500)));
        let (sender, body) = streamed();
        let mut stream = ask(&own, "2", kind, |_| future::ready(body)).await.into_body();
        sender.unbounded_send("one").unwrap();
        assert_eq!(next(&mut stream).await, "one");
        own.tell(&granted(&[2], LONG));
        assert!(poll!(stream.frame()).is_pending());

        // The session is over: nothing of it may be served, whatever its last deadline was.
        own.tell(&Shards { epoch: 9, count: 4, ..Shards::default() });
        sender.unbounded_send("two").unwrap();
        let end = stream.frame().await.unwrap();
        if kind == HTTP {
            let why = end.unwrap_err().to_string();
            assert_eq!(why, "this pod does not own shard 2 any more");
        } else {
            let trailers = end.unwrap().into_trailers().unwrap();
            assert_eq!(trailers.get("grpc-status").unwrap(), "14");
        }
        assert!(stream.frame().await.is_none());
        own.idle(2).await;
    }
}

#[tokio::test]
async fn a_shard_that_stops_takes_no_request_and_is_idle_once_the_last_one_has_ended() {
    let own = told(&granted(&[1, 2], LONG));
    let (sender, body) = streamed();
    let mut serving = None;
    let answer = ask(&own, "2", HTTP, |served| {
        serving = Some(served);
        future::ready(body)
    });
    let (mut stream, served) = (answer.await.into_body(), serving.unwrap());
    let mut told_to_stop = pin!(served.stopping());
    assert!(poll!(&mut told_to_stop).is_pending());

    own.tell(&stopping(LONG));
    told_to_stop.await;
    let refused = ask(&own, "2", HTTP, says_fence).await;
    assert_eq!(refused.status(), StatusCode::MISDIRECTED_REQUEST);
    drop(refused);
    let mut idle = pin!(own.idle(2));
    // What has begun may end until the deadline that was told last.
    sender.unbounded_send("one").unwrap();
    assert_eq!(next(&mut stream).await, "one");
    assert!(poll!(&mut idle).is_pending());
    drop(sender);
    assert!(stream.frame().await.is_none());
    idle.await;
}

#[tokio::test]
async fn a_stream_of_a_shard_that_stops_is_cut_off_at_its_deadline() {
    let own = told(&granted(&[2], LONG));
    let (_sender, body) = streamed();
    let mut stream = ask(&own, "2", HTTP, |_| future::ready(body)).await.into_body();
    own.tell(&stopping(Duration::from_millis(500)));
    assert!(poll!(stream.frame()).is_pending());
    assert!(stream.frame().await.unwrap().is_err());
    own.idle(2).await;
}

async fn next(stream: &mut OwnedBody<AnyBody>) -> Bytes {
    stream.frame().await.unwrap().unwrap().into_data().unwrap()
}
