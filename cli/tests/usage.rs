//! Wrong flags and unreachable members: one message, the right exit code.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const CAIRN: &str = env!("CARGO_BIN_EXE_cairn");

#[test]
fn wrong_usage_is_an_error_of_one_line_with_exit_code_2() {
    let url = "--etcd http://127.0.0.1:1";
    let tls = "--etcd https://127.0.0.1:1";
    let table = [
        (
            String::new(),
            "say what to do: claims, pools, release, members, leader, step-down, shards, owner, drain, admin, ui, \
             bench, check, inject or completion",
        ),
        ("claim".into(), "'claim' is not a command of cairn; did you mean claims?"),
        ("frobnicate".into(), "'frobnicate' is not a command of cairn; see cairn --help"),
        ("bench".into(), "say what to do: herd"),
        ("bench herds".into(), "'herds' is not a command of cairn bench; did you mean herd?"),
        (
            "bench herd".into(),
            "--etcd is missing; give the URLs of etcd, like --etcd http://127.0.0.1:2379",
        ),
        ("bench herd --pods 0".into(), "--pods: '0' is not valid; give a number from 1 to 5000"),
        (
            "bench herd --pool-size many".into(),
            "--pool-size: 'many' is not valid; give a number from 1 to 8192",
        ),
        ("release mountains".into(), "also give --fence <EPOCH-REVISION>, <NAME>"),
        (
            "release mountains Denali --fence 17".into(),
            "--fence: '17' is not a fence; write it as shown by `cairn claims`, like 1795228678-4711",
        ),
        ("members dorp".into(), "'dorp' is not a command of cairn members; did you mean drop?"),
        ("members drop".into(), "also give <POD>"),
        ("owner".into(), "also give <KEY>"),
        (
            "shards --group=-x".into(),
            "--group: group '-x' is not valid; use 1 to 253 letters, digits, '-', '_' and '.', \
             starting with a letter or digit",
        ),
        ("admin".into(), "say what to do: restored or reset-clock"),
        (
            "claims --colour".into(),
            "--colour is not a flag of cairn claims; see cairn claims --help",
        ),
        ("claims --etc x".into(), "--etc is not a flag of cairn claims; did you mean --etcd?"),
        ("claims --etcd".into(), "--etcd needs a value; write it like --etcd <URL[,URL...]>"),
        (
            "claims".into(),
            "there is no usable kubeconfig (cannot read /nonexistent/.kube/config: No such file or directory (os error \
             2)); name one with --kubeconfig; without Kubernetes, claims, pools and ui take --etcd",
        ),
        (
            "pools --etcd= --etcd-cacert /none".into(),
            "--etcd is missing; give the URLs of etcd, like --etcd http://127.0.0.1:2379",
        ),
        (
            "pools --etcd here".into(),
            "--etcd 'here' is not a URL with a port; write it like http://127.0.0.1:2379",
        ),
        (
            "pools --etcd http://a:1,".into(),
            "--etcd '' is not a URL with a port; write it like http://127.0.0.1:2379",
        ),
        (
            "pools --etcd http://a:1,https://a:1".into(),
            "--etcd mixes http:// and https://; use one of them for every member",
        ),
        (
            format!("pools {tls}"),
            "--etcd has https:// members but --etcd-cacert is missing; \
             give the file of the CA that signed etcd's certificates",
        ),
        (
            format!("pools {tls} --etcd-cacert /none --etcd-key k"),
            "--etcd-key is given without --etcd-cert; give both or neither",
        ),
        (
            format!("pools {tls} --etcd-cacert /none"),
            "could not read /none: No such file or directory (os error 2); \
             correct the --etcd-cacert, --etcd-cert and --etcd-key flags",
        ),
        (
            format!("pools {url} --etcd-cacert /none"),
            "--etcd-cacert is given but --etcd has http:// members; write https:// or leave --etcd-cacert out",
        ),
        (
            format!("claims {url} -o xml"),
            "--output 'xml' is not known; use table, wide, json or yaml",
        ),
        (format!("claims {url} {url}"), "--etcd is given twice; give it once"),
        (format!("claims {url} shop"), "'shop' is one word too many; remove it"),
    ];
    for (line, message) in table {
        assert_usage(&line, message);
    }
}

#[test]
fn wrong_usage_of_the_commands_about_clusters_and_manifests_is_an_error_of_one_line() {
    let table = [
        ("check pod", "also give <POD>"),
        ("inject", "also give --filename <FILE>"),
        ("completion", "also give <SHELL>"),
        ("completion csh", "<SHELL>: 'csh' is not known; use bash, zsh or fish"),
        (
            "pools --kubeconfig /none",
            "there is no usable kubeconfig (cannot read /none: No such file or directory (os error 2)); name one with \
             --kubeconfig; without Kubernetes, claims, pools and ui take --etcd",
        ),
    ];
    for (line, message) in table {
        assert_usage(line, message);
    }
}

