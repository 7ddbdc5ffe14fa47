//! Sixteen shards among up to three members.

use cairn_test_etcd::TestEtcd;
use rustix::process::Signal;

use super::{Member, sizes, until};

const SHARDS: [&str; 6] =
    ["--coordinate", "peers,leader,shards", "--shards", "16", "--participate", "start"];

#[tokio::test]
async fn members_share_shards_and_keep_them_over_drains_restarts_and_departures() {
    let etcd = TestEtcd::start().unwrap();
    let (mut a, mut b) = (Member::start(&etcd, &SHARDS), Member::start(&etcd, &SHARDS));
    until("two share", &[&a, &b], async || sizes(&[&a, &b]).await == [8, 8]).await;
    let by_http = a.shards().await;
    assert_eq!(a.lines(), by_http.keys().copied().collect::<Vec<_>>(), "files and HTTP agree");

    let c = Member::start(&etcd, &SHARDS);
    let shared = async || {
        let mut sizes = sizes(&[&a, &b, &c]).await;
        sizes.sort_unstable();
        sizes == [5, 5, 6]
    };
    until("three share", &[&a, &b, &c], shared).await;

    // A killed sidecar comes back with the same session, shards and fences.
    let before = b.shards().await;
    b.end(Signal::KILL);
    let left = b.lines();
    assert_eq!(left, before.keys().copied().collect::<Vec<_>>(), "the files stay, with deadlines");
    b.run();
    until("back with the same", &[&a, &c], async || b.shards().await == before).await;

    // A drain is done when everything is handed over.
    let draining = a.drain();
    let members = [&a, &b, &c];
    let confirming = until("drained", &members, async || {
        a.shards().await.is_empty() && sizes(&[&b, &c]).await.iter().sum::<usize>() == 16
    });
    let ((done, said), ()) = tokio::join!(draining, confirming);
    assert!(done, "{said}");
    assert_eq!(a.lines(), Vec::<u64>::new());
    let (status, answer) = a.ask("PUT", "/v1/self/state", "participant").await;
    assert_eq!(status, 503, "it has left: {answer}");
    assert!(a.drain().await.0, "a second drain has nothing to do");
    assert!(a.end(Signal::TERM).success());

    // What a member leaves behind goes to the others after the takeover delay.
    assert!(b.end(Signal::TERM).success());
    until("taken over", &[&c], async || sizes(&[&c]).await == [16]).await;
    let fences = c.shards().await;
    for (shard, fence) in before {
        assert!(fences[&shard] > fence, "shard {shard} has a new fence");
    }
}

#[tokio::test]
async fn an_app_that_asks_by_its_watch_participates() {
    let etcd = TestEtcd::start().unwrap();
    let member = Member::start(&etcd, &["--coordinate", "shards", "--shards", "4"]);
    until("a viewer", &[], async || member.json("/v1/shards").await.is_some()).await;
    assert_eq!(member.json("/v1/shards").await.unwrap()["state"], "viewer");
    let mut watch = super::members::Watch::open(&member, "/v1/shards?watch", "").await;
    let (kind, _, first) = watch.next().await;
    assert_eq!((kind.as_str(), &first["shards"]), ("snapshot", &serde_json::json!([])));
    until("owns all", &[], async || member.shards().await.len() == 4).await;
    loop {
        let (kind, _, change) = watch.next().await;
        assert_eq!(kind, "change");
        if change["shards"].as_array().unwrap().len() == 4 {
            break;
        }
    }
    let (status, _) = member.ask("PUT", "/v1/self/state", "viewer").await;
    assert_eq!(status, 409, "a participant can only drain");
}
