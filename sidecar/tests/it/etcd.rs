//! The real binary on a real etcd: empty, replaced, or shared.

use std::fs;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use cairn_test_etcd::TestEtcd;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Dir, binary};

/// A binary on a busy machine needs some seconds to start.
const ROUNDS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

struct Sidecar {
    process: Child,
}

impl Sidecar {
    fn start(etcd: &TestEtcd, dir: &Dir, more: &[&str]) -> Self {
        let mut command = binary();
        command.args(["--etcd", etcd.url(), "--pool", "mountains"]).args(more);
        let process = command.arg("--dir").arg(dir.published()).stderr(Stdio::null()).spawn();
        Self { process: process.unwrap() }
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until the probe prints this and returns its output.
fn until_probe_says(dir: &Dir, part: &str) -> String {
    let mut said = String::new();
    for _ in 0..ROUNDS {
        let mut probe = binary();
        let output =
            probe.args(["probe", "--wait", "100ms", "--dir"]).arg(dir.published()).output();
        said = String::from_utf8(output.unwrap().stdout).unwrap();
        if said.contains(part) {
            return said;
        }
        sleep(PAUSE);
    }
    panic!("the probe says {said:?} and not {part:?}")
}

fn until_named(dir: &Dir) -> String {
    for _ in 0..ROUNDS {
        if let Ok(name) = fs::read_to_string(dir.published().join("name")) {
            return name;
        }
        sleep(PAUSE);
    }
    panic!("there is no name")
}

#[test]
fn an_empty_etcd_may_have_been_wiped_unless_the_user_says_that_it_is_new() {
    let etcd = TestEtcd::start().unwrap();
    let dir = Dir::new();
    let waiting = Sidecar::start(&etcd, &dir, &[]);
    let reason = until_probe_says(&dir, "this ends in ");
    assert!(reason.contains("start with --new-store instead"), "{reason}");
    waiting.stop();
    // The pool is frozen now, and the flag lifts this freeze.
    let claiming = Sidecar::start(&etcd, &dir, &["--new-store"]);
    assert_eq!(until_named(&dir), "Denali");
    claiming.stop();
}

#[test]
fn a_restarted_sidecar_accepts_only_the_cluster_of_its_earlier_process() {
    let [former, other] = [TestEtcd::start().unwrap(), TestEtcd::start().unwrap()];
    let dir = Dir::new();
    let sidecar = Sidecar::start(&former, &dir, &["--new-store"]);
    until_named(&dir);
    sidecar.stop();
    let id = fs::read_to_string(dir.published().join(".etcd-cluster")).unwrap();
    let mistaken = Sidecar::start(&other, &dir, &["--new-store"]);
    let reason = until_probe_says(&dir, "belongs to etcd cluster");
    assert!(reason.contains(&format!("not to {id}, which answered before")), "{reason}");
    assert!(reason.contains(&format!("cairn admin restored --replaces {id}")), "{reason}");
    mistaken.stop();
}

#[test]
fn sidecars_below_two_prefixes_of_one_etcd_are_independent() {
    let etcd = TestEtcd::start().unwrap();
    let dirs = [Dir::new(), Dir::new(), Dir::new()];
    let prefixes = ["/red/", "/blue/", "/blue/"];
    let start = |(dir, prefix)| {
        let running = Sidecar::start(&etcd, dir, &["--new-store", "--etcd-prefix", prefix]);
        (running, until_named(dir))
    };
    let sidecars: Vec<_> = dirs.iter().zip(prefixes).map(start).collect();
    let names: Vec<&str> = sidecars.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!((names[0], names[1]), ("Denali", "Denali"));
    assert_ne!(names[1], names[2]);
    for (running, _) in sidecars {
        running.stop();
    }
}

#[test]
fn a_sidecar_on_another_cluster_than_the_required_one_reports_it_and_ends() {
    let etcd = TestEtcd::start().unwrap();
    let (dir, mut command) = (Dir::new(), binary());
    let flags = ["--pool", "mountains", "--new-store", "--etcd-cluster-id", "abc", "--etcd"];
    let output = command.args(flags).arg(etcd.url()).arg("--dir").arg(dir.published());
    let output = output.stderr(Stdio::piped()).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("not to abc, which --etcd-cluster-id or Cairn's webhook names"), "{log}");
    assert!(!log.contains("is etcd running"), "{log}");
    assert_eq!(output.status.code(), Some(1), "{log}");
}
