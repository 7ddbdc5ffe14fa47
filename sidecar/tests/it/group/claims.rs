//! A member that also claims a name.

use std::net::TcpListener;

use cairn_test_etcd::TestEtcd;
use rustix::process::Signal;
use tokio::net::TcpStream;

use super::{Member, until};
use crate::harness::get;

#[tokio::test]
async fn a_claimed_name_is_in_the_record_and_both_are_given_back() {
    let etcd = TestEtcd::start().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let admin = format!("127.0.0.1:{port}");
    let flags = ["--coordinate", "peers,leader", "--participate", "start", "--admin", &admin];
    let claims = ["--pool", "mountains", "--new-store"];
    let mut a = Member::start(&etcd, &flags.into_iter().chain(claims).collect::<Vec<_>>());
    let named = async || {
        let own = a.json("/v1/self").await;
        own.is_some_and(|own| own["claims"][0]["name"] == "Denali" && own["identity"] == "Denali")
    };
    until("named", &[], named).await;
    until("ready", &[], async || a.ask("GET", "/v1/probe", "").await.0 == 200).await;
    assert_eq!(a.dir.read("name").as_deref(), Some("Denali"));
    let leads = async || a.json("/v1/leader").await.unwrap()["me"] == true;
    until("leads", &[], leads).await;
    let metrics = get(TcpStream::connect(("127.0.0.1", port)).await.unwrap(), "/metrics").await.1;
    for line in ["cairn_sidecar_session_members 1", "cairn_sidecar_session_leads 1"] {
        assert!(metrics.contains(line), "{metrics}");
    }

    let b = Member::start(&etcd, &["--coordinate", "peers"]);
    let peers = async || {
        let peers = b.json("/v1/peers").await;
        peers.map_or(0, |peers| peers["peers"].as_array().unwrap().len())
    };
    until("two", &[], async || peers().await == 2).await;
    assert!(a.end(Signal::TERM).success());
    until("one has left", &[], async || peers().await == 1).await;
    assert_eq!(a.dir.read("name"), None);
    assert_eq!(a.dir.read("leader.json"), None);
}
