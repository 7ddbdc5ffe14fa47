//! Groups of the app of `e2e/app`: their manifests, and who serves what by their journals.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json as object;

use crate::Failure;
use crate::app::App;
use crate::clock::Moment;
use crate::cluster::TEST_APP;
use crate::kept_logs::{KeptLogs, Origin};
use crate::ns::Namespace;
use crate::served::{self, Fence, Journal, Span};
use crate::wait::{Seen, secs, until_quickly};

/// The port at which the app says whether it serves a shard.
pub const PORT: u16 = 8080;

/// What each pod serves, by its name.
pub type Shares = BTreeMap<String, BTreeMap<u32, Fence>>;

/// The journals of all groups of a namespace.
#[derive(Debug)]
pub struct Sharded {
    logs: KeptLogs,
    shards: usize,
}

/// A Deployment that serves so many shards.
pub fn app(name: &str, replicas: u32, shards: usize, validity: &str) -> App {
    App::named(name)
        .annotation("cairn.dev/coordinate", "peers,shards")
        .annotation("cairn.dev/shards", &shards.to_string())
        .annotation("cairn.dev/validity", validity)
        .annotation("cairn.dev/min-participants", &replicas.to_string())
        .replicas(replicas)
        .with("image", object!(TEST_APP))
        .with("command", object!(["/bin/cairn-test-app"]))
}

// === impl Sharded ===

impl Sharded {
    /// Keeps the journals of these containers from now on.
    pub fn follow(ns: &Namespace, container: &str, shards: usize) -> Self {
        Self { logs: KeptLogs::follow(ns, container), shards }
    }

    /// All lines that apps have printed so far.
    pub fn lines(&self) -> Result<Vec<(Origin, Vec<String>)>, Failure> {
        self.logs.read()
    }

    /// All journals so far.
    pub fn journals(&self) -> Result<Vec<(Origin, Journal)>, Failure> {
        let read = self.lines()?;
        Ok(read.into_iter().map(|(by, lines)| (by.clone(), served::parse(&by, &lines))).collect())
    }

    /// All spans so far.
    pub fn spans(&self) -> Result<Vec<Span>, Failure> {
        Ok(self.journals()?.into_iter().flat_map(|(_, journal)| journal.spans).collect())
    }

    /// What each pod serves now.
    pub fn shares(&self) -> Result<Shares, Failure> {
        let now = Moment::now().nanos();
        let mut shares = Shares::new();
        for span in self.spans()?.into_iter().filter(|span| span.is_open() && now < span.until) {
            shares.entry(span.by.pod).or_default().insert(span.shard, span.fence);
        }
        Ok(shares)
    }

    /// Waits until every shard is served by one of so many pods, which have equal shares.
    pub fn settled(&self, pods: usize, within: Duration) -> Result<Shares, Failure> {
        let (least, most) = (self.shards / pods, self.shards.div_ceil(pods));
        until_quickly(&format!("{pods} pods share {} shards", self.shards), within, || {
            let shares = self.shares()?;
            let equal = shares.values().all(|share| (least..=most).contains(&share.len()));
            Ok(if shares.len() == pods && equal && self.are_all(&shares) {
                Seen::Yes(shares)
            } else {
                let counts = shares.iter().map(|(pod, share)| (pod, share.len()));
                Seen::NotYet(format!("{:?}", counts.collect::<Vec<_>>()))
            })
        })
    }

    /// Waits until each of these shards is served by another pod than this one, and returns their spans.
    pub fn served_elsewhere(
        &self,
        pod: &str,
        shards: &BTreeSet<u32>,
        within: Duration,
    ) -> Result<Vec<Span>, Failure> {
        self.served_if(|by| by != pod, shards, within)
    }

    /// Waits until each of these shards is served by one of these pods, and returns their spans.
    pub fn served_by(
        &self,
        pods: &BTreeSet<String>,
        shards: &BTreeSet<u32>,
        within: Duration,
    ) -> Result<Vec<Span>, Failure> {
        self.served_if(|by| pods.contains(by), shards, within)
    }

    fn served_if(
        &self,
        by: impl Fn(&str) -> bool,
        shards: &BTreeSet<u32>,
        within: Duration,
    ) -> Result<Vec<Span>, Failure> {
        until_quickly("others serve these shards", within, || {
            let spans = self.spans()?.into_iter();
            let others = spans.filter(|span| span.is_open() && by(&span.by.pod));
            let taken: Vec<Span> = others.filter(|span| shards.contains(&span.shard)).collect();
            Ok(if taken.len() == shards.len() {
                Seen::Yes(taken)
            } else {
                Seen::NotYet(format!("{} of {}", taken.len(), shards.len()))
            })
        })
    }

    /// Waits until everything that is served has been served for so long.
    pub fn served_for(&self, span: Duration) -> Result<(), Failure> {
        until_quickly(&format!("all is served for {span:?}"), span + secs(30), || {
            let spans = self.spans()?.into_iter().filter(Span::is_open);
            let youngest = spans.map(|span| span.from).max().unwrap_or(u64::MAX);
            let age = served::between(youngest, Moment::now().nanos());
            Ok(if age > span { Seen::Yes(()) } else { Seen::NotYet(format!("for {age:?}")) })
        })
    }

    /// Fails when the journals show what must never be. Returns all spans.
    pub fn judged(&self) -> Result<Vec<Span>, Failure> {
        let spans = self.spans()?;
        let faults = served::faults(&spans);
        if faults.is_empty() { Ok(spans) } else { Err(Failure::new(faults.join("; "))) }
    }

    /// Whether every shard is served once.
    fn are_all(&self, shares: &Shares) -> bool {
        let all: Vec<u32> = shares.values().flat_map(BTreeMap::keys).copied().collect();
        let different: BTreeSet<u32> = all.iter().copied().collect();
        all.len() == self.shards && different.len() == self.shards
    }
}
