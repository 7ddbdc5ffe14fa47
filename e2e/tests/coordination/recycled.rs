//! A pod that gets the address of a pod that is gone is another member, also while the former one is still known.

use std::net::Ipv4Addr;
use std::time::Duration;

use cairn_e2e::app::App;
use cairn_e2e::cluster::Cluster;
use cairn_e2e::node::Process;
use cairn_e2e::ns::{Namespace, alone};
use cairn_e2e::pod::Pod;
use cairn_e2e::sharded::{PORT, Sharded, app};
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure, json};
use serde_json::Value;

const SHARDS: usize = 8;
/// The former member is known for a validity, and its shards are free a takeover delay later: 64 s with 30 s.
const SETTLED: Duration = secs(120);
/// Where the CNI plugin `host-local` keeps the addresses that it has given.
const ADDRESSES: &str = "/run/ipam/pods";

#[test]
fn a_pod_with_the_address_of_a_gone_one_is_not_taken_for_it() -> Done {
    alone("recycled", |ns| {
        let sharded = Sharded::follow(ns, "app", SHARDS);
        ns.apply(&member("gone").pod().to_string())?;
        let other = member("other").start(ns)?;
        let before = sharded.settled(2, SETTLED)?;
        let gone = Pod::named(ns, "gone");
        let (old, address) = (uid(&gone)?, address(&gone)?);
        vanish(&gone)?;

        let new = takes(ns, "next", address)?;
        let (first, second) = until("both members are known", secs(20), || {
            let peers = other.api("/v1/peers")?;
            let of = |uid: &str| {
                let peers = json::list(&peers, "/peers").iter();
                peers.clone().find(|peer| json::text(peer, "/uid").as_deref() == Some(uid)).cloned()
            };
            let states = json::list(&peers, "/peers").iter().map(|peer| json::text(peer, "/pod"));
            Ok(match (of(&old), of(&uid(&new)?)) {
                (Some(old), Some(new)) => Seen::Yes((old, new)),
                _ => Seen::NotYet(format!("{:?}", states.collect::<Vec<_>>())),
            })
        })?;
        let endpoint = |peer: &Value| json::text(peer, "/endpoints/http");
        assert_eq!(endpoint(&first), Some(format!("{address}:{PORT}")));
        assert_eq!(endpoint(&first), endpoint(&second), "two members with one address");

        // Requests for the former member's shards reach the new one, which refuses them. One is asked for: the former
        // member is known for its V only, and each question takes a second on a busy machine.
        for shard in before["gone"].keys().take(1) {
            let owner = other.api(&format!("/v1/owner?key={shard}"))?;
            assert_eq!(json::text(&owner, "/owners/0/uid"), Some(old.clone()), "{owner}");
            let seen_by_new = new.api(&format!("/v1/owner?key={shard}"))?;
            assert_eq!(json::text(&seen_by_new, "/owners/0/uid"), Some(old.clone()));
            assert_eq!(seen_by_new.pointer("/owners/0/me"), Some(&Value::Bool(false)));
            let url = format!("http://{address}:{PORT}/{shard}");
            let refused = other.exec(&["wget", "-qO-", &url]);
            assert!(format!("{refused:?}").contains("421"), "{refused:?}");
        }
        // The other one may have given it something of its own.
        let given = sharded.shares()?.remove("next").unwrap_or_default();
        let early = before["gone"].keys().any(|shard| given.contains_key(shard));
        assert!(!early, "it serves what is not free yet: {given:?}");

        let pods = ["next", "other"].map(str::to_owned).into();
        sharded.served_by(&pods, &before["gone"].keys().copied().collect(), SETTLED)?;
        let after = sharded.settled(2, SETTLED)?;
        assert_eq!(after.keys().collect::<Vec<_>>(), ["next", "other"]);
        sharded.judged()?;
        let peers = other.api("/v1/peers")?;
        let known = json::list(&peers, "/peers").iter().map(|peer| json::text(peer, "/uid"));
        assert!(known.flatten().all(|uid| uid != old), "{peers}");
        for shard in after["next"].keys() {
            let owner = other.api(&format!("/v1/owner?key={shard}"))?;
            assert_eq!(json::text(&owner, "/owners/0/uid"), Some(uid(&new)?), "{owner}");
            let url = format!("http://{address}:{PORT}/{shard}");
            other.exec(&["wget", "-qO-", &url])?;
        }
        Ok(())
    })
}

/// A bare pod of the group. Its key is the shard's number.
fn member(name: &str) -> App {
    app(name, 1, SHARDS, "30s")
        .annotation("cairn.dev/group", "pair")
        .annotation("cairn.dev/min-participants", "2")
        .annotation("cairn.dev/shard-hash", "int")
        .annotation("cairn.dev/endpoints", &format!("http={PORT}"))
}

/// Ends a pod as the loss of its node does: it hands nothing over and does not leave, and its address is free.
fn vanish(pod: &Pod<'_>) -> Done {
    let (ns, cluster) = (pod.namespace(), &pod.namespace().cluster);
    let address = address(pod)?;
    let process = |name| Process::of_container(cluster, &pod.container(name)?.id);
    let processes = [process("cairn")?, process("app")?];
    for process in &processes {
        process.signal("STOP")?;
    }
    ns.kubectl(&["delete", "pod", &pod.name, "--force", "--grace-period=0", "--wait=false"])?;
    // Before that, the kubelet would start what has ended again.
    until("the kubelet ends the pod", secs(20), || {
        let events = pod.events()?;
        let ends = events.iter().any(|event| event.contains("Stopping container cairn"));
        Ok(if ends { Seen::Yes(()) } else { Seen::NotYet(format!("{events:?}")) })
    })?;
    for process in &processes {
        process.signal("KILL")?;
    }
    until("its address is free", secs(20), || {
        let found = cluster.node(&["ls", &format!("{ADDRESSES}/{address}")])?;
        Ok(if found.code == Some(0) { Seen::NotYet(found.stdout) } else { Seen::Yes(()) })
    })
}

/// Starts a pod that gets this address: the plugin gives the one after the last one.
fn takes<'a>(ns: &'a Namespace, name: &str, wanted: Ipv4Addr) -> Result<Pod<'a>, Failure> {
    let before = Ipv4Addr::from(u32::from(wanted).saturating_sub(1));
    let script = format!("printf %s {before} >{ADDRESSES}/last_reserved_ip.0");
    let cluster: &Cluster = &ns.cluster;
    cluster.node(&["sh", "-c", &script])?.ok()?;
    let pod = member(name).start(ns)?;
    assert_eq!(address(&pod)?, wanted, "the plugin has given another address");
    Ok(pod)
}

fn uid(pod: &Pod<'_>) -> Result<String, Failure> {
    Ok(json::text(&pod.object()?, "/metadata/uid").unwrap_or_default())
}

fn address(pod: &Pod<'_>) -> Result<Ipv4Addr, Failure> {
    let ip = json::text(&pod.object()?, "/status/podIP").unwrap_or_default();
    ip.parse().map_err(|error| Failure::new(format!("pod {} has '{ip}': {error}", pod.name)))
}
