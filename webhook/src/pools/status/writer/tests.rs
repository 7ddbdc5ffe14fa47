use std::collections::VecDeque;
use std::sync::Mutex;

use axum::http::{Method, Request, Response};
use kube::client::Body;
use serde_json::Value;

use super::*;

/// An API server that gives these answers, in this order, and remembers what it was asked.
struct ScriptedApi {
    answers: Mutex<VecDeque<(u16, Value)>>,
    asked: Mutex<Vec<(Method, Value)>>,
}

fn api(answers: Vec<(u16, Value)>) -> (Api<PoolObject>, Arc<ScriptedApi>) {
    let script = ScriptedApi { answers: Mutex::new(answers.into()), asked: Mutex::default() };
    let script = Arc::new(script);
    let served = Arc::clone(&script);
    let service = tower::service_fn(move |request: Request<Body>| {
        let script = Arc::clone(&served);
        async move {
            let method = request.method().clone();
            let body = request.into_body().collect_bytes().await?;
            let body = serde_json::from_slice(&body).unwrap_or_default();
            script.asked.lock().unwrap().push((method, body));
            let (code, answer) = script.answers.lock().unwrap().pop_front().unwrap();
            let response = Response::builder().status(code);
            Ok::<_, kube::Error>(
                response.body(Body::from(answer.to_string().into_bytes())).unwrap(),
            )
        }
    });
    (Api::all(Client::new(service, "default")), script)
}

fn stored(version: &str, status: &Value) -> Value {
    json!({"apiVersion": "cairn.dev/v1alpha1", "kind": "Pool",
        "metadata": {"name": "teas", "resourceVersion": version, "generation": 1},
        "spec": {"names": {"list": ["mint"]}}, "status": status})
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": reason, "code": code, "message": reason});
    (code, status)
}

fn watched(version: &str) -> Watched {
    let object: PoolObject = serde_json::from_value(stored(version, &Value::Null)).unwrap();
    object.into()
}

async fn written(api: &Api<PoolObject>) -> Result<(), Error> {
    let counts = Counts { held: 1, ..Counts::default() };
    write(api, "teas", &watched("1"), Some(&PoolStage::Defined), Some(&counts)).await
}

#[tokio::test]
async fn a_conflict_is_decided_anew_on_what_is_stored_by_then() {
    let (api, script) = api(vec![
        failure(409, "Conflict"),
        (200, stored("2", &json!({"held": 9}))),
        (200, stored("3", &Value::Null)),
    ]);
    written(&api).await.unwrap();
    let asked = script.asked.lock().unwrap();
    let methods: Vec<&Method> = asked.iter().map(|(method, _)| method).collect();
    assert_eq!(methods, [&Method::PATCH, &Method::GET, &Method::PATCH]);
    assert_eq!(asked[0].1["metadata"]["resourceVersion"], "1");
    assert_eq!(asked[2].1["metadata"]["resourceVersion"], "2");
    assert_eq!(asked[2].1["status"]["held"], 1);
}

#[tokio::test]
async fn a_pool_that_was_deleted_meanwhile_is_no_error_and_any_other_answer_is() {
    let (gone, _) = api(vec![failure(404, "NotFound")]);
    written(&gone).await.unwrap();
    let (forbidden, _) = api(vec![failure(403, "Forbidden")]);
    written(&forbidden).await.unwrap_err();
}

#[tokio::test]
async fn only_the_leader_writes() {
    let (api, script) = api(vec![(200, stored("2", &Value::Null))]);
    let (lead, leader) = watch::channel(false);
    let pools = Pools::from([("teas".to_owned(), watched("1"))]);
    let progress = Progress::from([("teas".parse().unwrap(), PoolStage::Defined)]);
    let mut sources = Sources {
        leader,
        pools: watch::channel(Some(Arc::new(pools))).1,
        progress: watch::channel(Arc::new(progress)).1,
        counts: watch::channel(Arc::default()).1,
    };
    assert!(sources.write_all(&api).await);
    assert!(script.asked.lock().unwrap().is_empty());
    lead.send_replace(true);
    assert!(sources.write_all(&api).await);
    assert_eq!(script.asked.lock().unwrap().len(), 1);
}
