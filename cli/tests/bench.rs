//! `cairn bench herd` on a real etcd: what it prints, and that it leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cairn_core::pool::Pool;
use cairn_store::etcd::{Change, Etcd};
use cairn_store::{Kv, Store};
use cairn_test_etcd::TestEtcd;
use tokio::runtime::{Builder, Runtime};

/// Much longer than a slow machine needs.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

struct Fixture {
    process: TestEtcd,
    runtime: Runtime,
    etcd: Etcd,
}

#[test]
fn a_herd_gets_the_lowest_names_in_order_at_three_writes_each() {
    let fixture = Fixture::new();
    let before = fixture.keys();
    let rows = rows(&fixture.herd(&["--pods", "40", "--pool-size", "50"]));
    assert_eq!(rows[0][..3], ["PODS", "NAMES", "HELD"]);
    assert_eq!(rows[1][..3], ["40", "50", "40"]);
    assert_eq!(rows[1][7..], ["yes", "yes"]);
    let writes: f64 = rows[1][6].parse().unwrap();
    assert!((2.0..=3.2).contains(&writes), "{writes}");
    assert_eq!(fixture.keys(), before);
}

#[test]
fn with_fewer_names_than_pods_each_pod_gets_a_name_in_turn() {
    let fixture = Fixture::new();
    let before = fixture.keys();
    let rows = rows(&fixture.herd(&["--pods", "30", "--pool-size", "10"]));
    assert_eq!(rows[1][..3], ["30", "10", "30"]);
    assert_eq!(fixture.keys(), before);
}

#[test]
fn an_interrupted_herd_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let before = fixture.keys();
    // One name for 2000 pods takes longer than the signal.
    let mut command = fixture.command(&["--pods", "2000", "--pool-size", "1"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    fixture.runtime.block_on(async {
        let mut watcher = fixture.etcd.watch("/cairn-bench/", 1).await.unwrap();
        let waiting = async {
            loop {
                let changes = watcher.next().await.unwrap();
                if changes
                    .iter()
                    .any(|change| matches!(change, Change::Put(key) if key.key.contains("/q/")))
                {
                    break;
                }
            }
        };
        tokio::time::timeout(LONGEST_WAIT, waiting).await.unwrap();
    });
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "cairn: interrupted\n");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    assert_eq!(fixture.keys(), before);
}

// === impl Fixture ===

impl Fixture {
    /// An etcd with an installation's keys in it.
    fn new() -> Self {
        let process = TestEtcd::start().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let endpoints = [process.url().to_owned()];
        let etcd = runtime.block_on(async {
            let etcd =
                Etcd::connect(&endpoints, None, Etcd::DEFAULT_REQUEST_TIMEOUT).await.unwrap();
            let store = Store::new(
                Etcd::connect(&endpoints, None, Etcd::DEFAULT_REQUEST_TIMEOUT).await.unwrap(),
            );
            let pool = Pool::builtin(&"mountains".parse().unwrap()).unwrap();
            store.define(&pool, 5, None).await.unwrap();
            etcd
        });
        Self { process, runtime, etcd }
    }

    /// Every key there is, with its revisions.
    fn keys(&self) -> Vec<(String, i64)> {
        let found = self.runtime.block_on(self.etcd.read_all("/")).unwrap();
        found.into_iter().map(|key| (key.key, key.mod_revision)).collect()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
        command.env("CAIRN_ETCD", self.process.url()).args(["bench", "herd"]).args(args);
        command
    }

    fn herd(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

fn rows(output: &Output) -> Vec<Vec<String>> {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}
