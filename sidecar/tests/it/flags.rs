//! Wrong flags, given to the real binary.

use crate::harness::{Dir, binary};

const GOOD: [&str; 4] = ["--etcd", "http://127.0.0.1:1", "--pool", "mountains"];

#[test]
fn wrong_flags_give_one_message_and_exit_code_2() {
    let table: &[(&[&str], &str)] = &[
        (&[], "--etcd is missing; give the URLs of etcd, like --etcd http://127.0.0.1:2379"),
        (&["--etcd", "http://a:1"], "--pool is missing; name the pools"),
        (&["--etcd", "http://a:1", "--pool", "Up"], "--pool: pool name 'Up' is not valid; use"),
        (&["--etcd", "nonsense", "--pool", "a"], "is not a URL with a port; write it like"),
        (
            &["--etcd", "http://a:1", "--coordinate", "shards", "--group", "g"],
            "--shards is missing; give the number of shards, like --shards 16",
        ),
        (
            &["--etcd", "http://a:1", "--coordinate", "peers"],
            "--coordinate needs --group; name the group of the members, like --group checkout",
        ),
        (
            &["--etcd", "http://a:1", "--pool", "a", "--shards", "16"],
            "--shards does nothing without --coordinate; add --coordinate peers,leader,shards",
        ),
        (
            &["--coordinate", "shards", "--shards", "0", "--group", "g"],
            "--shards '0' is not a number from 1 to 10000; write it like 16",
        ),
        (&["--pols", "a"], "--pols is not a flag of cairn-sidecar; did you mean --pool?"),
        (&["--dir"], "--dir needs a value; write it like --dir <PATH>"),
        (&["clam"], "'clam' is not a command"),
    ];
    for (flags, expected) in table {
        let output = binary().args(*flags).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {text}");
        assert!(
            text.starts_with("cairn-sidecar: ") && text.contains(expected),
            "{flags:?}: {text}"
        );
        assert_eq!(text.lines().count(), 1, "{flags:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn every_flag_has_a_variable_and_the_flag_wins() {
    let say = |variables: &[(&str, &str)], flags: &[&str]| {
        let output = binary().envs(variables.iter().copied()).args(flags).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let text = say(&[("CAIRN_ETCD", "http://a:1"), ("CAIRN_POOL", "Up")], &[]);
    assert!(text.contains("'Up' is not valid"), "{text}");
    let text = say(&[("CAIRN_POOL", "Up"), ("CAIRN_ETCD", "http://a:1")], &["--pool", "Down"]);
    assert!(text.contains("'Down' is not valid"), "{text}");
    // The variable that apps get is not a template.
    let named = [("CAIRN_PREFIX", "{"), ("CAIRN_NAMESPACE", "-")];
    let text = say(&named, &GOOD);
    assert!(text.contains("--namespace '-' is not valid"), "{text}");
    let text = say(&[("CAIRN_PREFIX_TEMPLATE", "{nmae}")], &GOOD);
    assert!(text.contains("did you mean '{name}'"), "{text}");
}

#[test]
fn help_and_version_exit_with_0() {
    for (flag, expected) in [("--help", "CAIRN_POOL"), ("--version", "cairn-sidecar 0.")] {
        let output = binary().arg(flag).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn in_a_pod_wrong_flags_do_not_exit_and_the_probe_shows_the_message() {
    let dir = Dir::new();
    let mut sidecar = binary()
        .args(["--in-pod", "--pols", "mountains", "--dir"])
        .arg(dir.published())
        .spawn()
        .unwrap();
    let mut probe = binary();
    let output =
        probe.args(["probe", "--wait", "2s", "--dir"]).arg(dir.published()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let running = sidecar.try_wait().unwrap().is_none();
    let pid = rustix::process::Pid::from_child(&sidecar);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = sidecar.wait().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text, "--pols is not a flag of cairn-sidecar; did you mean --pool?\n");
    assert!(running);
    assert_eq!(status.code(), Some(2));
}

#[test]
fn one_directory_has_one_sidecar() {
    let dir = Dir::new();
    std::fs::create_dir(dir.published()).unwrap();
    let lock = std::fs::File::create(dir.published().join(".lock")).unwrap();
    lock.try_lock().unwrap();
    let output = binary().args(GOOD).arg("--dir").arg(dir.published()).output().unwrap();
    drop(lock);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("in use by another cairn-sidecar; give this one a --dir"), "{text}");
}
