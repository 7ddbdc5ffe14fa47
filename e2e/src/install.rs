//! Cairn on a cluster, installed with its chart as users do it.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::access::Access;
use crate::cluster::Cluster;
use crate::run::Output;
use crate::webhook::Webhook;
pub use crate::webhook::{NAMESPACE, WEBHOOK};
use crate::{Done, Failure, paths};

/// The set-up runs once per process, also when it fails: no test uninstalls Cairn, and a build that failed for one test
/// fails for the next.
static READY: OnceLock<Result<(), String>> = OnceLock::new();

/// Starts the cluster, imports this tree's images and installs Cairn from this chart, where that is not done yet.
pub fn ready(cluster: &Cluster) -> Done {
    READY
        .get_or_init(|| set_up(cluster).map_err(|failure| format!("{failure:?}")))
        .clone()
        .map_err(|failure| Failure::new(format!("the cluster could not be set up: {failure}")))
}

fn set_up(cluster: &Cluster) -> Done {
    let _exclusive = cluster.monopolise()?;
    cluster.up()?;
    cluster.images()?;
    install(cluster)?;
    // A test may take the webhook away before it needs etcd.
    Access::of(cluster).map(drop)
}

/// Installs or upgrades the release, unless exactly this one is installed already.
pub fn install(cluster: &Cluster) -> Done {
    let mark = cluster.state_dir().join("e2e-installed");
    let wanted = fingerprint(cluster)?;
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) && is_well(cluster)? {
        return Ok(());
    }
    eprintln!("installing Cairn in cluster '{}'", cluster.name());
    let repository = paths::repository();
    let images = format!("webhook.podAnnotations.e2e-installed={wanted}");
    forget_interrupted(cluster)?;
    upgrade(cluster, &repository, &images)?.ok()?;
    Webhook::of(cluster).answers()?;
    fs::write(&mark, &wanted).map_err(|source| Failure::File { path: mark, source })
}

/// Removes the records of releases that were interrupted, for example by Ctrl-C: with them Helm refuses every upgrade.
fn forget_interrupted(cluster: &Cluster) -> Done {
    let selector = "owner=helm,status in (pending-install, pending-upgrade)";
    cluster.kubectl(&["-n", NAMESPACE, "delete", "secret", "-l", selector])?.ok().map(drop)
}

fn upgrade(cluster: &Cluster, repository: &Path, images: &str) -> Result<Output, Failure> {
    cluster.helm(&[
        "upgrade",
        "--install",
        "cairn",
        &repository.join("charts/cairn").to_string_lossy(),
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        "--values",
        &repository.join("e2e/values.yaml").to_string_lossy(),
        // A new image has the same tag as the old one. A changed annotation restarts the pods.
        "--set-string",
        images,
        "--wait",
        "--timeout",
        "120s",
    ])
}

fn is_well(cluster: &Cluster) -> Result<bool, Failure> {
    let status = cluster.kubectl(&[
        "-n",
        NAMESPACE,
        "rollout",
        "status",
        &format!("deployment/{WEBHOOK}"),
        "--timeout=30s",
    ])?;
    Ok(status.code == Some(0))
}

/// A hash of the chart, its values and the imported images of webhook and etcd.
fn fingerprint(cluster: &Cluster) -> Result<String, Failure> {
    let repository = paths::repository();
    let mut files = vec![
        repository.join("e2e/values.yaml"),
        cluster.state_dir().join("images/webhook"),
        cluster.state_dir().join("images/etcd"),
    ];
    collect(&repository.join("charts/cairn"), &mut files)?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for path in files {
        let content =
            fs::read(&path).map_err(|source| Failure::File { path: path.clone(), source })?;
        (path, content).hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(dir: &Path, into: &mut Vec<PathBuf>) -> Done {
    let fail = |source| Failure::File { path: dir.to_path_buf(), source };
    for entry in fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}
