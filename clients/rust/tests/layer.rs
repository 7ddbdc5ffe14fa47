//! Requests that are sent to owners, over real connections.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

#[path = "layer/members.rs"]
mod members;

use std::convert::Infallible;

use bytes::Bytes;
use cairn_client::{NoOwner, Owner, OwnerLayer, Owners};
use futures::StreamExt as _;
use futures::channel::mpsc;
use http::{Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{Layer as _, Service as _, ServiceExt as _};

use members::{Member, Seen};

/// A body of any kind.
type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

/// Owners as a test wants them: first this one, then that one.
#[derive(Clone)]
struct Played {
    first: String,
    then: Option<String>,
}

impl Owners for Played {
    fn owner(&self, key: &[u8]) -> Result<Owner, NoOwner> {
        assert_eq!(key, b"/carts/17");
        Ok(Owner { uid: "first".to_owned(), address: self.first.clone() })
    }

    async fn another(&self, _: &[u8], than: &Owner) -> Result<Owner, NoOwner> {
        assert_eq!(than.uid, "first");
        let address = self.then.clone().ok_or(NoOwner::Same)?;
        Ok(Owner { uid: "then".to_owned(), address })
    }
}

/// Sends a body to `/carts/17` by HTTP/1.1 or HTTP/2; the status and the body of the answer.
async fn send(owners: Played, body: AnyBody, http2: bool) -> (StatusCode, Incoming) {
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let path = |request: &Request<AnyBody>| request.uri().path().to_owned();
    let mut service = OwnerLayer::new(owners, path).keep(16).layer(client);
    let request = Request::post("http://carts/carts/17").body(body).unwrap();
    let answer = service.ready().await.unwrap().call(request).await.unwrap();
    (answer.status(), answer.into_body())
}

async fn text(body: Incoming) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn full(text: &'static str) -> AnyBody {
    Full::new(Bytes::from(text)).boxed_unsync()
}

fn streamed() -> (mpsc::UnboundedSender<&'static str>, AnyBody) {
    let (sender, frames) = mpsc::unbounded();
    let frames = frames.map(|text| Ok(Frame::data(Bytes::from(text))));
    (sender, StreamBody::new(frames).boxed_unsync())
}

#[tokio::test]
async fn a_request_goes_to_the_owner_of_its_key() {
    let owner = Member::owner().await;
    let owners = Played { first: owner.address(), then: None };
    let (status, body) = send(owners, full("one"), false).await;
    assert_eq!((status, text(body).await), (StatusCode::OK, "one".to_owned()));
    assert_eq!(owner.seen(), [Seen { host: owner.address(), path: "/carts/17".to_owned() }]);
}

#[tokio::test]
async fn a_misdirected_request_goes_to_the_next_owner_with_its_body() {
    for http2 in [false, true] {
        let (former, owner) = (Member::former().await, Member::owner().await);
        let owners = Played { first: former.address(), then: Some(owner.address()) };
        let (status, body) = send(owners, full("one"), http2).await;
        assert_eq!((status, text(body).await), (StatusCode::OK, "one".to_owned()));
        assert_eq!((former.seen().len(), owner.seen().len()), (1, 1));
    }
}

#[tokio::test]
async fn a_request_is_sent_again_only_once() {
    let (former, other) = (Member::former().await, Member::former().await);
    let owners = Played { first: former.address(), then: Some(other.address()) };
    let (status, _) = send(owners, full("one"), false).await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!((former.seen().len(), other.seen().len()), (1, 1));
}

#[tokio::test]
async fn without_another_owner_the_caller_gets_the_answer() {
    let former = Member::former().await;
    let (status, _) =
        send(Played { first: former.address(), then: None }, full("one"), false).await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(former.seen().len(), 1);
}

#[tokio::test]
async fn a_stream_goes_on_at_the_next_owner() {
    // The former owner answers after the first frame; the rest is still to come.
    let (former, owner) = (Member::former().await, Member::owner().await);
    let owners = Played { first: former.address(), then: Some(owner.address()) };
    let (sender, body) = streamed();
    sender.unbounded_send("one ").unwrap();
    let (status, mut answer) = send(owners, body, true).await;
    assert_eq!(status, StatusCode::OK);
    // The owner echoes frame by frame, while the request is still open.
    let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "one ");
    sender.unbounded_send("two ").unwrap();
    let second = answer.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(second, "two ");
    drop(sender);
    assert!(answer.collect().await.unwrap().to_bytes().is_empty());
    assert_eq!((former.seen().len(), owner.seen().len()), (1, 1));
}

#[tokio::test]
async fn what_was_too_long_to_keep_is_not_sent_again() {
    let (former, owner) = (Member::former_after_all().await, Member::owner().await);
    let owners = Played { first: former.address(), then: Some(owner.address()) };
    let (status, _) = send(owners, full("more than sixteen bytes"), false).await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    assert!(owner.seen().is_empty());
}
