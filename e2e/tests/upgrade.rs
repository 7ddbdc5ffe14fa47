//! An upgrade from the previous chart on a cluster of its own, while pods run that the previous release has injected.

use std::thread;

use crate::minting::Apps;
use cairn_e2e::app::{App, pods_of, rolled_out};
use cairn_e2e::cluster::Cluster;
use cairn_e2e::install::NAMESPACE;
use cairn_e2e::members::Members;
use cairn_e2e::ns::{Namespace, apart, in_namespace};
use cairn_e2e::pod::Container;
use cairn_e2e::run::Output;
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure, json, local_volumes, paths};
use serde_json::{Value, json as object};

/// The chart that is upgraded from. `e2e/charts/README.md` says which one it is, and how it is made.
const PREVIOUS: &str = "e2e/charts/cairn-previous.tgz";
const CURRENT: &str = "charts/cairn";
/// A webhook that is slow on a busy machine refuses nothing.
const SETTINGS: &str = "etcd.replicas=3,etcd.persistence.enabled=true,etcd.persistence.storageClassName=local,\
                        webhook.timeoutSeconds=20";

#[test]
fn an_upgrade_from_the_previous_chart_changes_no_name_refuses_no_pod_and_stops_no_app() -> Done {
    apart("previous", |cluster| {
        local_volumes::prepare(cluster, 3)?;
        helm(
            cluster,
            &["install", "cairn", &at(PREVIOUS)],
            &["--values", &values(), "--set", SETTINGS],
        )?
        .ok()?;
        let members = Members::of(cluster);
        members.ready(3)?;
        let etcd = members.one_cluster(3)?;
        in_namespace(cluster, "previous", |ns| {
            let named = App::claiming("checkout", "mountains").replicas(3);
            named.deploy(ns)?;
            let minting = Apps::start(ns, 4)?;
            let before = names(ns, 3)?;
            another_controller_owns_the_namespace_selector(cluster)?;

            say("helm upgrade --reuse-values, to a chart with more values");
            upgrade_while_pods_are_created(ns)?;
            members.ready(3)?;
            assert_eq!(members.one_cluster(3)?, etcd);
            minting.run_on()?;
            assert_eq!(names(ns, 3)?, before, "a name changed, or an app was restarted");

            say("pods of both releases side by side");
            minting.grow(5)?;
            ns.kubectl(&["scale", "deployment", "checkout", "--replicas=4"])?;
            rolled_out(ns, "checkout")?;
            let after = names(ns, 4)?;
            assert!(before.iter().all(|one| after.contains(one)), "{before:?} {after:?}");

            uninstalling_keeps_the_crd_and_says_so(cluster)?;
            assert_eq!(
                names(ns, 4)?,
                after,
                "without Cairn a name changed, or an app was restarted"
            );
            Ok(())
        })
    })
}

/// Name, claim and app of each pod, in the order of pods.
fn names(ns: &Namespace, count: usize) -> Result<Vec<(String, String, Container)>, Failure> {
    pods_of(ns, "checkout", count)?
        .iter()
        .map(|pod| Ok((pod.name.clone(), pod.claimed("mountains")?, pod.container("app")?)))
        .collect()
}

/// As AKS does: it adds its own namespaces to the selector of every webhook. A chart that renders this field is in
/// conflict with it for ever, because Helm 4 applies on the server's side.
fn another_controller_owns_the_namespace_selector(cluster: &Cluster) -> Done {
    let kind = "mutatingwebhookconfiguration";
    let found = cluster.get(&[kind, "cairn-webhook"])?;
    let managed =
        object!({"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]});
    let selected = json::list(&found, "/webhooks").iter().map(|webhook| {
        object!({
            "name": webhook.get("name"),
            "namespaceSelector": {"matchExpressions": [managed]},
            // The API server requires these.
            "admissionReviewVersions": webhook.get("admissionReviewVersions"),
            "clientConfig": webhook.get("clientConfig"),
            "sideEffects": webhook.get("sideEffects"),
        })
    });
    let theirs = object!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "cairn-webhook"},
        "webhooks": selected.collect::<Vec<_>>(),
    });
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=admissionsenforcer",
        "-f",
        "-",
    ];
    cluster.kubectl_with(&apply, &theirs.to_string())?.ok().map(drop)
}

/// Every pod that is created meanwhile is admitted.
fn upgrade_while_pods_are_created(ns: &Namespace) -> Done {
    let cluster = &ns.cluster;
    let pod = App::claiming("created", "mountains,snowflake").pod().to_string();
    let create = ["-n", &ns.name, "create", "--dry-run=server", "-o", "name", "-f", "-"];
    thread::scope(|scope| {
        let upgrade = scope.spawn(|| {
            helm(cluster, &["upgrade", "cairn", &at(CURRENT)], &["--reuse-values"])?.ok()
        });
        let mut created = 0;
        until("the upgrade is complete", secs(400), || {
            let output = cluster.kubectl_with(&create, &pod)?;
            assert_eq!(output.code, Some(0), "a pod was refused: {}", output.stderr);
            created += 1;
            Ok(if upgrade.is_finished() {
                Seen::Yes(())
            } else {
                Seen::NotYet("running".to_owned())
            })
        })?;
        say(&format!("{created} pods were created meanwhile"));
        match upgrade.join() {
            Ok(outcome) => outcome.map(drop),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn uninstalling_keeps_the_crd_and_says_so(cluster: &Cluster) -> Done {
    say("uninstalling keeps the CRD and says so");
    let said = cluster.helm(&["uninstall", "cairn", "--namespace", NAMESPACE, "--wait"])?;
    let text = format!("{}{}", said.stdout, said.stderr);
    assert!(text.contains("pools.cairn.dev"), "{text}");
    let crd: Value = cluster.get(&["crd", "pools.cairn.dev"])?;
    assert!(crd.pointer("/metadata/deletionTimestamp").is_none(), "{crd}");
    Ok(())
}

fn helm(cluster: &Cluster, command: &[&str], more: &[&str]) -> Result<Output, Failure> {
    let common = ["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "300s"];
    cluster.helm(&[command, &common, more].concat())
}

fn values() -> String {
    at("e2e/values.yaml")
}

fn at(path: &str) -> String {
    paths::repository().join(path).to_string_lossy().into_owned()
}

fn say(step: &str) {
    eprintln!("upgrade: {step}");
}
