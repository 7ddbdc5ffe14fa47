//! Looks for keys and tokens where they must not be: logs, objects, metrics, and what an app can read.
//!
//! [`collect`] reads everything that is kept of a namespace's pods and of Cairn itself; [`find`] is pure. Not for:
//! Secrets, and the volumes of containers other than the apps.

use serde_json::Value;

use self::pattern::Kind;
use crate::cluster::Cluster;
use crate::install::NAMESPACE;
use crate::json;
use crate::node::Process;
use crate::ns::Namespace;
use crate::pod::Pod;
use crate::{Done, Failure};

pub mod pattern;

/// The volume that sidecar and app share.
const VOLUME: &str = "/var/run/cairn";
/// The volume of the sidecar alone.
const CREDENTIALS: &str = "/var/run/cairn-credentials";
/// Objects that anybody who may look at a namespace can read.
const OBJECTS: &str =
    "pods,events,configmaps,services,deployments,replicasets,statefulsets,jobs,leases";

/// Something that was read.
#[derive(Clone, Debug)]
pub struct Text {
    /// Where: one of the words below, and details.
    pub place: String,
    /// What is there.
    pub text: String,
}

/// The kinds of places, as the beginnings of [`Text::place`].
pub const PLACES: [&str; 5] = ["logs", "objects", "metrics", "volume", "environment"];

/// A key or token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: String,
    /// What.
    pub kind: Kind,
    /// The line up to it, and its first characters.
    pub shown: String,
}

/// Everything that is kept of Cairn, of this namespace's sidecars, and of what its injected apps can read, as far as
/// their pods are ready.
pub fn collect(ns: &Namespace) -> Result<Vec<Text>, Failure> {
    let cluster = &ns.cluster;
    let injected = injected(ns)?;
    let mut texts = vec![
        // The files on the node cover all restarts.
        logs(cluster, &format!("{}_*/cairn", ns.name))?,
        logs(cluster, &format!("{NAMESPACE}_*/*"))?,
        objects(cluster, &["-n", &ns.name, OBJECTS])?,
        objects(cluster, &["-n", NAMESPACE, OBJECTS])?,
        objects(cluster, &["namespaces,nodes,pools,crd"])?,
        objects(cluster, &["mutatingwebhookconfigurations,validatingwebhookconfigurations"])?,
    ];
    for (component, port) in [("webhook", 9090), ("etcd", 2381)] {
        let selector = format!("app.kubernetes.io/component={component}");
        let pods = cluster.get(&["-n", NAMESPACE, "pods", "-l", &selector])?;
        for pod in json::list(&pods, "/items").iter().filter(|pod| json::is_ready(pod)) {
            texts.push(metrics(cluster, pod, port)?);
        }
    }
    for object in &injected {
        texts.push(metrics(cluster, object, 24041)?);
        texts.extend(of_app(ns, &Pod::from_object(ns, object))?);
    }
    Ok(texts)
}

/// Fails when an app can see the folder of the sidecar's credentials.
pub fn credentials_are_out_of_reach(ns: &Namespace) -> Done {
    for object in injected(ns)? {
        let pod = Pod::from_object(ns, &object);
        let script = format!("test -e {CREDENTIALS} && echo there || echo none");
        if pod.exec(&["sh", "-c", &script])?.trim() != "none" {
            return Err(Failure::new(format!("the app of {} sees {CREDENTIALS}", pod.name)));
        }
    }
    Ok(())
}

/// Keys and tokens in texts.
pub fn find(texts: &[Text]) -> Vec<Finding> {
    let lines = texts.iter().flat_map(|text| text.text.lines().map(|line| (&text.place, line)));
    lines
        .flat_map(|(place, line)| {
            pattern::find(line).into_iter().map(|found| Finding {
                place: place.clone(),
                kind: found.kind,
                shown: found.shown(line),
            })
        })
        .collect()
}

/// The objects of the namespace's pods that run with a sidecar.
fn injected(ns: &Namespace) -> Result<Vec<Value>, Failure> {
    let pods = ns.get(&["pods", "-l", "cairn.dev/injected=true"])?;
    Ok(json::list(&pods, "/items").iter().filter(|pod| json::is_ready(pod)).cloned().collect())
}

/// What an app has of Cairn: the files of the shared volume, and its variables.
fn of_app(ns: &Namespace, pod: &Pod<'_>) -> Result<[Text; 2], Failure> {
    let app = Process::of_container(&ns.cluster, &pod.container(pod.app())?.id)?;
    let files = grep(&ns.cluster, &format!("-R -D skip '' /proc/{}/root{VOLUME}", app.pid))?;
    let variables = grep(&ns.cluster, &format!("-z '' /proc/{}/environ", app.pid))?;
    Ok([
        Text { place: format!("volume of {}", pod.name), text: files },
        Text { place: format!("environment of {}", pod.name), text: variables.replace('\0', "\n") },
    ])
}

fn logs(cluster: &Cluster, which: &str) -> Result<Text, Failure> {
    let text = grep(cluster, &format!("'' /var/log/pods/{which}/*.log"))?;
    Ok(Text { place: format!("logs {which}"), text })
}

/// The lines of files on the node, each with its file's name.
fn grep(cluster: &Cluster, arguments: &str) -> Result<String, Failure> {
    // A file may be deleted while it is read: grep's exit code does not matter.
    cluster.node(&["sh", "-c", &format!("grep -asH {arguments}; true")])?.ok()
}

fn objects(cluster: &Cluster, which: &[&str]) -> Result<Text, Failure> {
    // JSON keeps each text on one line.
    let text = cluster.kubectl(&[&["get", "-o", "json"], which].concat())?.ok()?;
    Ok(Text { place: format!("objects {}", which.join(" ")), text })
}

fn metrics(cluster: &Cluster, pod: &Value, port: u16) -> Result<Text, Failure> {
    let text = |pointer| json::text(pod, pointer).unwrap_or_default();
    let url = format!("http://{}:{port}/metrics", text("/status/podIP"));
    let scraped = cluster.enter(&["curl", "--silent", "--show-error", "--fail", &url])?.ok()?;
    Ok(Text { place: format!("metrics of {}", text("/metadata/name")), text: scraped })
}
