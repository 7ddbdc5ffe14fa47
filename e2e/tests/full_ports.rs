//! Filling the ports of sidecar and webhook with connections stops no app and no admission.

use std::net::SocketAddr;
use std::thread;

use cairn_e2e::app::App;
use cairn_e2e::cluster::Cluster;
use cairn_e2e::node::Process;
use cairn_e2e::ns::within;
use cairn_e2e::pod::Pod;
use cairn_e2e::wait::{secs, throughout};
use cairn_e2e::{Done, Failure, json};

const FLOOD: &str = env!("CARGO_BIN_EXE_cairn-flood");
/// Long enough for the liveness probe of any app to fail as often as it may.
const SECONDS: &str = "60";
const CONNECTIONS: &str = "200";

#[test]
fn a_pod_that_fills_the_port_of_another_pods_sidecar_does_not_stop_its_app() -> Done {
    within("full-sidecar", |ns| {
        let pod = App::claiming("ids", "snowflake").deploy(ns)?.remove(0);
        let flooder = App::named("flooder").start(ns)?;
        let before = (pod.container("app")?, pod.container("cairn")?);
        let admin = address(&pod, 24041)?.to_string();

        let said = thread::scope(|scope| {
            let helpers = [
                scope.spawn(|| {
                    from_pod(&ns.cluster, &flooder, &["hold", &admin, CONNECTIONS, SECONDS])
                }),
                scope.spawn(|| from_node(&ns.cluster, &["probe", &admin, "/app/livez", SECONDS])),
            ];
            helpers.map(|helper| helper.join().unwrap_or_else(|_| Err(Failure::new("it panicked"))))
        });
        for line in said {
            println!("the sidecar's port: {}", line?.trim());
        }
        // From the kubelet's own address, as a pod with hostNetwork can. The kubelet's probes show whether it matters.
        let said = from_node(&ns.cluster, &["hold", &admin, CONNECTIONS, "30"])?;
        println!("the sidecar's port, from the node: {}", said.trim());
        let after = (pod.container("app")?, pod.container("cairn")?);
        assert_eq!(after, before, "a container was restarted");
        Ok(())
    })
}

#[test]
fn a_pod_that_fills_the_ports_of_the_webhook_stops_no_admission() -> Done {
    within("full-webhook", |ns| {
        let flooder = App::named("flooder").start(ns)?;
        let cluster = &ns.cluster;
        let before = webhooks(cluster)?;
        let candidate = App::claiming("candidate", "mountains").pod().to_string();
        let targets: Vec<String> = before
            .iter()
            .flat_map(|(_, ip, _)| [format!("{ip}:10250"), format!("{ip}:9090")])
            .collect();

        thread::scope(|scope| -> Done {
            let flooder = &flooder;
            let hold = |target| {
                move || from_pod(cluster, flooder, &["hold", target, CONNECTIONS, SECONDS])
            };
            let floods: Vec<_> = targets.iter().map(|target| scope.spawn(hold(target))).collect();
            let mut admitted = 0;
            throughout(secs(55), || {
                let create = ["-n", &ns.name, "create", "--dry-run=server", "-f", "-"];
                cluster.kubectl_with(&create, &candidate)?.ok()?;
                admitted += 1;
                Ok(())
            })?;
            println!("the webhook's ports: {admitted} admissions");
            for (target, flood) in targets.iter().zip(floods) {
                let said = flood.join().unwrap_or_else(|_| Err(Failure::new("it panicked")))?;
                println!("{target}: {}", said.trim());
            }
            Ok(())
        })?;
        assert_eq!(webhooks(cluster)?, before, "a webhook was restarted");
        Ok(())
    })
}

/// Runs the helper in the network of a pod.
fn from_pod(cluster: &Cluster, pod: &Pod<'_>, args: &[&str]) -> Result<String, Failure> {
    let process = Process::of_container(cluster, &pod.container("app")?.id)?;
    let network = format!("--net=/proc/{}/ns/net", process.pid);
    cluster.node(&[&["nsenter", &network, "--", FLOOD], args].concat())?.ok()
}

/// Runs the helper in the network of the node.
fn from_node(cluster: &Cluster, args: &[&str]) -> Result<String, Failure> {
    cluster.enter(&[&[FLOOD], args].concat())?.ok()
}

fn address(pod: &Pod<'_>, port: u16) -> Result<SocketAddr, Failure> {
    let ip = json::text(&pod.object()?, "/status/podIP").unwrap_or_default();
    let ip = ip.parse().map_err(|_| Failure::new(format!("'{ip}' is not an IP address")))?;
    Ok(SocketAddr::new(ip, port))
}

/// Name, address and restarts of each webhook pod.
fn webhooks(cluster: &Cluster) -> Result<Vec<(String, String, u64)>, Failure> {
    let selector = "app.kubernetes.io/component=webhook";
    let list = cluster.get(&["pods", "-A", "-l", selector])?;
    let text = |pod, pointer| json::text(pod, pointer).unwrap_or_default();
    let restarts = |pod: &serde_json::Value| {
        pod.pointer("/status/containerStatuses/0/restartCount").and_then(serde_json::Value::as_u64)
    };
    // A pod of an earlier rollout may still be on its way out.
    let staying = |pod: &&serde_json::Value| pod.pointer("/metadata/deletionTimestamp").is_none();
    let mut pods: Vec<_> = json::list(&list, "/items")
        .iter()
        .filter(staying)
        .map(|pod| {
            let restarts = restarts(pod).unwrap_or_default();
            (text(pod, "/metadata/name"), text(pod, "/status/podIP"), restarts)
        })
        .collect();
    pods.sort();
    Ok(pods)
}