#[test]
fn a_file_that_a_kubeconfig_names_and_that_cannot_be_read_is_named() {
    let dir = TempDir::new().unwrap();
    let kubeconfig = dir.path().join("config");
    for (of_cluster, of_user) in [
        ("certificate-authority: /none", "token: t"),
        ("", "client-certificate: /none, client-key: /none"),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {{server: 'https://127.0.0.1:1', {of_cluster}}}}}]\n\
             users: [{{name: u, user: {{{of_user}}}}}]\n"
        );
        std::fs::write(&kubeconfig, text).unwrap();
        let message = "there is no usable kubeconfig (cannot read /none: No such file or directory (os error 2)); \
                       name one with --kubeconfig; without Kubernetes, claims, pools and ui take --etcd";
        assert_usage(&format!("pools --kubeconfig {}", kubeconfig.display()), message);
    }
}

/// Exit code 2, and this message and nothing else.
fn assert_usage(line: &str, message: &str) {
    let output = cairn(CAIRN.as_ref(), line);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, format!("cairn: {message}\n"), "{line}");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{line}");
}

#[test]
fn a_herd_needs_an_etcd_that_answers() {
    let output = cairn(CAIRN.as_ref(), "bench herd --pods 3 --etcd http://127.0.0.1:1");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "cairn: a transaction failed at http://127.0.0.1:1: Connection refused (os error 111); \
         is etcd running at the --etcd address?\n"
    );
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
}

#[test]
fn an_unreachable_etcd_is_an_error_of_one_line_with_exit_code_1() {
    // No service listens on ports 1 and 2.
    for command in ["claims", "pools"] {
        let line = format!("{command} --etcd http://127.0.0.1:1,http://127.0.0.1:2");
        let output = cairn(CAIRN.as_ref(), &line);
        // The message names the member that was tried last.
        assert_eq!(
            String::from_utf8_lossy(&output.stderr).replace("127.0.0.1:2", "127.0.0.1:1"),
            "cairn: listing keys failed at http://127.0.0.1:1: Connection refused (os error 111); \
             is etcd running at the --etcd address?\n"
        );
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    }
}

#[test]
fn as_a_plugin_of_kubectl_only_the_usage_line_differs() {
    let dir = TempDir::new().unwrap();
    let plugin = dir.path().join("kubectl-cairn");
    symlink(CAIRN, &plugin).unwrap();
    let help = |program: &Path| String::from_utf8(cairn(program, "claims --help").stdout).unwrap();
    let (ours, plugins) = (help(CAIRN.as_ref()), help(&plugin));
    assert!(plugins.contains("Usage: kubectl cairn claims [OPTIONS]"), "{plugins}");
    assert_eq!(ours, plugins.replace("Usage: kubectl cairn", "Usage: cairn"));
}

#[test]
fn the_script_for_a_shell_completes_commands_and_flags() {
    let script = |program: &Path, shell: &str| {
        let output = cairn(program, &format!("completion {shell}"));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let complete = |script: &str, before: &[&str], current: &str| {
        let (last, previous) = (before.len(), before.last().unwrap());
        let words = before.join(" ");
        let call = format!("_cairn cairn {current} {previous}; echo \"${{COMPREPLY[@]}}\"");
        let run = format!("{script}\nCOMP_WORDS=({words} {current}); COMP_CWORD={last}; {call}");
        let output = Command::new("bash").args(["-c", &run]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let bash = script(CAIRN.as_ref(), "bash");
    assert_eq!(complete(&bash, &["cairn"], "cl").trim(), "claims");
    assert!(complete(&bash, &["cairn", "claims"], "--out").contains("--output"));
    assert!(complete(&bash, &["cairn", "claims", "-o"], "\"\"").contains("wide"));
    assert!(script(CAIRN.as_ref(), "zsh").starts_with("#compdef cairn"));
    assert!(script(CAIRN.as_ref(), "fish").contains("complete -c cairn"));
    let dir = TempDir::new().unwrap();
    let plugin = dir.path().join("kubectl-cairn");
    symlink(CAIRN, &plugin).unwrap();
    assert!(script(&plugin, "zsh").starts_with("#compdef kubectl-cairn"));
}

#[test]
fn the_help_says_what_exit_codes_mean() {
    let help = String::from_utf8(cairn(CAIRN.as_ref(), "--help").stdout).unwrap();
    assert!(help.contains("1  refused, failed, or a check has found a problem"), "{help}");
    assert!(!help.contains('\u{1b}'), "colours without a terminal: {help}");
}

fn cairn(program: &Path, line: &str) -> Output {
    let mut command = Command::new(program);
    for variable in [
        "CAIRN_ETCD",
        "CAIRN_NAMESPACE",
        "CAIRN_GROUP",
        "CAIRN_POOL",
        "CAIRN_OUTPUT",
        "CAIRN_BENCH_PODS",
        "CAIRN_BENCH_POOL_SIZE",
        "KUBECONFIG",
        "KUBERNETES_SERVICE_HOST",
    ] {
        command.env_remove(variable);
    }
    // A person's own kubeconfig would be used.
    command.env("HOME", "/nonexistent");
    command.args(line.split_whitespace()).output().unwrap()
}
