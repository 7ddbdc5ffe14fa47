//! `kubectl apply -f deploy/cairn.yaml`, for users without Helm, on a cluster of its own.

use cairn_e2e::app::App;
use cairn_e2e::cluster::Cluster;
use cairn_e2e::ns::{apart, in_namespace};
use cairn_e2e::{Done, Failure, install, paths};

const MANIFEST: &str = "deploy/cairn.yaml";

#[test]
fn a_pod_gets_a_name_when_only_the_manifest_is_applied() -> Done {
    apart("yaml", |cluster| {
        let path = paths::repository().join(MANIFEST);
        let manifest = std::fs::read_to_string(&path)
            .map_err(|source| Failure::File { path: path.clone(), source })?;
        for part in ["webhook", "sidecar"] {
            tag_as_released(cluster, part, &manifest)?;
        }
        cluster.kubectl(&["apply", "-f", &path.to_string_lossy()])?.ok()?;
        let webhook = format!("deployment/{}", install::WEBHOOK);
        let namespace = install::NAMESPACE;
        cluster
            .kubectl(&["-n", namespace, "rollout", "status", &webhook, "--timeout=120s"])?
            .ok()?;
        in_namespace(cluster, "manifest", |ns| {
            let pod = App::claiming("checkout", "mountains").deploy(ns)?.remove(0);
            assert_eq!(pod.claimed("mountains")?, "Denali");
            assert_eq!(pod.environment()?["CAIRN_NAME"], "Denali");
            Ok(())
        })
    })
}

/// Tags the image that was built here as the released image that the manifest names.
fn tag_as_released(cluster: &Cluster, part: &str, manifest: &str) -> Done {
    let released = manifest
        .split_whitespace()
        .filter_map(|word| word.split('=').next_back())
        .map(|word| word.trim_matches('"'))
        .find(|word| word.contains(&format!("/cairn-{part}:")))
        .ok_or_else(|| Failure::new(format!("{MANIFEST} names no image of the {part}")))?;
    let built = format!("localhost/cairn-{part}:dev");
    cluster.node(&["ctr", "-n", "k8s.io", "images", "tag", &built, released])?.ok().map(drop)
}
