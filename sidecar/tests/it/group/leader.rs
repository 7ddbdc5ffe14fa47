//! The leader, its value, and lookups.

use cairn_test_etcd::TestEtcd;
use rustix::process::Signal;

use super::{Member, until};

async fn leads(member: &Member) -> bool {
    member.json("/v1/leader").await.is_some_and(|leader| leader["me"] == true)
}

async fn fence(member: &Member) -> i64 {
    member.json("/v1/leader").await.unwrap()["fence"]["revision"].as_i64().unwrap()
}

#[tokio::test]
async fn a_leader_puts_its_value_resigns_and_is_followed_by_another() {
    let etcd = TestEtcd::start().unwrap();
    let flags = ["--coordinate", "leader", "--participate", "start"];
    let (a, b) = (Member::start(&etcd, &flags), Member::start(&etcd, &flags));
    until("one leads", &[], async || leads(&a).await != leads(&b).await).await;
    let (mut first, second) = if leads(&a).await { (a, b) } else { (b, a) };
    let before = fence(&first).await;
    let file = first.dir.read("leader.json").unwrap();
    assert!(file.contains("\"me\":true"), "{file}");

    let (status, answer) = second.ask("PUT", "/v1/leader/value", "x").await;
    assert_eq!(status, 409, "{answer}");
    let none = "If-None-Match: *\r\n";
    let (status, answer) = first.ask_with("PUT", "/v1/leader/value", none, "config 1").await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = first.ask_with("PUT", "/v1/leader/value", none, "config 2").await;
    assert_eq!(status, 412, "{answer}");
    let seen = async || second.ask("GET", "/v1/leader/value", "").await == (200, "config 1".into());
    until("the value is everywhere", &[], seen).await;

    let (status, answer) = second.ask("POST", "/v1/leader/resign", "").await;
    assert_eq!(status, 409, "{answer}");
    let (status, answer) = first.ask("POST", "/v1/leader/resign", "").await;
    assert_eq!(status, 200, "{answer}");
    let resigned: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let body = serde_json::json!({ "stops": [resigned["stop"]] }).to_string();
    assert_eq!(first.ask("POST", "/v1/stopped", &body).await.0, 204);
    assert!(!leads(&first).await);
    until("the other leads", &[], async || leads(&second).await).await;
    assert!(fence(&second).await > before);

    first.end(Signal::TERM);
    assert!(leads(&second).await);
}

#[tokio::test]
async fn every_member_names_the_same_owner_of_a_key() {
    let etcd = TestEtcd::start().unwrap();
    let flags = ["--coordinate", "shards", "--shards", "16", "--participate", "start"];
    let (a, b) = (Member::start(&etcd, &flags), Member::start(&etcd, &flags));
    until("shared", &[&a, &b], async || super::sizes(&[&a, &b]).await == [8, 8]).await;
    for key in ["order-17", "a%2Fb", "%ff"] {
        let path = format!("/v1/owner?key={key}");
        let owner = async |member: &Member| {
            let found = member.json(&path).await?;
            Some((found["owners"][0]["uid"].clone(), found["shard"].clone()))
        };
        until("agreed", &[&a, &b], async || {
            let of_a = owner(&a).await;
            of_a.is_some() && of_a == owner(&b).await
        })
        .await;
        for algorithm in ["ring", "rendezvous", "multiprobe"] {
            let path = format!("/v1/owner?key={key}&algo={algorithm}&n=2");
            let found = a.json(&path).await.unwrap();
            assert_eq!(found["owners"].as_array().unwrap().len(), 2);
            assert_eq!(found["agreed"], false);
        }
    }
    assert_eq!(a.ask("GET", "/v1/owner?key=a&n=2", "").await.0, 400, "a shard has one owner");
    assert_eq!(a.ask("GET", "/v1/owner?key=a&n=3&algo=ring", "").await.0, 503);
}
