//! The whole service on an API server that is played here, because a real one cannot be made to say everything.

use std::sync::Mutex;

use axum::http::{Request as HttpRequest, Response as HttpResponse};
use cairn_store::ClusterId;
use kube::Client;
use kube::client::Body;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tonic::Code;

use super::*;

/// What the API server was asked.
type Asked = Arc<Mutex<Vec<Value>>>;

/// Says of the token `NAMESPACE/POD` that it is this pod's, and of `NAMESPACE` that it is bound to no pod. As a real
/// API server it accepts a token for none but the audiences that it is asked about, or else for its own.
fn api(asked: &Asked) -> Client {
    let asked = Arc::clone(asked);
    let service = tower::service_fn(move |request: HttpRequest<Body>| {
        let asked = Arc::clone(&asked);
        async move {
            let body = request.into_body().collect_bytes().await?;
            let review: Value = serde_json::from_slice(&body).unwrap();
            let answer = reviewed(&review);
            asked.lock().unwrap().push(review);
            let body = Body::from(answer.to_string().into_bytes());
            Ok::<_, kube::Error>(HttpResponse::builder().status(201).body(body).unwrap())
        }
    });
    Client::new(service, "default")
}

fn reviewed(review: &Value) -> Value {
    let token = review["spec"]["token"].as_str().unwrap();
    let own = json!(["https://kubernetes.default.svc"]);
    let audiences = review["spec"].get("audiences").cloned().unwrap_or(own);
    let (namespace, pod) = token.split_once('/').unwrap_or((token, ""));
    let mut extra = json!({});
    if !pod.is_empty() {
        let [name, uid] =
            ["pod-name", "pod-uid"].map(|key| format!("authentication.kubernetes.io/{key}"));
        extra = json!({name: [pod], uid: ["u"]});
    }
    let user =
        json!({"username": format!("system:serviceaccount:{namespace}:default"), "extra": extra});
    json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {},
        "spec": review["spec"],
        "status": {"authenticated": true, "audiences": audiences, "user": user},
    })
}

fn agent(asked: &Asked, verdict: Verdict) -> Agent {
    let endpoints = vec!["http://etcd:2379".to_owned()];
    Agent {
        reviewer: Reviewer::new(api(asked)),
        rates: Rates::default(),
        access: None,
        credentials: Credentials { endpoints, source: credentials::Source::Shared(None) },
        installation: watch::Sender::new(verdict).subscribe(),
        trust: watch::Sender::new(Arc::default()).subscribe(),
        prefix: KeyPrefix::default(),
        metrics: Metrics::register(&mut Registry::default()),
    }
}

async fn enrol(agent: &Agent, token: &str) -> Result<EnrolResponse, Status> {
    let mut request = Request::new(EnrolRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    agent_server::Agent::enrol(agent, request).await.map(Response::into_inner)
}

#[tokio::test]
async fn each_enrolment_asks_the_api_server_about_the_token_and_our_audience() {
    let asked = Asked::default();
    let agent = agent(&asked, Verdict::Ours(ClusterId::new(0x1f)));
    for _ in 0..2 {
        let answer = enrol(&agent, "shop/checkout").await.unwrap();
        assert_eq!((answer.etcd_endpoints.len(), &*answer.etcd_cluster_id), (1, "1f"));
    }
    let asked = asked.lock().unwrap();
    let specs: Vec<_> = asked.iter().map(|review| review["spec"].clone()).collect();
    let spec = json!({"audiences": ["cairn.dev"], "token": "shop/checkout"});
    assert_eq!(specs, [spec.clone(), spec], "no review is kept for the next request");
}

#[tokio::test]
async fn a_token_that_is_bound_to_no_pod_gets_nothing() {
    let agent = agent(&Asked::default(), Verdict::Open);
    let refused = enrol(&agent, "shop").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().starts_with("the token is not bound to a pod"), "{refused}");
    assert_eq!(enrol(&agent, "shop/checkout").await.unwrap().etcd_cluster_id, "");
}

#[tokio::test]
async fn a_namespace_that_asks_too_often_is_told_so_and_others_are_served() {
    let agent = agent(&Asked::default(), Verdict::Open);
    let mut answers = Vec::new();
    for _ in 0..2100 {
        answers.push(enrol(&agent, "noisy/pod").await);
    }
    let served = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((2000..2100).contains(&served), "{served}");
    let refused = answers.into_iter().find_map(Result::err).unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("namespace noisy asks for certificates too often"));
    assert!(enrol(&agent, "quiet/pod").await.is_ok());
}

#[tokio::test]
async fn an_installation_that_is_not_the_first_gives_nothing() {
    let agent = agent(&Asked::default(), Verdict::NotOurs("another one is first".to_owned()));
    let refused = enrol(&agent, "shop/checkout").await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::FailedPrecondition, "another one is first")
    );
}
