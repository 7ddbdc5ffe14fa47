//! Groups of real sidecars on a real etcd: members share shards, lead, look keys up, and come and go.

use std::collections::BTreeMap;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use cairn_test_etcd::TestEtcd;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use crate::harness::{Dir, binary, send};

mod claims;
mod heartbeat;
mod leader;
mod members;
mod rpc;
mod shards;

/// The first hold, the first map and a hand-over take some seconds each, on a machine that is busy with others.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// One member: its process, and its directory, which outlives it.
pub(crate) struct Member {
    dir: Dir,
    process: Option<Child>,
    flags: Vec<String>,
}

impl Member {
    /// A member of group `g` with the shortest validity.
    pub(crate) fn start(etcd: &TestEtcd, more: &[&str]) -> Self {
        let base = ["--etcd", etcd.url(), "--group", "g", "--validity", "3s"];
        let flags = base.iter().chain(more).map(|flag| (*flag).to_owned()).collect();
        let mut member = Self { dir: Dir::new(), process: None, flags };
        member.run();
        member
    }

    /// Starts its process.
    pub(crate) fn run(&mut self) {
        let mut command = binary();
        command.args(&self.flags).arg("--dir").arg(self.dir.published());
        self.process = Some(command.stderr(Stdio::null()).spawn().unwrap());
    }

    /// Ends its process with a signal, and waits for the end.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        kill_process(Pid::from_child(&process), signal).unwrap();
        process.wait().unwrap()
    }

    pub(crate) async fn stream(&self) -> Option<UnixStream> {
        UnixStream::connect(self.dir.published().join("cairn.sock")).await.ok()
    }

    /// Sends a request; status 0 while nobody listens.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.ask_with(method, path, "", body).await
    }

    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (u16, String) {
        match self.stream().await {
            Some(stream) => send(stream, (method, path), headers, body).await,
            None => (0, String::new()),
        }
    }

    /// The JSON of a GET, once it is answered well.
    pub(crate) async fn json(&self, path: &str) -> Option<Value> {
        let (status, body) = self.ask("GET", path, "").await;
        (status == 200).then(|| serde_json::from_str(&body).unwrap())
    }

    /// Own shards with their fences, as HTTP says.
    pub(crate) async fn shards(&self) -> BTreeMap<u64, i64> {
        let Some(shards) = self.json("/v1/shards").await else { return BTreeMap::new() };
        let fences = shards["fences"].as_object().unwrap().iter();
        fences.map(|(shard, fence)| (shard.parse().unwrap(), fence.as_i64().unwrap())).collect()
    }

    /// Own shards, as `shards.txt` says.
    pub(crate) fn lines(&self) -> Vec<u64> {
        let text = self.dir.read("shards.txt").unwrap_or_default();
        text.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
    }

    /// Confirms whatever has to stop.
    pub(crate) async fn confirm(&self) {
        let Some(shards) = self.json("/v1/shards").await else { return };
        let stops = shards["stopping"].as_array().unwrap().iter();
        let stops: Vec<_> = stops.map(|stopping| &stopping["stop"]).collect();
        if !stops.is_empty() {
            let body = serde_json::json!({ "stops": stops }).to_string();
            self.ask("POST", "/v1/stopped", &body).await;
        }
    }

    /// Runs `cairn-sidecar drain`; returns whether it succeeded and what it printed.
    pub(crate) async fn drain(&self) -> (bool, String) {
        let mut command = binary();
        command.args(["drain", "--dir"]).arg(self.dir.published()).stdout(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Waits for a condition, and confirms stops meanwhile, as good apps do.
pub(crate) async fn until(what: &str, members: &[&Member], condition: impl AsyncFn() -> bool) {
    let end = Instant::now() + LONGEST_WAIT;
    while !condition().await {
        for member in members {
            member.confirm().await;
        }
        assert!(Instant::now() < end, "never: {what}; {}", situation(members).await);
        sleep(PAUSE).await;
    }
}

async fn situation(members: &[&Member]) -> String {
    let mut shown = Vec::new();
    for member in members {
        shown.push(member.ask("GET", "/v1/shards", "").await.1);
    }
    shown.join("; ")
}

/// How many shards each member serves, when no two serve one; panics when two do.
pub(crate) async fn sizes(members: &[&Member]) -> Vec<usize> {
    let mut owners = BTreeMap::new();
    let mut sizes = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let shards = member.shards().await;
        sizes.push(shards.len());
        for (shard, fence) in shards {
            if let Some((other, former)) = owners.insert(shard, (index, fence)) {
                // Between the two answers it may have been handed over: then the fence has grown.
                assert!(former < fence, "shard {shard} is served by {other} and {index}");
            }
        }
    }
    sizes
}
