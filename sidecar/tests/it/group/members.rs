//! Members, their records, and watches that go on after a pause.

use cairn_test_etcd::TestEtcd;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{LONGEST_WAIT, Member, until};

/// Server-sent events.
pub(crate) struct Watch {
    stream: UnixStream,
    read: String,
}

impl Watch {
    pub(crate) async fn open(member: &Member, path: &str, last: &str) -> Self {
        let mut stream = member.stream().await.unwrap();
        let last =
            if last.is_empty() { String::new() } else { format!("Last-Event-ID: {last}\r\n") };
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self { stream, read: String::new() }
    }

    /// Kind, id and data of the next event.
    pub(crate) async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some(event) = self.taken() {
                return event;
            }
            let mut bytes = [0; 4096];
            let read = timeout(LONGEST_WAIT, self.stream.read(&mut bytes)).await.unwrap().unwrap();
            assert_ne!(read, 0, "the stream has ended: {}", self.read);
            self.read += std::str::from_utf8(&bytes[..read]).unwrap();
        }
    }

    fn taken(&mut self) -> Option<(String, String, Value)> {
        let begin = self.read.find("event: ")?;
        let end = begin + self.read[begin..].find("\n\n")?;
        let event = self.read[begin..end].to_owned();
        self.read.drain(..end);
        let field = |name: &str| {
            event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        Some((field("event: "), field("id: "), serde_json::from_str(&field("data: ")).unwrap()))
    }
}

#[tokio::test]
async fn members_see_each_other_and_what_has_changed_while_they_were_not_watching() {
    let etcd = TestEtcd::start().unwrap();
    let peers = ["--coordinate", "peers", "--endpoints", "http=8080", "--tags", "tier=hot"];
    let a = Member::start(&etcd, &peers);
    until("a member", &[], async || a.json("/v1/self").await.is_some()).await;
    let mut watch = Watch::open(&a, "/v1/peers?watch", "").await;
    let (kind, id, snapshot) = watch.next().await;
    assert_eq!((kind.as_str(), snapshot["peers"].as_array().unwrap().len()), ("snapshot", 1));
    drop(watch);

    let mut b = Member::start(&etcd, &["--coordinate", "peers"]);
    until("two", &[], async || {
        let peers = a.json("/v1/peers").await.unwrap();
        peers["peers"].as_array().unwrap().len() == 2
    })
    .await;
    let mut watch = Watch::open(&a, "/v1/peers?watch", &id).await;
    let (kind, _, change) = watch.next().await;
    assert_eq!(kind, "change", "{change}");
    assert_eq!(change["changed"].as_array().unwrap().len(), 1);
    let uid = change["changed"][0]["uid"].clone();
    b.end(rustix::process::Signal::TERM);
    let (kind, _, gone) = watch.next().await;
    assert_eq!((kind.as_str(), &gone["removed"][0]), ("change", &uid));
    // An id that means nothing gives everything.
    let (kind, ..) = Watch::open(&a, "/v1/peers?watch", "other-7").await.next().await;
    assert_eq!(kind, "snapshot");
}

#[tokio::test]
async fn a_member_changes_its_own_record_within_bounds() {
    let etcd = TestEtcd::start().unwrap();
    let a = Member::start(&etcd, &["--coordinate", "peers", "--endpoints", "http=8080"]);
    until("a member", &[], async || a.json("/v1/self").await.is_some()).await;
    for (method, path, body, expected, part) in [
        ("PUT", "/v1/self/endpoints/grpc", "9000", 200, "127.0.0.1:9000"),
        ("PUT", "/v1/self/endpoints/grpc", "8.8.8.8:1", 400, "not an address of this pod"),
        ("PUT", "/v1/self/endpoints/grpc", "0", 400, "write it like http=8080"),
        ("PUT", "/v1/self/tags/tier", "{\"value\":\"cold\"}", 200, "\"tier\":\"cold\""),
        ("DELETE", "/v1/self/endpoints/http", "", 200, "\"endpoints\":{\"grpc\""),
        // Written at most once a second: the answer says what is not written yet, too.
        ("PUT", "/v1/self/tags/zone", "b", 200, "\"tags\":{\"tier\":\"cold\",\"zone\""),
        ("PUT", "/v1/self/state", "busy", 400, "write viewer, participant or draining"),
        ("PUT", "/v1/self/state", "participant", 404, "does not coordinate leader or shards"),
        ("POST", "/v1/heartbeat", "", 404, "set it, like 15s"),
        ("GET", "/v1/shards", "", 404, "does not coordinate shards"),
        ("GET", "/v1/owner", "", 400, "there is no key"),
        ("GET", "/v1/owner?key=a&algo=ring", "", 503, "fewer than 1"),
        ("GET", "/v1/owner?key=a&algo=modulo", "", 400, "write map, ring, rendezvous"),
        ("POST", "/v1/stopped", "[]", 400, "is not a list of stop ids"),
        ("GET", "/v1/peers?state=busy", "", 400, "write viewer"),
        ("DELETE", "/v1/peers", "", 405, ""),
    ] {
        let (status, answer) = a.ask(method, path, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        assert!(answer.contains(part), "{method} {path}: {answer}");
    }
    let written = async || {
        let own = a.json("/v1/self").await.unwrap();
        own["tags"]["tier"] == "cold" && own["endpoints"]["grpc"] == "127.0.0.1:9000"
    };
    until("written", &[], written).await;
    let filtered = a.json("/v1/peers?tag=tier=cold&endpoint=grpc&state=viewer").await.unwrap();
    assert_eq!(filtered["peers"].as_array().unwrap().len(), 1);
    let filtered = a.json("/v1/peers?tag=tier=hot").await.unwrap();
    assert_eq!(filtered["peers"].as_array().unwrap().len(), 0);
    let file: Value = serde_json::from_str(&a.dir.read("peers.json").unwrap()).unwrap();
    assert_eq!(file["peers"][0]["tags"]["tier"], "cold");
}
