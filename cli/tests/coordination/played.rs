//! Groups that are written into etcd by hand, and a sidecar that answers what it is asked and remembers it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use cairn_core::coordination::path::HOLD;
use cairn_store::{Kv as _, Op, Txn};
use serde_json::{Value, json};

use crate::fixture::{Fixture, LONG};

/// A group in etcd; the epoch is 5.
pub(crate) struct Group<'f> {
    fixture: &'f Fixture,
    prefix: String,
    shards: u32,
}

// === impl Group ===

impl<'f> Group<'f> {
    /// A group with a map.
    pub(crate) fn new(fixture: &'f Fixture, namespace: &str, group: &str, shards: u32) -> Self {
        let prefix = format!("/cairn/v1/ns/{namespace}/g/{group}/");
        let group = Self { fixture, prefix, shards };
        group.put("c", &group.map());
        group
    }

    /// A member; its session's create revision.
    pub(crate) fn join(&self, uid: &str, state: &str) -> i64 {
        let record = json!({
            "pod": format!("pod-{uid}"), "node": "node-1", "generation": "7", "admitted": 0,
            "claims": [{"pool": "mountains", "name": "Denali"}], "state": state, "weight": 100,
            "roles": ["shards", "leader"], "map": self.map(), "validity_ms": 10_000,
            "endpoints": {"http": "10.0.0.7:8080"}, "nonce": "n", "plan": 1,
        });
        self.put(&format!("m/{uid}"), &record)
    }

    /// A grant of `s/…` or `l`; its mod revision.
    pub(crate) fn grant(&self, key: &str, uid: &str, session: i64) -> i64 {
        let session = json!({"epoch": 5, "revision": session});
        self.put(key, &json!({"uid": uid, "session": session, "validity_ms": 10_000}))
    }

    /// A hold that has begun.
    pub(crate) fn hold(&self) {
        let (lease, _) = self.fixture.runtime.block_on(self.kv().grant(LONG)).unwrap();
        self.commit(Op::put(HOLD, b"{}".to_vec(), lease));
    }

    fn map(&self) -> Value {
        json!({"shards": self.shards, "hash": "xxh64"})
    }

    fn put(&self, key: &str, value: &Value) -> i64 {
        let key = format!("{}{key}", self.prefix);
        self.commit(Op::put(key, value.to_string().into_bytes(), 0))
    }

    fn commit(&self, op: Op) -> i64 {
        let txn = Txn { then: vec![op], ..Txn::default() };
        self.fixture.runtime.block_on(self.kv().txn(txn)).unwrap().revision
    }

    fn kv(&self) -> &cairn_store::etcd::Etcd {
        self.fixture.store.kv()
    }
}

/// What a sidecar was asked: method and path, and the body.
type Asked = (String, Value);

/// A sidecar that says yes to everything.
pub(crate) struct Sidecar {
    /// `HOST:PORT`
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

// === impl Sidecar ===

impl Sidecar {
    /// The sidecar of the pod with this UID. Its thread ends with the process.
    pub(crate) fn of(uid: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let own = json!({"uid": uid, "pod": format!("pod-{uid}")}).to_string();
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &own, &heard);
            }
        });
        Self { address, asked }
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, own: &str, heard: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_ascii_lowercase());
    }
    assert!(lines.contains(&"host: localhost".to_owned()), "{lines:?}");
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let (method, rest) = lines[0].split_once(' ').unwrap();
    let path = rest.split(' ').next().unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    heard.lock().unwrap().push((format!("{} {path}", method.to_ascii_uppercase()), body));
    let status = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    write!(stream, "{status}content-length: {}\r\n\r\n{own}", own.len()).unwrap();
}
