//! Pools that are deleted while pods hold their names, and created again with another scope.

use cairn_e2e::app::App;
use cairn_e2e::cluster::Cluster;
use cairn_e2e::etcd::Etcd;
use cairn_e2e::node::Process;
use cairn_e2e::ns::{Namespace, in_namespace, within};
use cairn_e2e::pod::Pod;
use cairn_e2e::pool::{self, TestPool};
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure, json};
use serde_json::{Value, json as object};

/// A pool of four numbers with short times.
fn barrels(scope: &str) -> Value {
    object!({
        "names": {"range": {"from": 0, "to": 3}}, "scope": scope, "onLoss": "Stop",
        "validity": "9s", "quarantine": "9s",
    })
}

#[test]
fn a_pool_that_is_deleted_in_use_names_its_holders_and_is_gone_when_it_has_none() -> Done {
    within("orchard", |ns| {
        let pool = TestPool::create(&ns.cluster, "barrels", &barrels("Namespace"))?;
        let cellar = App::claiming("cellar", &pool.name).replicas(2);
        let pods = cellar.deploy(ns)?;
        delete(&ns.cluster, &pool.name)?;
        let says = reason(&ns.cluster, &pool.name, "BeingDeleted", "2 names are held")?;
        println!("{says}");
        for pod in &pods {
            let held = format!("{}/{}: {}", ns.name, pod.name, pod.file("name")?);
            assert!(says.contains(&held), "{says}");
        }
        let refused = refusal(ns, &App::claiming("late", &pool.name))?;
        assert!(refused.contains(&format!("pool '{}' is being deleted", pool.name)), "{refused}");

        // Its holders keep their claims, also when their sidecars are restarted.
        let before: Vec<_> = pods.iter().map(fence).collect::<Result<_, _>>()?;
        let [pod, ..] = pods.as_slice() else { return Err(Failure::new("no pods")) };
        let sidecar = pod.container("cairn")?;
        Process::of_container(&ns.cluster, &sidecar.id)?.signal("KILL")?;
        until("the sidecar runs again and holds its number", secs(60), || {
            let now = pod.container("cairn")?;
            let held = json::text(&pod.claim()?, "/state").as_deref() == Some("held");
            let again = now.restarts > sidecar.restarts && held;
            Ok(if again { Seen::Yes(()) } else { Seen::NotYet(format!("{now:?}")) })
        })?;
        let after: Vec<_> = pods.iter().map(fence).collect::<Result<_, _>>()?;
        assert_eq!(before, after);

        ns.kubectl(&["delete", "deployment", "cellar", "--wait=false"])?;
        gone(&ns.cluster, &pool.name)?;
        let etcd = Etcd::of(&ns.cluster);
        for kind in ["pools", "shapes"] {
            let left = etcd.keys(&format!("/cairn/v1/{kind}/{}", pool.name))?;
            assert!(left.is_empty(), "{left:?}");
        }

        let remade = pool::object(&pool.name, &barrels("Cluster")).to_string();
        ns.cluster.kubectl_with(&["create", "-f", "-"], &remade)?.ok()?;
        reason(&ns.cluster, &pool.name, "Defined", "")?;
        in_namespace(&ns.cluster, "meadow", |other| {
            let ours = cellar.deploy(ns)?;
            let theirs = cellar.deploy(other)?;
            let all = ours.iter().chain(&theirs);
            let mut numbers = all.map(|pod| pod.file("name")).collect::<Result<Vec<_>, _>>()?;
            numbers.sort();
            assert_eq!(numbers, ["0", "1", "2", "3"], "unique in the cluster now");
            Ok(())
        })
    })
}

#[test]
fn pools_and_their_pods_that_are_applied_together_are_admitted() -> Done {
    within("together", |ns| {
        let pools: Vec<_> = (0..6).map(|_| TestPool::named(&ns.cluster, "hives")).collect();
        let pair = |pool: &TestPool| {
            let spec = object!({"names": {"list": ["clover"]}});
            [pool::object(&pool.name, &spec), App::claiming(&pool.name, &pool.name).pod()]
        };
        let items: Vec<Value> = pools.iter().flat_map(pair).collect();
        ns.apply(&object!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())
    })
}

