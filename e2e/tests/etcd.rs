//! The bundled etcd stays one etcd cluster while it is installed, grown, lost and installed again. The test has a
//! Kubernetes cluster of its own, because every step changes what other tests need.

use std::collections::BTreeSet;

use crate::minting::Apps;
use cairn_e2e::cluster::Cluster;
use cairn_e2e::install::{NAMESPACE, WEBHOOK};
use cairn_e2e::members::{Members, RECORD, STATEFUL_SET};
use cairn_e2e::ns::{apart, in_namespace};
use cairn_e2e::run::Output;
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure, json, local_volumes, paths};

/// How many pods mint while etcd grows, restarts and loses a member.
const MINTING: u32 = 30;

const ON_VOLUMES: &str = "etcd.persistence.enabled=true,etcd.persistence.storageClassName=local";

#[test]
fn etcd_stays_one_cluster_while_it_grows_restarts_loses_a_volume_and_is_installed_again() -> Done {
    apart("etcd", |cluster| {
        without_a_default_storage_class_the_installation_says_so(cluster)?;
        local_volumes::prepare(cluster, 7)?;
        without_a_volume_a_restarted_single_member_is_the_same_cluster(cluster)?;
        helm_upgrade_grows_etcd_and_stops_no_app(cluster)?;
        etcd_does_not_shrink_in_place(cluster)?;
        forget(cluster)?;
        a_render_grows_etcd_and_restarts_and_lost_volumes_stop_no_app(cluster)?;
        one_of_three_volumes_waits_for_the_others_and_forms_no_cluster(cluster)?;
        forget(cluster)?;
        the_volume_of_an_uninstalled_member_grows_to_three(cluster)?;
        a_second_release_says_so_is_not_ready_and_does_not_disturb_the_first(cluster)
    })
}

fn without_a_default_storage_class_the_installation_says_so(cluster: &Cluster) -> Done {
    say("without a default StorageClass the installation says so");
    let refused = upgrade(cluster, "etcd.persistence.enabled=true", &[])?;
    let message = "this cluster has no default StorageClass, so etcd would wait for its volume; name a class with \
                   etcd.persistence.storageClassName";
    assert!(refused.stderr.contains(message), "{}", refused.stderr);
    Ok(())
}

fn without_a_volume_a_restarted_single_member_is_the_same_cluster(cluster: &Cluster) -> Done {
    say("helm install --wait waits for etcd, too");
    helm(cluster, "etcd.replicas=1")?.ok()?;
    let pod = cluster.get(&["-n", NAMESPACE, "pod", "cairn-etcd-0"])?;
    assert!(json::is_ready(&pod), "etcd is not ready: {:?}", pod.get("status"));
    say("without a volume, a restarted single member is the same cluster");
    let members = Members::of(cluster);
    let before = members.one_cluster(1)?;
    members.delete_pod(0)?;
    members.ready(1)?;
    assert_eq!(members.one_cluster(1)?, before);
    Ok(())
}

fn helm_upgrade_grows_etcd_and_stops_no_app(cluster: &Cluster) -> Done {
    say("helm upgrade grows etcd and stops no app");
    in_namespace(cluster, "upgrade", |ns| {
        let members = Members::of(cluster);
        let before = members.one_cluster(1)?;
        let apps = Apps::start(ns, 6)?;
        let first = members.pod_uid(0)?;
        helm(cluster, "etcd.replicas=3")?.ok()?;
        members.ready(3)?;
        assert_eq!(members.one_cluster(3)?, before);
        assert_eq!(members.pod_uid(0)?, first, "growing restarted the first member");
        apps.run_on()?;
        apps.grow(9)?.know_cluster(&before)
    })
}

fn etcd_does_not_shrink_in_place(cluster: &Cluster) -> Done {
    say("etcd does not shrink in place");
    let scale = ["-n", NAMESPACE, "scale", "statefulset", STATEFUL_SET, "--replicas=1"];
    for refused in [helm(cluster, "etcd.replicas=1")?, cluster.kubectl(&scale)?] {
        let message = "Cairn's etcd cannot shrink in place from 3 to 1 members: it would lose its majority \
                       and with it every claim; set etcd.replicas=3";
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
    }
    Ok(())
}

