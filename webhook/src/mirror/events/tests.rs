//! What Events say, and on which objects they are.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use axum::http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// The Events that an API server received: the method, and the object.
type Received = Arc<Mutex<Vec<(String, Value)>>>;

fn api(received: &Received) -> Client {
    let received = Arc::clone(received);
    let service = tower::service_fn(move |request: Request<Body>| {
        let received = Arc::clone(&received);
        async move {
            let method = request.method().to_string();
            let body = request.into_body().collect_bytes().await?;
            received.lock().unwrap().push((method, serde_json::from_slice(&body).unwrap()));
            Ok::<_, kube::Error>(Response::new(Body::from(body.to_vec())))
        }
    });
    Client::new(service, "default")
}

fn unlimited() -> RequestLimit {
    RequestLimit::new(NonZeroU32::MAX, NonZeroU32::MAX)
}

async fn published(events: Vec<PodEvent>) -> Vec<(String, Value)> {
    let received = Received::default();
    for event in events {
        let (sender, queued) = mpsc::channel(1);
        sender.send(event).await.unwrap();
        drop(sender);
        publish(api(&received), "webhook-0".to_owned(), unlimited(), queued).await;
    }
    let received = received.lock().unwrap();
    received.clone()
}

fn mountains() -> PoolName {
    "mountains".parse().unwrap()
}

fn about(pod: &str, news: News) -> PodEvent {
    let owner = OwnerReference {
        api_version: "apps/v1".into(),
        kind: "ReplicaSet".into(),
        name: "checkout".into(),
        uid: "r1".into(),
        controller: Some(true),
        ..OwnerReference::default()
    };
    PodEvent {
        namespace: "shop".into(),
        name: pod.into(),
        uid: format!("uid-of-{pod}"),
        owner: Some(owner),
        news,
    }
}

fn waiting(pool: PoolName) -> News {
    News::Waiting { pool, place: Place { before: Some(1), exhausted: true } }
}

#[tokio::test]
async fn what_a_pod_waits_for_and_has_lost_is_on_its_controller_too() {
    let lost = News::Lost { pool: mountains(), name: "Denali".into(), kept: false };
    for (news, reason) in [(waiting(mountains()), "Exhausted"), (lost, "ClaimLost")] {
        let received = published(vec![about("checkout-1", news)]).await;
        let kinds: Vec<&Value> =
            received.iter().map(|(_, event)| &event["regarding"]["kind"]).collect();
        assert_eq!(kinds, ["Pod", "ReplicaSet"]);
        let of_owner = &received[1].1;
        assert_eq!(of_owner["reason"], reason);
        assert_eq!(of_owner["regarding"]["uid"], "r1");
        assert_eq!(of_owner["related"]["kind"], "Pool");
        assert_eq!(of_owner["related"]["name"], "mountains");
        let note = of_owner["note"].as_str().unwrap();
        assert!(note.starts_with("pod checkout-1: mountains: "), "{note}");
    }
}

#[tokio::test]
async fn good_news_and_pods_without_a_controller_have_one_event() {
    let claimed = News::Claimed { pool: mountains(), name: "Denali".into(), fence: "5-17".into() };
    let alone = PodEvent { owner: None, ..about("alone", waiting(mountains())) };
    let received = published(vec![about("checkout-1", claimed), alone]).await;
    let pods: Vec<&Value> = received.iter().map(|(_, event)| &event["regarding"]["name"]).collect();
    assert_eq!(pods, ["checkout-1", "alone"]);
}

#[tokio::test]
async fn many_waiting_pods_are_counted_in_one_event_of_their_controller_for_each_pool() {
    let received = Received::default();
    let (sender, queued) = mpsc::channel(8);
    let publishing =
        tokio::spawn(publish(api(&received), "webhook-0".to_owned(), unlimited(), queued));
    for (count, pod) in ["a", "b", "c"].iter().enumerate() {
        sender.send(about(pod, waiting(mountains()))).await.unwrap();
        // One after the other: those that are published at the same time are not counted together.
        while received.lock().unwrap().len() < 2 * (count + 1) {
            tokio::task::yield_now().await;
        }
    }
    sender.send(about("d", waiting("teas".parse().unwrap()))).await.unwrap();
    drop(sender);
    publishing.await.unwrap();
    let received = received.lock().unwrap();
    let of_owner: Vec<(&str, &Value)> = received
        .iter()
        .filter(|(_, event)| event["regarding"]["kind"] == "ReplicaSet")
        .map(|(method, event)| (method.as_str(), &event["series"]["count"]))
        .collect();
    let null = Value::Null;
    let expected = [("POST", &null), ("PATCH", &json!(2)), ("PATCH", &json!(3)), ("POST", &null)];
    assert_eq!(of_owner, expected);
}

#[test]
fn an_event_says_what_happened_to_which_name() {
    let pool = mountains();
    let claimed = kube_event(&News::Claimed {
        pool: pool.clone(),
        name: "Denali".into(),
        fence: "5-17".into(),
    });
    assert_eq!((claimed.type_, claimed.reason.as_str()), (EventType::Normal, "Claimed"));
    assert_eq!(claimed.note.unwrap(), "mountains: Denali, fence 5-17");
    let waiting = |before, exhausted| {
        let place = Place { before, exhausted };
        let event = kube_event(&News::Waiting { pool: pool.clone(), place });
        (event.reason, event.note.unwrap())
    };
    let (reason, note) = waiting(Some(3), true);
    assert_eq!(reason, "Exhausted");
    assert!(note.starts_with("mountains: no name is free, and 3 pods are before it;"), "{note}");
    let (reason, note) = waiting(None, false);
    assert_eq!(reason, "Waiting");
    assert!(note.starts_with("mountains: no name yet;"), "{note}");
    let lost = kube_event(&News::Lost { pool, name: "Denali".into(), kept: false });
    assert_eq!((lost.type_, lost.reason.as_str()), (EventType::Warning, "ClaimLost"));
    assert!(lost.note.unwrap().contains("must not use it"));
}
