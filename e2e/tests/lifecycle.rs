//! What happens to a name when its pod, its app or its sidecar ends.

use cairn_e2e::app::{App, pods_of};
use cairn_e2e::etcd::Etcd;
use cairn_e2e::node::Process;
use cairn_e2e::ns::within;
use cairn_e2e::pod::Pod;
use cairn_e2e::wait::{Seen, secs, throughout, until};
use cairn_e2e::{Done, Failure, json};
use serde_json::Value;

/// Ends after SIGTERM only when the test has created a file, like an app that drains connections.
const LINGERS: &str = "trap 'until test -e /tmp/leave; do sleep 1; done; exit 0' TERM; \
     while :; do sleep 3600 & wait $!; done";

#[test]
fn a_deleted_pods_name_is_not_free_before_its_app_has_exited() -> Done {
    within("deleted", |ns| {
        let etcd = Etcd::of(&ns.cluster);
        let app = App::claiming("slow", "mountains").script(LINGERS).grace(180);
        let slot = format!("/cairn/v1/ns/{}/c/mountains/slow/s/Denali", ns.name);
        let first = app.deploy(ns)?.remove(0);
        assert_eq!(first.file("name")?, "Denali");
        let uid = json::text(&first.object()?, "/metadata/uid").unwrap_or_default();
        assert_eq!(holder(&etcd, &slot)?.as_ref(), Some(&uid));
        let process = first.container("app")?.id;

        first.delete()?;
        // The slot is read before the process: a slot that is gone while the process is still found is a violation.
        let state = || {
            let held = holder(&etcd, &slot)?.as_ref() == Some(&uid);
            let runs = Process::of_container(&ns.cluster, &process).is_ok();
            assert!(held || !runs, "the name was released while its app was running");
            Ok::<_, Failure>((held, runs))
        };
        throughout(secs(8), || {
            assert_eq!(state()?, (true, true), "name held, app running");
            Ok(())
        })?;
        first.exec(&["touch", "/tmp/leave"])?;
        until("the app has exited and its name is free", secs(60), || {
            Ok(match state()? {
                (true, runs) => Seen::NotYet(format!("held, app runs: {runs}")),
                (false, _) => Seen::Yes(()),
            })
        })?;

        let second = pods_of(ns, "slow", 1)?.remove(0);
        assert_eq!(second.claimed("mountains")?, "MtLogan", "the replacement of a lingering pod");
        until("the quarantine of Denali is over", secs(30), || {
            let keys = etcd.keys(&slot.replace("/s/", "/x/"))?;
            Ok(if keys.is_empty() { Seen::Yes(()) } else { Seen::NotYet(keys.join(" ")) })
        })?;
        let mut names = Vec::new();
        for pod in app.replicas(2).deploy(ns)? {
            names.push(pod.claimed("mountains")?);
        }
        names.sort();
        assert_eq!(names, ["Denali", "MtLogan"]);
        Ok(())
    })
}

#[test]
fn a_killed_sidecar_is_restarted_with_the_same_name_fence_and_files() -> Done {
    within("killed", |ns| {
        let app = App::claiming("ids", "mountains,snowflake");
        let pod = app.deploy(ns)?.remove(0);
        let before = published(&pod)?;
        let app_before = pod.container("app")?;
        let sidecar = pod.container("cairn")?;

        Process::of_container(&ns.cluster, &sidecar.id)?.signal("KILL")?;
        until("the sidecar runs again and holds its claims", secs(60), || {
            assert_eq!(published(&pod)?, before, "files or their contents changed");
            let now = pod.container("cairn")?;
            let claim = pod.claim()?;
            let adopted = claim.pointer("/holder/incarnation").and_then(Value::as_u64) > Some(1);
            let held = json::text(&claim, "/state").as_deref() == Some("held");
            Ok(if now.restarts > sidecar.restarts && adopted && held {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{now:?}, {claim}"))
            })
        })?;
        assert_eq!(pod.container("app")?, app_before, "the app was restarted");
        assert_eq!(pod.claimed("mountains")?, "Denali");
        Ok(())
    })
}

#[test]
fn a_job_with_the_annotation_completes() -> Done {
    within("job", |ns| {
        let job = App::claiming("import", "mountains").script("cat /var/run/cairn/name");
        ns.apply(&job.job().to_string())?;
        ns.kubectl(&["wait", "--for=condition=Complete", "job/import", "--timeout=90s"])?;
        assert_eq!(ns.kubectl(&["logs", "job/import", "-c", "app"])?, "Denali");
        let slots = format!("/cairn/v1/ns/{}/c/mountains/import/s/", ns.name);
        let etcd = Etcd::of(&ns.cluster);
        until("its name is free again", secs(30), || {
            let held = etcd.keys(&slots)?;
            Ok(if held.is_empty() { Seen::Yes(()) } else { Seen::NotYet(held.join(" ")) })
        })
    })
}

/// The UID of the pod that holds a slot.
fn holder(etcd: &Etcd, slot: &str) -> Result<Option<String>, Failure> {
    let value = etcd.value(slot)?;
    let record: Option<Value> = value.and_then(|text| serde_json::from_str(&text).ok());
    Ok(record.and_then(|record| json::text(&record, "/uid")))
}

/// The published files that a restart of the sidecar must not change.
fn published(pod: &Pod<'_>) -> Result<String, Failure> {
    let script = "cd /var/run/cairn && ls && head -c 999 name prefix fence env */name */fence";
    pod.exec(&["sh", "-c", script])
}
