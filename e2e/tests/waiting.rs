//! Pods that wait for a name, a name that is released by force, and minted IDs.

use cairn_e2e::app::{App, pods_of};
use cairn_e2e::etcd::Etcd;
use cairn_e2e::ns::{Namespace, within};
use cairn_e2e::operator;
use cairn_e2e::pod::Pod;
use cairn_e2e::pool::TestPool;
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure, json};
use serde_json::{Value, json as object};

#[test]
fn waiting_pods_get_the_names_of_an_exhausted_pool_in_the_order_of_their_tickets() -> Done {
    within("line", |ns| {
        let spec = object!({"names": {"list": ["only"]}, "quarantine": "1s"});
        let pool = TestPool::create(&ns.cluster, "line", &spec)?;
        let mut held = claimant("pod-0", &pool).start(ns)?;
        let waiting = ["pod-1", "pod-2", "pod-3"].map(|name| Pod::named(ns, name));
        for (rank, pod) in waiting.iter().enumerate() {
            ns.apply(&claimant(&pod.name, &pool).pod().to_string())?;
            println!("{}: {}", pod.name, event(pod, &format!("waiting with rank {rank}:"))?);
        }
        let shown = cairn(ns, &["claims", "-o", "json", "--pool", &pool.name])?;
        let queue: Vec<(Option<String>, Option<u64>)> = json::list(&shown, "/waiting")
            .iter()
            .map(|entry| {
                (json::text(entry, "/holder/pod"), entry.get("rank").and_then(Value::as_u64))
            })
            .collect();
        let expected = [(1, 0), (2, 1), (3, 2)];
        assert_eq!(queue, expected.map(|(pod, rank)| (Some(format!("pod-{pod}")), Some(rank))));
        let why = operator::cairn(&ns.cluster, &["check", "pod", "pod-2", "-n", &ns.name])?;
        println!("{}", why.stdout.trim());
        let rank = format!("it waits for a name of pool '{}': 1 pod is ahead of it", pool.name);
        assert!(why.stdout.contains(&rank), "{why:?}");
        assert_eq!(why.code, Some(1), "{why:?}");
        for next in waiting {
            held.delete()?;
            ready(ns, &next)?;
            assert_eq!(next.file("name")?, "only");
            held = next;
        }
        Ok(())
    })
}

#[test]
fn a_pod_without_a_name_is_told_of_on_its_controller_too() -> Done {
    within("owner", |ns| {
        let spec = object!({"names": {"list": ["only"]}, "quarantine": "1s"});
        let pool = TestPool::create(&ns.cluster, "owner", &spec)?;
        let app = App::claiming("orders", &pool.name).replicas(2);
        ns.apply(&app.deployment().to_string())?;
        let pods = pods_of(ns, "orders", 2)?;
        let owners = ns.get(&["replicasets", "-l", "app=orders"])?;
        let owner = json::text(&owners, "/items/0/metadata/name").unwrap_or_default();
        let told = exhausted(ns, &owner)?;
        println!("{owner}: {told}");
        let waiting = pods.iter().find(|pod| told.starts_with(&format!("pod {}: ", pod.name)));
        let waiting = waiting.ok_or_else(|| Failure::new(format!("of no pod: {told}")))?;
        assert_eq!(waiting.annotation(&format!("claim.cairn.dev/{}", pool.name))?, None);
        let said = format!("{}: no name is free, and no other pod is before it;", pool.name);
        assert!(told.contains(&said), "{told}");
        println!("{}: {}", waiting.name, exhausted(ns, &waiting.name)?);
        Ok(())
    })
}

#[test]
fn a_force_release_stops_the_app_and_quarantines_the_name() -> Done {
    within("force", |ns| {
        let spec = object!({
            "names": {"range": {"from": 0, "to": 1}}, "onLoss": "Stop",
            "validity": "9s", "quarantine": "9s",
        });
        let pool = TestPool::create(&ns.cluster, "force", &spec)?;
        let pod = claimant("victim", &pool).start(ns)?;
        assert_eq!(pod.file("name")?, "0");
        let (app, fence) = (pod.container("app")?, pod.file("fence")?);

        let told = Etcd::of(&ns.cluster).cairn(&["release", &pool.name, "0", "--fence", &fence])?;
        println!("{}", told.trim());
        assert!(told.contains(&format!("was taken from pod {}/victim; it rests for 19s", ns.name)));
        pod.started_again(&app)?;
        assert_eq!(pod.environment()?["CAIRN_NAME"], "1");
        assert_ne!(pod.file("fence")?, fence);
        let quarantines = format!("/cairn/v1/ns/{}/c/{}/contest/x/", ns.name, pool.name);
        let etcd = Etcd::of(&ns.cluster);
        until("the quarantine is over", secs(60), || {
            let keys = etcd.keys(&quarantines)?;
            Ok(if keys.is_empty() { Seen::Yes(()) } else { Seen::NotYet(keys.join(" ")) })
        })
    })
}

