use std::collections::BTreeMap;

use axum::extract::Query;
use axum::routing::get;
use axum::{Json, Router};
use kube::{Config, ResourceExt};
use serde_json::json;
use tokio::net::TcpListener;

use super::super::finding::Level;
use super::*;

#[test]
fn a_replica_that_is_not_ready_is_a_warning_and_none_is_a_problem() {
    let level = |ready, all| running("cairn-system", ready, all).level;
    assert_eq!((level(2, 2), level(1, 2)), (Level::Fine, Level::Warning));
    assert_eq!((level(0, 2), level(0, 0)), (Level::Problem, Level::Problem));
}

#[tokio::test]
async fn every_page_of_a_list_is_read() {
    let page = async |Query(wanted): Query<BTreeMap<String, String>>| {
        let (name, token) = match wanted.get("continue").map(String::as_str) {
            None => ("a", "second"),
            Some("second") => ("b", "third"),
            Some(_) => ("c", ""),
        };
        Json(json!({
            "apiVersion": "v1", "kind": "PodList", "metadata": {"continue": token},
            "items": [{"metadata": {"name": name}}],
        }))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = axum::serve(listener, Router::new().route("/api/v1/pods", get(page)));
    tokio::spawn(served.into_future());
    let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
    let pods: Vec<Pod> = list(&client, "pods").await.unwrap();
    assert_eq!(pods.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["a", "b", "c"]);
}
