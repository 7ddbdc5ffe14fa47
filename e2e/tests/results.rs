//! Annotations of pods that have ended, and when their names are free again.

use cairn_e2e::app::App;
use cairn_e2e::etcd::Etcd;
use cairn_e2e::ns::{Namespace, within};
use cairn_e2e::pool::TestPool;
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure, json};
use serde_json::json as object;

#[test]
fn a_completed_pods_annotations_are_removed_before_the_next_pod_shows_the_name() -> Done {
    within("completed", |ns| {
        let spec = object!({"names": {"list": ["only"]}, "quarantine": "1s"});
        let pool = TestPool::create(&ns.cluster, "single", &spec)?;
        let job =
            |name: &str| App::claiming(name, &pool.name).annotation("cairn.dev/group", "runs");
        let key = format!("claim.cairn.dev/{}", pool.name);
        ns.apply(&job("first").script("sleep 3").job().to_string())?;
        let first = until("the first job's pod shows the name", secs(60), || {
            Ok(match carriers(ns, &key)?.pop() {
                Some(pod) => Seen::Yes(pod),
                None => Seen::NotYet("no pod shows it".to_owned()),
            })
        })?;
        let shown = annotations(ns, &first)?;
        for field in ["", ".prefix", ".fence"] {
            assert!(shown.contains(&format!("{key}{field}=")), "{shown}");
        }
        ns.apply(&job("second").job().to_string())?;
        until("the second job's pod shows the name", secs(90), || {
            let carriers = carriers(ns, &key)?;
            assert!(carriers.len() <= 1, "two pods show one name: {carriers:?}");
            Ok(match carriers.as_slice() {
                [pod] if *pod != first => Seen::Yes(()),
                other => Seen::NotYet(format!("{other:?}")),
            })
        })?;
        let left = annotations(ns, &first)?;
        assert!(!left.contains("claim.cairn.dev/"), "{left}");
        assert!(left.contains(r#""name":"only""#) && left.contains(r#""state":"ended""#), "{left}");
        Ok(())
    })
}

#[test]
fn the_name_of_a_deleted_pod_is_free_within_seconds_after_its_end() -> Done {
    within("freed", |ns| {
        let pool =
            TestPool::create(&ns.cluster, "single", &object!({"names": {"list": ["only"]}}))?;
        let app = App::claiming("app", &pool.name);
        let pod = app.start(ns)?;
        assert_eq!(pod.file("name")?, "only");
        let below = format!("/cairn/v1/ns/{}/c/{}/", ns.name, pool.name);
        let etcd = Etcd::of(&ns.cluster);
        ns.kubectl(&["delete", "pod", &pod.name, "--timeout=60s"])?;
        // The quarantine lasts five seconds after the end of the pod; the rest is for the checks.
        until("the name is free", secs(15), || {
            let left = etcd.keys(&below)?;
            let busy: Vec<_> = left.iter().filter(|key| key.ends_with("/only")).collect();
            Ok(if busy.is_empty() { Seen::Yes(()) } else { Seen::NotYet(format!("{busy:?}")) })
        })?;
        assert_eq!(app.start(ns)?.file("name")?, "only");
        Ok(())
    })
}

/// The names of the pods that have an annotation.
fn carriers(ns: &Namespace, key: &str) -> Result<Vec<String>, Failure> {
    let list = ns.get(&["pods"])?;
    let pointer = format!("/metadata/annotations/{}", json::key(key));
    let carries = json::list(&list, "/items").iter().filter(|pod| pod.pointer(&pointer).is_some());
    Ok(carries.filter_map(|pod| json::text(pod, "/metadata/name")).collect())
}

/// All annotations of a pod, as `key=value` lines.
fn annotations(ns: &Namespace, pod: &str) -> Result<String, Failure> {
    let object = ns.get(&["pod", pod])?;
    let all = object.pointer("/metadata/annotations").and_then(|all| all.as_object());
    let line = |(key, value): (&String, &serde_json::Value)| {
        format!("{key}={}", value.as_str().unwrap_or_default())
    };
    Ok(all.into_iter().flatten().map(line).collect::<Vec<_>>().join("\n"))
}
