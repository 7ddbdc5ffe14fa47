//! `cairn-sidecar run` with real programs, on a real etcd.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use cairn_core::pool::Pool;
use cairn_store::Store;
use cairn_store::etcd::{Connection, Etcd};
use cairn_test_etcd::TestEtcd;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};

use crate::harness::{Dir, binary};

const ROUNDS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);
/// Says its number and when it lives, and ignores SIGTERM.
const STUBBORN: &str = "trap '' TERM; echo $$ > process; \
    while :; do cut -d' ' -f1 /proc/uptime >> lives; sleep 0.02; done";

/// A pool of IDs whose holders stop after a loss.
fn wells() -> Pool {
    let spec = json!({
        "names": {"range": {"from": 7, "to": 9}}, "scope": "Cluster", "onLoss": "Stop",
        "validity": "4s", "quarantine": "4s",
    });
    Pool::new("wells".parse().unwrap(), serde_json::from_value(spec).unwrap()).unwrap()
}

struct Site {
    etcd: TestEtcd,
    dir: Dir,
}

impl Site {
    fn new() -> Self {
        let etcd = TestEtcd::start().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connection = Connection::new(&[etcd.url().to_owned()]);
            let store = Store::new(Arc::new(Etcd::open(&connection).await.unwrap()));
            store.define(&wells(), 1, None).await.unwrap();
        });
        Self { etcd, dir: Dir::new() }
    }

    fn start(&self, flags: &[&str], program: &[&str]) -> Child {
        let mut command = binary();
        command.args(["run", "--etcd", self.etcd.url(), "--pool", "wells", "--dir"]);
        command.arg(self.dir.published()).args(flags).arg("--").args(program);
        command.current_dir(self.dir.path()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits for a file that the program writes, and returns its first line.
    fn wait_for(&self, name: &str) -> String {
        for _ in 0..ROUNDS {
            if let Some(line) =
                fs::read_to_string(self.path(name)).ok().filter(|it| it.contains('\n'))
            {
                return line.lines().next().unwrap().to_owned();
            }
            sleep(PAUSE);
        }
        panic!("the program does not write {name}")
    }

    fn lives(&self) -> Vec<f64> {
        let text = fs::read_to_string(self.path("lives")).unwrap();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    fn process(&self) -> Pid {
        Pid::from_raw(self.wait_for("process").parse().unwrap()).unwrap()
    }

    fn deadline(&self) -> Option<f64> {
        let text = self.dir.read("claim.json")?;
        let claim: Value = serde_json::from_str(&text).ok()?;
        let nanos = claim["valid_until_boottime_ns"].as_u64()?;
        Some(Duration::from_nanos(nanos).as_secs_f64())
    }
}

fn signal(process: &Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
}

fn said(ended: Child) -> (Option<i32>, String) {
    let output = ended.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_program_has_the_variables_of_its_claims_and_its_exit_code_is_passed_on() {
    let site = Site::new();
    let script = "echo $CAIRN_NAME $CAIRN_WELLS_NAME $CAIRN_FENCE > out; exit 7";
    let (code, said) = said(site.start(&[], &["/bin/sh", "-c", script]));
    assert_eq!(code, Some(7), "{said}");
    let out = site.wait_for("out");
    assert!(out.starts_with("7 7 1-"), "{out}");
    assert_eq!(site.dir.read("name"), None, "the claim is released");
}

#[test]
fn a_program_that_a_signal_ends_has_the_code_that_a_shell_reports() {
    let site = Site::new();
    let (code, said) = said(site.start(&[], &["/bin/sh", "-c", "kill -9 $$"]));
    assert_eq!(code, Some(128 + 9), "{said}");
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let site = Site::new();
    let (code, said) = said(site.start(&[], &["/no/such/program"]));
    assert_eq!(code, Some(127));
    assert!(
        said.contains("cairn-sidecar: cannot start '/no/such/program': No such file"),
        "{said}"
    );
}

#[test]
fn at_a_shutdown_the_program_ends_before_its_claim() {
    let site = Site::new();
    let script = "trap 'sleep 0.5; cat run/name > at-the-end; echo >> at-the-end; exit 5' TERM; \
        echo > started; while :; do sleep 0.02; done";
    let running = site.start(&[], &["/bin/sh", "-c", script]);
    site.wait_for("started");
    signal(&running, Signal::TERM);
    let (code, said) = said(running);
    assert_eq!(code, Some(5), "{said}");
    assert_eq!(site.wait_for("at-the-end"), "7");
    assert_eq!(site.dir.read("name"), None);
}

#[test]
fn a_second_signal_ends_a_program_that_ignores_the_first() {
    let site = Site::new();
    let running = site.start(&[], &["/bin/sh", "-c", STUBBORN]);
    let program = site.process();
    signal(&running, Signal::TERM);
    // The claim is renewed until the program has ended.
    let before = site.deadline();
    for _ in 0..ROUNDS {
        if site.deadline() > before {
            break;
        }
        sleep(PAUSE);
    }
    assert!(site.deadline() > before);
    test_kill_process(program).unwrap();
    signal(&running, Signal::TERM);
    let (code, said) = said(running);
    assert_eq!(code, Some(128 + 9), "{said}");
}

#[test]
fn a_program_that_ignores_sigterm_is_dead_before_the_deadline_of_a_claim_that_cannot_be_renewed() {
    let site = Site::new();
    let mut running = site.start(&[], &["/bin/sh", "-c", STUBBORN]);
    site.process();
    site.etcd.freeze();
    let mut deadline = None;
    while running.try_wait().unwrap().is_none() {
        deadline = site.deadline().or(deadline);
        sleep(PAUSE);
    }
    let (code, said) = said(running);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the program was stopped: "), "{said}");
    let (last, deadline) = (*site.lives().last().unwrap(), deadline.unwrap());
    println!("it lived until {last}, and its claim until {deadline}");
    assert!(last < deadline, "it lived until {last}, and its claim until {deadline}");
}

#[test]
fn the_program_does_not_outlive_the_sidecar() {
    let site = Site::new();
    let running = site.start(&[], &["/bin/sh", "-c", STUBBORN]);
    let program = site.process();
    signal(&running, Signal::KILL);
    said(running);
    for _ in 0..ROUNDS {
        if test_kill_process(program).is_err() {
            return;
        }
        sleep(PAUSE);
    }
    panic!("the program runs on");
}

#[test]
fn a_wrong_command_line_starts_nothing() {
    let site = Site::new();
    for (flags, program, expected) in [
        (&[][..], &[][..], "cairn-sidecar: "),
        (&["--grace", "soon"], &["true"], "--grace 'soon' is not a duration; write it like 5s"),
        (&["--in-pod"], &["true"], "run is for machines without Kubernetes; remove --in-pod"),
    ] {
        let (code, said) = said(site.start(flags, program));
        println!("{said}");
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