fn a_render_grows_etcd_and_restarts_and_lost_volumes_stop_no_app(cluster: &Cluster) -> Done {
    say("a render grows etcd; restarts and lost volumes stop no app");
    helm(cluster, ON_VOLUMES)?.ok()?;
    let members = Members::of(cluster);
    members.ready(1)?;
    let before = members.one_cluster(1)?;
    in_namespace(cluster, "render", |ns| {
        let apps = Apps::start(ns, MINTING)?;
        let grown = cluster.helm(&[
            "template",
            "cairn",
            &chart(),
            "--namespace",
            NAMESPACE,
            "--values",
            &values(),
            "--set",
            &format!("{ON_VOLUMES},etcd.replicas=3"),
        ])?;
        cluster.kubectl_with(&["-n", NAMESPACE, "apply", "-f", "-"], &grown.ok()?)?.ok()?;
        members.ready(3)?;
        assert_eq!(members.one_cluster(3)?, before);
        apps.run_on()?;

        say("a rolling restart");
        let restart = ["-n", NAMESPACE, "rollout", "restart", "statefulset", STATEFUL_SET];
        cluster.kubectl(&restart)?.ok()?;
        members.ready(3)?;
        apps.run_on()?;

        issuers_and_certificates_are_replaced_many_times(cluster)?;
        apps.run_on()?;

        say("a member is lost with its volume");
        members.lose(0)?;
        members.ready(3)?;
        assert_eq!(members.one_cluster(3)?, before);
        apps.run_on()?;
        apps.grow(MINTING + 3).map(drop)
    })
}

/// With lives of a minute and less. All processes that write the Secret must have the same.
fn issuers_and_certificates_are_replaced_many_times(cluster: &Cluster) -> Done {
    say("issuers and members' certificates are replaced many times");
    set_lives(cluster, ["CAIRN_ETCD_ISSUER_LIFE=60s", "CAIRN_ETCD_LEAF_LIFE=30s"])?;
    let mut issuers = BTreeSet::new();
    until("five issuers and five certificates of a member were seen", secs(240), || {
        let secret = cluster.get(&["-n", NAMESPACE, "secret", "cairn-etcd-ca"])?;
        issuers.extend(json::text(&secret, "/data/clients-issuer.crt"));
        let watch = format!("{STATEFUL_SET}-0");
        let log = cluster.kubectl(&["-n", NAMESPACE, "logs", &watch, "-c", "watch"])?.ok()?;
        let renewals = log.matches("renewed the certificate of this member").count();
        Ok(if issuers.len() >= 5 && renewals >= 5 {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{} issuers, {renewals} renewals", issuers.len()))
        })
    })?;
    set_lives(cluster, ["CAIRN_ETCD_ISSUER_LIFE-", "CAIRN_ETCD_LEAF_LIFE-"])
}

fn set_lives(cluster: &Cluster, variables: [&str; 2]) -> Done {
    for workload in [format!("statefulset/{STATEFUL_SET}"), format!("deployment/{WEBHOOK}")] {
        let set = ["-n", NAMESPACE, "set", "env", &workload];
        cluster.kubectl(&[&set[..], &variables].concat())?.ok()?;
    }
    Members::of(cluster).ready(3)?;
    let wait = ["rollout", "status", "deployment", WEBHOOK, "--timeout=90s"];
    cluster.kubectl(&[&["-n", NAMESPACE][..], &wait].concat())?.ok().map(drop)
}

fn one_of_three_volumes_waits_for_the_others_and_forms_no_cluster(cluster: &Cluster) -> Done {
    say("one of three volumes waits for the others and forms no cluster");
    let members = Members::of(cluster);
    let before = members.one_cluster(3)?;
    uninstall(cluster)?;
    upgrade(cluster, &format!("{ON_VOLUMES},etcd.replicas=1"), &[])?.ok()?;
    let events = until("an Event says why the first member waits", secs(60), || {
        let events = members.waiting_events(0)?;
        Ok(if events.is_empty() { Seen::NotYet("no Event".to_owned()) } else { Seen::Yes(events) })
    })?;
    println!("one of three: {}", events.join(" | "));
    assert!(events.iter().all(|event| event.ends_with("set etcd.replicas=3")), "{events:?}");
    helm(cluster, &format!("{ON_VOLUMES},etcd.replicas=3"))?.ok()?;
    members.ready(3)?;
    assert_eq!(members.one_cluster(3)?, before);
    in_namespace(cluster, "again", |ns| Apps::start(ns, 3).map(drop))
}

