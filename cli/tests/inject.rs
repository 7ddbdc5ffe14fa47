//! What `cairn inject` prints, and its exit codes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Documents of several kinds; only some ask for Cairn.
const FILE: &str = r#"
# A comment.
apiVersion: v1
kind: Service
metadata: {name: checkout}
spec: {clusterIP: None, ports: [{port: 80, targetPort: "08"}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: shop}
spec:
  template:
    metadata: {annotations: {cairn.dev/pool: mountains}}
    spec: {containers: [{name: app, image: app}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 1 * * *"
  jobTemplate:
    spec:
      template:
        metadata:
          labels: {app: nightly}
          annotations: {cairn.dev/pool: mountains, cairn.dev/coordinate: peers}
        spec: {containers: [{name: app, image: app}]}
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Pod
    metadata: {name: p, annotations: {cairn.dev/pool: teas}}
    spec: {containers: [{name: app, image: app}]}
  - apiVersion: cairn.dev/v1alpha1
    kind: Pool
    metadata: {name: teas}
    spec: {names: {list: [mint, assam]}}
"#;

#[test]
fn pods_of_every_kind_get_the_sidecar_and_everything_else_stays() {
    let dir = TempDir::new().unwrap();
    let printed = text(&inject(&["-f", &write(&dir, "all.yaml", FILE)]));
    let documents = parse(&printed);
    assert_eq!(documents.len(), 4, "{printed}");
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "checkout"},
        "spec": {"clusterIP": "None", "ports": [{"port": 80, "targetPort": "08"}]}});
    assert_eq!(documents[0], service);

    let template = &documents[1]["spec"]["template"];
    assert_eq!(template["spec"]["initContainers"][0]["name"], "cairn");
    assert_eq!(template["metadata"]["labels"], json!({"cairn.dev/injected": "true"}));
    assert!(template["metadata"].get("ownerReferences").is_none(), "{template}");
    let of_checkout = args(template);
    for arg in ["--pool=mountains", "--namespace=shop", "--group=checkout"] {
        assert!(of_checkout.iter().any(|found| found == arg), "{arg}: {of_checkout:?}");
    }

    let job = &documents[2]["spec"]["jobTemplate"]["spec"]["template"];
    assert_eq!(job["metadata"]["labels"]["app"], "nightly");
    let of_job = args(job);
    assert!(of_job.iter().any(|found| found == "--group=nightly"), "{of_job:?}");
    assert!(!of_job.iter().any(|found| found.starts_with("--admitted")), "{of_job:?}");

    let pod = &documents[3]["items"][0];
    assert!(args(pod).iter().any(|found| found == "--pool=teas"), "{pod}");
    assert_eq!(documents[3]["items"][1]["spec"]["names"]["list"], json!(["mint", "assam"]));
}

#[test]
fn what_was_injected_is_injected_again_without_a_change() {
    let dir = TempDir::new().unwrap();
    let once = text(&inject(&["-f", &write(&dir, "all.yaml", FILE)]));
    let twice = text(&inject(&["-f", &write(&dir, "once.yaml", &once)]));
    assert_eq!(parse(&twice), parse(&once));
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let mut injected = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let once = text(&inject(&["-f", path.to_str().unwrap()]));
            let twice = text(&inject(&["-f", &write(&dir, "example.yaml", &once)]));
            assert_eq!(parse(&twice), parse(&once), "{}", path.display());
            injected += usize::from(once.contains("cairn.dev/injected"));
        }
    }
    assert!(injected > 2, "{injected}");
}

#[test]
fn a_refusal_names_the_file_and_the_document_and_prints_nothing_else() {
    let dir = TempDir::new().unwrap();
    let file = write(&dir, "bad.yaml", &FILE.replace("pool: teas", "pool: tees"));
    let refused = inject(&["-f", &file]);
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(
        stderr,
        format!(
            "cairn: {file}, document 4, Pod p: refused: pool 'tees' does not exist; did you mean 'teas'?\n"
        )
    );
    assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(1), &b""[..]));
    let gone = inject(&["-f", &format!("{file}.gone")]);
    assert_eq!((gone.status.code(), gone.stdout.is_empty()), (Some(2), true));
    let text = inject(&["-f", &write(&dir, "text.yaml", "kind: Pod\n---\nhello\n")]);
    let stderr = String::from_utf8_lossy(&text.stderr).into_owned();
    assert!(stderr.contains("text.yaml is not a Kubernetes manifest: its document 2"), "{stderr}");
}

#[test]
fn pools_of_a_cluster_come_from_a_file_that_is_not_printed() {
    let dir = TempDir::new().unwrap();
    let pod = "kind: Pod\nmetadata: {name: p, annotations: {cairn.dev/pool: inks}}\n\
               spec: {containers: [{name: app}]}\n";
    let pools = "kind: List\nitems: [{apiVersion: cairn.dev/v1alpha1, kind: Pool, metadata: {name: inks}, \
                 spec: {names: {list: [blue]}}}]\n";
    let (pod, pools) = (write(&dir, "pod.yaml", pod), write(&dir, "pools.yaml", pools));
    assert_eq!(inject(&["-f", &pod]).status.code(), Some(1));
    let documents = parse(&text(&inject(&["-f", &pod, "--pools", &pools])));
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0]["spec"]["initContainers"][0]["name"], "cairn");
}

fn write(dir: &TempDir, name: &str, content: &str) -> String {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn args(pod: &Value) -> Vec<String> {
    let ours = &pod["spec"]["initContainers"][0];
    ours["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap().to_owned()).collect()
}

fn parse(text: &str) -> Vec<Value> {
    cairn_cli::yaml::documents(text).unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn inject(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
    command.arg("inject").args(args).env_remove("CAIRN_NAMESPACE").output().unwrap()
}
