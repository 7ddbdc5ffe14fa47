//! Members of a group on a real cluster: one leader, and groups that do not meet. Who serves which shard when is in
//! files of their own.

mod example;
mod lost;
mod recycled;
mod rollout;

use std::collections::{BTreeMap, BTreeSet};

use cairn_e2e::app::{App, pods_of, rolled_out};
use cairn_e2e::etcd::Etcd;
use cairn_e2e::ns::{Namespace, in_namespace, within};
use cairn_e2e::pod::Pod;
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure, json};
use serde_json::Value;

const SHARDS: usize = 16;

/// A shard's owner lets go 12 s after a deletion at the latest, and another one takes 13 s after a loss.
const SETTLED_WITHIN: u64 = 60;

/// Confirms everything that stops, as an app does that has nothing in flight.
const CONFIRMS: &str = "trap 'exit 0' TERM; \
    while :; do \
      stops=$(cat /var/run/cairn/shards.json /var/run/cairn/leader.json 2>/dev/null \
        | grep -o '\"stop\":\"[^\"]*\"' | cut -d: -f2 | tr '\\n' ',' | sed 's/,$//'); \
      [ -z \"$stops\" ] || wget -qO- --header 'Content-Type: application/json' \
        --post-data \"{\\\"stops\\\":[$stops]}\" http://127.0.0.1:24040/v1/stopped >/dev/null 2>&1; \
      sleep 0.2; \
    done";

fn members(name: &str, replicas: u32) -> App {
    App::named(name)
        .annotation("cairn.dev/coordinate", "peers,leader,shards")
        .annotation("cairn.dev/shards", &SHARDS.to_string())
        .annotation("cairn.dev/participate", "start")
        .annotation("cairn.dev/validity", "5s")
        .replicas(replicas)
        .script(CONFIRMS)
}

#[test]
fn a_group_has_one_leader_and_another_one_when_its_pod_is_deleted() -> Done {
    within("leader", |ns| {
        members("web", 3).deploy(ns)?;
        settled(ns, "web", 3)?;
        let first = leader(ns, "web", 3)?;
        until("the leader's pod says so", secs(10), || {
            let status = Pod::named(ns, &first).annotation("cairn.dev/status")?.unwrap_or_default();
            Ok(if status.contains("\"leader\":true") {
                Seen::Yes(())
            } else {
                Seen::NotYet(status)
            })
        })?;
        Pod::named(ns, &first).delete()?;
        rolled_out(ns, "web")?;
        settled(ns, "web", 3)?;
        assert_ne!(leader(ns, "web", 3)?, first);
        Ok(())
    })
}

#[test]
fn cairn_drain_reaches_a_pod_through_the_api_server_and_the_others_serve_its_shards() -> Done {
    within("drain", |ns| {
        members("web", 3).deploy(ns)?;
        let before = settled(ns, "web", 3)?;
        let pods = pods_of(ns, "web", 3)?;
        let (drained, others) = (&pods[0], &pods[1..]);
        let cairn = Etcd::of(&ns.cluster);
        let drain = ["drain", &drained.name, "--namespace", &ns.name];
        let expected = format!(
            "Pod '{}' drains: it hands over {} shards, each once its app has stopped, and takes none; \
             see cairn shards.\n",
            drained.name,
            before[&drained.name].len()
        );
        assert_eq!(cairn.cairn(&drain)?, expected);
        until("the others serve all shards", secs(SETTLED_WITHIN), || {
            let mut served = BTreeSet::new();
            for pod in others {
                served.extend(shards(pod)?);
            }
            let left = shards(drained)?;
            Ok(if served.len() == SHARDS && left.is_empty() {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{served:?}, drained: {left:?}"))
            })
        })?;
        let again = format!("Pod '{}' drains already; it still owns 0 shards.\n", drained.name);
        assert_eq!(cairn.cairn(&drain)?, again);
        Ok(())
    })
}

#[test]
fn cairn_step_down_reaches_the_leader_through_the_api_server_and_another_pod_leads() -> Done {
    within("step-down", |ns| {
        members("web", 3).deploy(ns)?;
        settled(ns, "web", 3)?;
        let first = leader(ns, "web", 3)?;
        let text = Etcd::of(&ns.cluster).cairn(&["step-down", "--namespace", &ns.name])?;
        assert!(text.starts_with(&format!("Pod '{first}' gives the leadership of ")), "{text}");
        until("another pod leads", secs(SETTLED_WITHIN), || {
            let now = leader(ns, "web", 3)?;
            Ok(if now == first { Seen::NotYet(now) } else { Seen::Yes(()) })
        })
    })
}

#[test]
fn two_groups_of_one_name_in_two_namespaces_never_meet() -> Done {
    within("one", |one| {
        in_namespace(&one.cluster, "two", |two| {
            for ns in [one, two] {
                members("web", 2).deploy(ns)?;
            }
            for ns in [one, two] {
                settled(ns, "web", 2)?;
                let names: BTreeSet<String> =
                    pods_of(ns, "web", 2)?.into_iter().map(|pod| pod.name).collect();
                let pod = &pods_of(ns, "web", 2)?[0];
                let peers = pod.api("/v1/peers")?;
                let seen = json::list(&peers, "/peers");
                let seen: BTreeSet<String> =
                    seen.iter().filter_map(|peer| json::text(peer, "/pod")).collect();
                assert_eq!(seen, names);
            }
            Ok(())
        })
    })
}

/// What each pod owns, once every shard is owned by exactly one of them.
fn settled(
    ns: &Namespace,
    app: &str,
    replicas: usize,
) -> Result<BTreeMap<String, BTreeSet<u64>>, Failure> {
    until(&format!("{SHARDS} shards have one owner each"), secs(SETTLED_WITHIN), || {
        let mut shares = BTreeMap::new();
        for pod in pods_of(ns, app, replicas)? {
            shares.insert(pod.name.clone(), shards(&pod)?);
        }
        let all: Vec<u64> = shares.values().flatten().copied().collect();
        let different: BTreeSet<u64> = all.iter().copied().collect();
        // Read one after the other: a shard that moves meanwhile is seen twice or not at all.
        let whole = all.len() == SHARDS && different.len() == SHARDS;
        let even = shares.values().all(|own| own.len() <= SHARDS.div_ceil(replicas));
        Ok(if whole && even { Seen::Yes(shares) } else { Seen::NotYet(format!("{shares:?}")) })
    })
}

/// What the pod may serve now, as its app reads it.
fn shards(pod: &Pod<'_>) -> Result<BTreeSet<u64>, Failure> {
    let text = pod.file("shards.json")?;
    let read: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("shards.json: {error}: {text}")))?;
    Ok(json::list(&read, "/shards").iter().filter_map(Value::as_u64).collect())
}

/// The pod that leads, by its own and by the others' account.
fn leader(ns: &Namespace, app: &str, replicas: usize) -> Result<String, Failure> {
    until("one pod leads", secs(SETTLED_WITHIN), || {
        let mut leaders = Vec::new();
        for pod in pods_of(ns, app, replicas)? {
            let answer = pod.api("/v1/leader")?;
            if answer.get("me").and_then(Value::as_bool) == Some(true) {
                leaders.push(pod.name.clone());
            }
        }
        Ok(match leaders.as_slice() {
            [one] => Seen::Yes(one.clone()),
            _ => Seen::NotYet(format!("{leaders:?}")),
        })
    })
}