#[test]
fn a_pool_that_is_created_again_with_another_scope_grants_nothing_until_the_old_names_are_free()
-> Done {
    within("force-remade", |ns| {
        let pool = TestPool::create(&ns.cluster, "casks", &barrels("Namespace"))?;
        let cellar = App::claiming("cellar", &pool.name);
        let holder = cellar.deploy(ns)?.remove(0);
        let number = holder.file("name")?;
        delete(&ns.cluster, &pool.name)?;
        let bare = r#"{"metadata":{"finalizers":null}}"#;
        ns.cluster.kubectl(&["patch", "pool", &pool.name, "--type=merge", "-p", bare])?.ok()?;
        let remade = pool::object(&pool.name, &barrels("Cluster")).to_string();
        until("the pool is made again", secs(30), || {
            Ok(match ns.cluster.kubectl_with(&["create", "-f", "-"], &remade)?.ok() {
                Ok(_) => Seen::Yes(()),
                Err(failure) => Seen::NotYet(failure.to_string()),
            })
        })?;
        let says = reason(&ns.cluster, &pool.name, "OtherShape", "1 name is held")?;
        println!("{says}");
        assert!(says.contains(&format!("{}/{}: {number}", ns.name, holder.name)), "{says}");
        let refused = refusal(ns, &App::claiming("late", &pool.name))?;
        assert!(refused.contains("an earlier pool of this name with scope Namespace"), "{refused}");
        assert_eq!(json::text(&holder.claim()?, "/state").as_deref(), Some("held"));

        ns.kubectl(&["delete", "deployment", "cellar", "--wait=false"])?;
        reason(&ns.cluster, &pool.name, "Defined", "")?;
        let next = App::claiming("next", &pool.name).deploy(ns)?.remove(0);
        let slots = format!("/cairn/v1/cluster/{}/-/s/{}", pool.name, next.file("name")?);
        assert_eq!(Etcd::of(&ns.cluster).keys(&slots)?, [slots]);
        Ok(())
    })
}

fn delete(cluster: &Cluster, pool: &str) -> Done {
    cluster.kubectl(&["delete", "pool", pool, "--wait=false"])?.ok().map(drop)
}

/// Waits until a pool's condition Ready has this reason and a message that contains `part`, and returns the message.
fn reason(cluster: &Cluster, pool: &str, reason: &str, part: &str) -> Result<String, Failure> {
    until(&format!("pool {pool} is {reason}"), secs(90), || {
        let object = cluster.get(&["pool", pool])?;
        let conditions = json::list(&object, "/status/conditions");
        let ready =
            conditions.iter().find(|found| json::text(found, "/type").as_deref() == Some("Ready"));
        let said = ready.and_then(|ready| {
            Some((json::text(ready, "/reason")?, json::text(ready, "/message")?))
        });
        Ok(match said {
            Some((found, message)) if found == reason && message.contains(part) => {
                Seen::Yes(message)
            }
            other => Seen::NotYet(format!("{other:?}")),
        })
    })
}

fn gone(cluster: &Cluster, pool: &str) -> Done {
    until(&format!("pool {pool} is gone"), secs(90), || {
        let found =
            cluster.kubectl(&["get", "pool", pool, "--ignore-not-found", "-o", "yaml"])?.ok()?;
        Ok(if found.is_empty() { Seen::Yes(()) } else { Seen::NotYet(found) })
    })
}

/// Waits until a pod of this app is refused, and returns the message.
fn refusal(ns: &Namespace, app: &App) -> Result<String, Failure> {
    let pod = app.pod().to_string();
    until("an opted-in pod is refused", secs(30), || {
        let args = ["-n", &*ns.name, "create", "--dry-run=server", "-f", "-"];
        let output = ns.cluster.kubectl_with(&args, &pod)?;
        Ok(if output.code == Some(0) {
            Seen::NotYet(output.stdout)
        } else {
            Seen::Yes(output.stderr)
        })
    })
}

fn fence(pod: &Pod<'_>) -> Result<(String, String), Failure> {
    Ok((pod.file("name")?, pod.file("fence")?))
}
