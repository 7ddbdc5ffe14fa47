//! The real binary with its real driver, and no etcd.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Dir, binary};

fn start(dir: &Dir, more: &[&str]) -> Child {
    let mut command = binary();
    command
        .args(["--etcd", "http://127.0.0.1:1", "--pool", "mountains", "--log-format", "json"])
        .args(more)
        .arg("--dir")
        .arg(dir.published())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the time that a real process takes is the matter")]
fn without_etcd_the_probe_reports_it_and_sigterm_ends_the_sidecar_within_a_second() {
    let dir = Dir::new();
    let mut sidecar =
        start(&dir, &["--in-pod", "--instance", "u", "--api", "off", "--admin", "off"]);
    let mut probe = binary();
    let probed =
        probe.args(["probe", "--wait", "2s", "--dir"]).arg(dir.published()).output().unwrap();
    let asked = Instant::now();
    kill_process(Pid::from_child(&sidecar), Signal::TERM).unwrap();
    sidecar.wait().unwrap();
    let took = asked.elapsed();
    let text = String::from_utf8(probed.stdout).unwrap();
    assert_eq!(probed.status.code(), Some(1), "{text}");
    assert!(text.starts_with("pool mountains: waiting: "), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(took < Duration::from_millis(1200), "it took {took:?}");
}

#[test]
fn json_logs_show_the_configuration_once() {
    let dir = Dir::new();
    let mut sidecar = start(&dir, &[]);
    let mut first = String::new();
    BufReader::new(sidecar.stderr.take().unwrap()).read_line(&mut first).unwrap();
    kill_process(Pid::from_child(&sidecar), Signal::TERM).unwrap();
    sidecar.wait().unwrap();
    let line: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(
        (line["message"].as_str(), line["namespace"].as_str()),
        (Some("started"), Some("default"))
    );
}
