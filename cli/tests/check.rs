//! The output and the exit codes of `cairn check`.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const POD: &str = "kind: Pod\nmetadata:\n  name: p\n";

#[test]
fn each_bad_object_gets_one_message_and_exit_code_1() {
    let pod = |metadata: &str| format!("{POD}{metadata}");
    let pool = |name: &str, spec: &str| {
        format!(
            "apiVersion: cairn.dev/v1alpha1\nkind: Pool\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    };
    let asks = |annotations: &str| pod(&format!("  annotations: {{{annotations}}}\n"));
    let table = [
        (
            asks("cairn.dev/pool: ''"),
            "Pod p: refused: annotation 'cairn.dev/pool' is empty; name a pool, like mountains",
        ),
        (
            asks("cairn.dev/pool: 'a,,b'"),
            "Pod p: refused: annotation 'cairn.dev/pool' is 'a,,b' with nothing between two commas; \
             write it like mountains,snowflake",
        ),
        (
            asks("cairn.dev/pool: 'a,a'"),
            "Pod p: refused: annotation 'cairn.dev/pool' names pool 'a' twice; name it once",
        ),
        (
            asks("cairn.dev/pol: a"),
            "Pod p: refused: annotation 'cairn.dev/pol' is not known; did you mean 'cairn.dev/pool'?",
        ),
        (
            asks("cairn.dev/pool: a, cairn.dev/gate: stratup"),
            "Pod p: refused: annotation 'cairn.dev/gate' is 'stratup'; did you mean 'startup'?",
        ),
        (
            pod("  labels: {cairn.dev/pool: mountains}\n"),
            "Pod p: refused: 'cairn.dev/pool' is set as a label; move it to the annotations of the pod template",
        ),
        (
            pool("tea", "{names: {list: []}}"),
            "Pool tea: refused: names.list is empty; give it at least one name",
        ),
        (
            pool("tea", "{names: {list: [a, a]}}"),
            "Pool tea: refused: name 'a' is in the list twice; every name may appear once",
        ),
        (
            pool("tea", "{names: {list: [a.b]}}"),
            "Pool tea: refused: name 'a.b' contains '.'; use only letters, digits, '-' and '_'",
        ),
        (
            pool("tea", "{names: {list: [a/b]}}"),
            "Pool tea: refused: name 'a/b' contains '/'; use only letters, digits, '-' and '_'",
        ),
        (
            pool("tea", "{names: {list: [\"it's\"]}}"),
            "Pool tea: refused: name 'it's' contains '''; use only letters, digits, '-' and '_'",
        ),
        (
            pool("tea", "{names: {list: [a, no]}}"),
            "Pool tea: refused: not a pool spec: invalid type: boolean `false`, expected a string; put it into quotes",
        ),
        (
            pool("env", "{names: {list: [a]}}"),
            "Pool env: refused: pool name 'env' is reserved for a file in the shared volume; choose another",
        ),
        (
            pool("tea", "{names: {list: [a]}}").replace("v1alpha1", "v2"),
            "Pool tea: refused: apiVersion 'cairn.dev/v2' is not known; write cairn.dev/v1alpha1",
        ),
    ];
    for (manifest, message) in table {
        let (code, stdout, stderr) = check(&["-"], &manifest);
        assert_eq!(stdout, format!("standard input: {message}\n"), "{manifest}");
        assert_eq!((code, stderr.as_str()), (1, ""), "{manifest}");
    }
}

#[test]
fn what_admission_refuses_because_of_the_pod_is_refused() {
    let pod = |annotations: &str, container: &str| {
        let container = format!("{{name: app, image: app, {container}}}");
        format!(
            "{POD}  annotations: {{{annotations}}}\nspec: {{nodeSelector: {{}}, containers: [{container}]}}\n"
        )
    };
    let exec = "livenessProbe: {exec: {command: [live]}}";
    let asks = "cairn.dev/pool: snowflake";
    let cases = [
        (pod(asks, exec), "refused: container 'app': its livenessProbe is an exec probe"),
        (
            pod("cairn.dev/coordinate: peers", ""),
            "refused: annotation 'cairn.dev/coordinate' needs a group",
        ),
        (pod("cairn.dev/coordinate: peers, cairn.dev/group: g", ""), "fine, coordinates peers"),
        (pod(&format!("{asks}, cairn.dev/stop: self"), exec), "fine, claims from snowflake"),
        // Whether it exists there, and which rules it has, only the cluster knows.
        (pod("cairn.dev/pool: ids", exec), "fine, claims from ids"),
        (pod("cairn.dev/pool: mountains, cairn.dev/env: file", ""), "fine, claims from mountains"),
        (
            pod("cairn.dev/pool: mountains, cairn.dev/env: annotation", ""),
            "fine, claims from mountains",
        ),
    ];
    for (manifest, verdict) in cases {
        let (code, stdout, stderr) = check(&["-"], &manifest);
        assert!(stdout.starts_with(&format!("standard input: Pod p: {verdict}")), "{stdout}");
        assert_eq!((code, &*stderr), (i32::from(verdict.starts_with("refused")), ""), "{stdout}");
    }
    // A pool of the same files.
    let pool = "---\napiVersion: cairn.dev/v1alpha1\nkind: Pool\nmetadata: {name: ids}\n\
                spec: {names: {list: [a]}, onLoss: Stop}\n";
    let (code, stdout, _) = check(&["-"], &(pod("cairn.dev/pool: ids", exec) + pool));
    assert!(stdout.contains("its livenessProbe is an exec probe"), "{stdout}");
    assert_eq!(code, 1);
}

#[test]
fn files_that_cannot_be_read_give_exit_code_2_and_the_others_are_checked() {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = write("good.yaml", POD);
    let (folder, gone) = (dir.path().to_str().unwrap().to_owned(), format!("{good}.gone"));
    let bad = [
        (folder.clone(), format!("cannot read {folder}: Is a directory")),
        (gone.clone(), format!("cannot read {gone}: No such file")),
        {
            let path = write("template.yaml", "kind: Pod\n{{- if .Values.x }}\n");
            (path.clone(), format!("{path} is not a Kubernetes manifest: "))
        },
        {
            let path = write("text.yaml", "hello\n");
            (
                path.clone(),
                format!("{path} is not a Kubernetes manifest: its document 1 is not a mapping"),
            )
        },
        {
            let path = write("twice.yaml", "kind: Pod\nkind: Pod\n");
            (path.clone(), format!("{path} is not a Kubernetes manifest: duplicate"))
        },
    ];
    for (path, message) in bad {
        let (code, stdout, stderr) = check(&[&path, &good], "");
        assert!(stderr.starts_with(&format!("cairn: {message}")), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(stdout, format!("{good}: Pod p: fine, asks for no name\n"));
        assert_eq!(code, 2);
    }
}

#[test]
fn a_pool_that_may_exist_elsewhere_is_a_note_and_no_refusal() {
    let tea = "---\napiVersion: cairn.dev/v1alpha1\nkind: Pool\nmetadata: {name: green-tea}\n\
               spec: {names: {list: [Assam]}}\n";
    let asks = |pools: &str| {
        let spec = "spec: {containers: [{name: app, image: app}]}";
        format!("{POD}  annotations: {{cairn.dev/pool: '{pools}'}}\n{spec}\n{tea}")
    };
    let here = "standard input: Pod p: ";
    for (pools, note) in [
        ("mountains, green-tea", None),
        (
            "montains",
            Some(
                "pool 'montains' is neither built in nor in these files; did you mean 'mountains'?",
            ),
        ),
        (
            "coffee",
            Some(
                "pool 'coffee' is neither built in nor in these files; it has to exist in the cluster",
            ),
        ),
    ] {
        let (code, stdout, _) = check(&["-"], &asks(pools));
        let note = note.map(|note| format!("{here}note: {note}\n")).unwrap_or_default();
        let expected = format!(
            "{here}fine, claims from {pools}\n{note}standard input: Pool green-tea: fine, 1 name\n"
        );
        assert_eq!((code, stdout), (0, expected));
    }
    let (code, stdout, _) = check(&["-"], "kind: Service\n");
    assert_eq!((code, stdout.as_str()), (0, "standard input: no pods and no pools\n"));
}

#[test]
fn the_manifests_of_this_repository_pass() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let examples: Vec<String> = fs::read_dir(deploy.join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    assert!(!examples.is_empty());
    for example in examples {
        let (code, stdout, stderr) = check(&[&example], "");
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        let opts_in = stdout.contains("claims from") || stdout.contains("coordinates");
        assert!(opts_in, "{stdout}");
        assert!(!stdout.contains("note:"), "{stdout}");
    }
    let (code, stdout, _) = check(&[deploy.join("cairn.yaml").to_str().unwrap()], "");
    assert_eq!(code, 0, "{stdout}");
}

fn check(files: &[&str], stdin: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cairn"))
        .arg("check")
        .args(files)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The drop closes standard input. A program that does not read it may have ended already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