fn the_volume_of_an_uninstalled_member_grows_to_three(cluster: &Cluster) -> Done {
    say("the volume of an uninstalled member grows to three");
    cluster.kubectl(&["-n", NAMESPACE, "delete", "pvc", "--all"])?.ok()?;
    helm(cluster, &format!("{ON_VOLUMES},etcd.replicas=1"))?.ok()?;
    let members = Members::of(cluster);
    members.ready(1)?;
    let before = members.one_cluster(1)?;
    uninstall(cluster)?;
    helm(cluster, &format!("{ON_VOLUMES},etcd.replicas=3"))?.ok()?;
    members.ready(3)?;
    assert_eq!(members.one_cluster(3)?, before);
    in_namespace(cluster, "uninstalled", |ns| Apps::start(ns, 3).map(drop))
}

fn a_second_release_says_so_is_not_ready_and_does_not_disturb_the_first(cluster: &Cluster) -> Done {
    say("a second release says so, is not ready, and does not disturb the first");
    let second = "second";
    cluster.kubectl(&["create", "namespace", second])?.ok()?;
    let render = ["template", second, &chart(), "--namespace", second, "--values", &values()];
    let render = cluster.helm(&render)?.ok()?;
    cluster.kubectl_with(&["-n", second, "apply", "-f", "-"], &render)?.ok()?;
    let deployment = "deployment/second-cairn-webhook";
    let message = until("an Event of the second release names the first", secs(90), || {
        let list =
            cluster.get(&["-n", second, "events", "--field-selector", "reason=NotInstalled"])?;
        let message =
            json::list(&list, "/items").iter().find_map(|event| json::text(event, "/message"));
        Ok(message.map_or_else(|| Seen::NotYet("no Event".to_owned()), Seen::Yes))
    })?;
    println!("a second release: {message}");
    assert!(message.starts_with(
        "Cairn is installed in this Kubernetes cluster already, as cairn-system/cairn-webhook; uninstall this one"
    ));
    let ready = cluster.get(&["-n", second, deployment])?;
    assert_eq!(ready.pointer("/status/readyReplicas"), None, "a second release is ready");
    in_namespace(cluster, "first", |ns| Apps::start(ns, 1).map(drop))
}

/// Uninstalls Cairn and deletes the record of its etcd cluster, so that the next step starts without one.
fn forget(cluster: &Cluster) -> Done {
    uninstall(cluster)?;
    cluster.kubectl(&["-n", NAMESPACE, "delete", "configmap", RECORD])?.ok().map(drop)
}

fn uninstall(cluster: &Cluster) -> Done {
    cluster.helm(&["uninstall", "cairn", "--namespace", NAMESPACE, "--wait"])?.ok()?;
    until("no pod of Cairn is left", secs(60), || {
        let pods = cluster.get(&["-n", NAMESPACE, "pods"])?;
        let left = json::list(&pods, "/items").len();
        Ok(if left == 0 { Seen::Yes(()) } else { Seen::NotYet(format!("{left} are left")) })
    })
}

fn helm(cluster: &Cluster, set: &str) -> Result<Output, Failure> {
    upgrade(cluster, set, &["--wait", "--timeout", "180s"])
}

fn upgrade(cluster: &Cluster, set: &str, more: &[&str]) -> Result<Output, Failure> {
    let (chart, values) = (chart(), values());
    let release = ["upgrade", "--install", "cairn", &chart, "--namespace", NAMESPACE];
    let settings = ["--create-namespace", "--values", &values, "--set", set];
    cluster.helm(&[&release[..], &settings[..], more].concat())
}

fn chart() -> String {
    paths::repository().join("charts/cairn").to_string_lossy().into_owned()
}

fn values() -> String {
    paths::repository().join("e2e/values.yaml").to_string_lossy().into_owned()
}

fn say(step: &str) {
    eprintln!("etcd: {step}");
}