#[test]
fn minted_ids_grow_and_contain_the_node_id() -> Done {
    within("ids", |ns| {
        let pod = App::claiming("orders", "snowflake").deploy(ns)?.remove(0);
        let node: u64 = number(&pod.file("snowflake/name")?)?;
        let url = "http://127.0.0.1:24040/v1/ids?count=300";
        let mut last = 0;
        for _ in 0..3 {
            let answer = pod.exec(&["wget", "-qO-", "--post-data=", url])?;
            let answer: Value = serde_json::from_str(&answer)
                .map_err(|error| Failure::new(format!("not JSON: {error}: {answer}")))?;
            let ids = json::list(&answer, "/ids");
            assert_eq!(ids.len(), 300, "{answer}");
            for id in ids {
                let id = number(id.as_str().unwrap_or_default())?;
                assert!(id > last, "{id} after {last}");
                assert_eq!(id >> 12 & 0x3ff, node);
                last = id;
            }
        }
        println!("node {node} has minted 900 IDs, the last {last}");
        let claim = pod.claim()?;
        assert!(claim.pointer("/not_after_ms").is_some_and(Value::is_i64), "{claim}");
        Ok(())
    })
}

#[test]
fn ids_are_minted_in_the_layout_of_their_pool_which_cannot_be_changed() -> Done {
    within("layout", |ns| {
        let ids = object!({"layout": "42/8/13", "epoch": "2026-01-01T00:00:00Z"});
        let names = object!({"range": {"from": 200, "to": 255}});
        let spec = object!({"names": names, "scope": "Cluster", "clock": "Reserve", "ids": ids});
        let pool = TestPool::create(&ns.cluster, "layout", &spec)?;
        let pod = App::claiming("orders", &pool.name).deploy(ns)?.remove(0);
        let node: u64 = number(&pod.file("name")?)?;
        let url = "http://127.0.0.1:24040/v1/ids";
        let answer = pod.exec(&["wget", "-qO-", "--post-data=", url])?;
        let answer: Value = serde_json::from_str(&answer)
            .map_err(|error| Failure::new(format!("not JSON: {error}: {answer}")))?;
        let id = json::text(&answer, "/ids/0").unwrap_or_default();
        println!("node {node} has minted {id}");
        let id = number(&id)?;
        assert_eq!((id >> 13 & 0xff, node >= 200), (node, true), "{id}");
        // Forty years in milliseconds: the epoch counts.
        assert!(id >> 21 < 40 * 366 * 24 * 3600 * 1000, "{id}");
        for change in [r#"{"spec":{"ids":null}}"#, r#"{"spec":{"ids":{"layout":"41/10/12"}}}"#] {
            let patch = ["patch", "pool", &pool.name, "--type=merge", "-p", change];
            let refused = ns.cluster.kubectl(&patch)?;
            assert!(refused.stderr.contains("ids cannot be changed"), "{change}: {refused:?}");
        }
        Ok(())
    })
}

/// All claimants are of one group, so they compete for the same names.
fn claimant(name: &str, pool: &TestPool) -> App {
    App::claiming(name, &pool.name).annotation("cairn.dev/group", "contest")
}

fn ready(ns: &Namespace, pod: &Pod<'_>) -> Done {
    let pod = format!("pod/{}", pod.name);
    ns.kubectl(&["wait", "--for=condition=Ready", &pod, "--timeout=90s"]).map(drop)
}

fn event(pod: &Pod<'_>, text: &str) -> Result<String, Failure> {
    until(&format!("an event of {} says '{text}'", pod.name), secs(60), || {
        let events = pod.events()?;
        let telling = events.iter().find(|event| event.contains(text));
        Ok(telling
            .map_or_else(|| Seen::NotYet(events.join(" | ")), |event| Seen::Yes(event.clone())))
    })
}

/// The message of the Event on an object that says that a pool is exhausted.
fn exhausted(ns: &Namespace, name: &str) -> Result<String, Failure> {
    let selector = format!("reason=Exhausted,involvedObject.name={name}");
    until(&format!("an Event of {name} says that the pool is exhausted"), secs(60), || {
        let list = ns.get(&["events", "--field-selector", &selector])?;
        let message = json::text(&list, "/items/0/message");
        Ok(message.map_or_else(|| Seen::NotYet("no Event".to_owned()), Seen::Yes))
    })
}

fn number(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|error| Failure::new(format!("'{text}' is not a number: {error}")))
}

fn cairn(ns: &Namespace, args: &[&str]) -> Result<Value, Failure> {
    let text = Etcd::of(&ns.cluster).cairn(args)?;
    serde_json::from_str(&text).map_err(|error| Failure::new(format!("not JSON: {error}: {text}")))
}
