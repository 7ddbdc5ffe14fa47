//! Apps of a `Stop` pool end before another pod can claim their ID, also when they have probes of their own, and in
//! whatever state their sidecar is.

use cairn_e2e::app::App;
use cairn_e2e::etcd::Etcd;
use cairn_e2e::journal::{self, Run};
use cairn_e2e::node::Process;
use cairn_e2e::ns::{alone, within};
use cairn_e2e::pod::Pod;
use cairn_e2e::wait::{Seen, secs, until, until_quickly};
use cairn_e2e::{Done, Failure};
use serde_json::{Value, json as object};

/// How long an app may run that is started beside a sidecar that does not answer, in seconds: one until the kubelet
/// sees it run, one until its next probe, one for the timeout, one to kill it, and three for a busy machine. Nobody
/// else gets its ID for 110 s.
const LONGEST_RUN: f64 = 7.0;
/// How much longer an app may run that ignores SIGTERM: the kubelet's shortest grace period.
const LEAST_GRACE: f64 = 2.0;

/// Serves `/healthz` until the file is removed, writes its journal, and ends at once on SIGTERM.
const SERVES: &str = "mkdir -p /tmp/www && echo ok >/tmp/www/healthz && httpd -p 8080 -h /tmp/www; \
     trap 'exit 0' TERM; while :; do note; sleep 0.1; done";

/// Writes its journal and ignores SIGTERM.
const STUBBORN: &str = "trap '' TERM; while :; do note; sleep 0.1; done";

#[test]
fn beside_a_frozen_sidecar_an_app_ends_before_its_id_is_free_and_does_not_run_with_it_again() -> Done
{
    within("frozen", |ns| {
        let plain = journaling("plain", STUBBORN).grace(5);
        let own = journaling("own", SERVES).with("livenessProbe", healthz(10, 3));
        let apps = [plain.start(ns)?, own.start(ns)?];
        let mut before = Vec::new();
        for pod in &apps {
            let sidecar = pod.container("cairn")?;
            Process::of_container(&ns.cluster, &sidecar.id)?.signal("STOP")?;
            before.push((pod.file("name")?, sidecar, pod.container("app")?));
        }
        let third = journaling("third", SERVES).start(ns)?;
        let etcd = Etcd::of(&ns.cluster);
        for (pod, (id, _, app)) in apps.iter().zip(&before) {
            until_quickly("its app is stopped", secs(60), || {
                Ok(match Process::of_container(&ns.cluster, &app.id) {
                    Ok(_) => Seen::NotYet("it runs".to_owned()),
                    Err(_) => Seen::Yes(()),
                })
            })?;
            assert!(is_held(&etcd, pod, id)?, "{}: {id} was free before its app ended", pod.name);
        }
        for (pod, (id, sidecar, app)) in apps.iter().zip(&before) {
            until("the kubelet has restarted the sidecar", secs(120), || {
                let now = pod.container("cairn")?;
                let restarted = now.restarts > sidecar.restarts && now.started_at.is_some();
                Ok(if restarted { Seen::Yes(()) } else { Seen::NotYet(format!("{now:?}")) })
            })?;
            pod.started_again(app)?;
            let ready = ["wait", "--for=condition=Ready", &format!("pod/{}", pod.name)];
            ns.kubectl(&[&ready[..], &["--timeout=180s"]].concat())?;
            let name = pod.file("name")?;
            assert_eq!(pod.environment()?["CAIRN_NAME"], name);
            assert!(
                is_held(&etcd, pod, &name)?,
                "{} runs with {name} and does not hold it",
                pod.name
            );
            println!("{}: {id} before, {name} after", pod.name);
        }
        let others = journal::runs(&ns.cluster, &third)?;
        for (pod, grace) in apps.iter().zip([LEAST_GRACE, 0.0]) {
            let runs = journal::runs(&ns.cluster, pod)?;
            show(pod, &runs);
            let last = runs.len().saturating_sub(1);
            for run in runs.iter().take(last).skip(1) {
                assert!(run.length() <= LONGEST_RUN + grace, "{}: {run:?}", pod.name);
            }
            let shared = |run: &&Run| others.iter().any(|other| other.name == run.name);
            assert_eq!(runs.iter().find(shared), None, "a third pod ran with the same ID");
        }
        Ok(())
    })
}

/// Whether the pod holds the slot of the ID.
fn is_held(etcd: &Etcd, pod: &Pod<'_>, id: &str) -> Result<bool, Failure> {
    etcd.is_held_by(&format!("/cairn/v1/cluster/snowflake/-/s/{id}"), pod)
}

#[test]
fn an_app_is_restarted_by_its_own_probe_after_its_own_threshold() -> Done {
    within("own-probe", |ns| {
        let pod = journaling("own", SERVES).with("livenessProbe", healthz(1, 5)).start(ns)?;
        let asked = |result: &str| counted(&pod, "livenessProbe", result);
        until("the sidecar asks the app", secs(30), || Ok(at_least(asked("success")?, 3)))?;
        let (app, id) = (pod.container("app")?, pod.file("name")?);
        pod.exec(&["rm", "/tmp/www/healthz"])?;
        pod.started_again(&app)?;
        let log = ns.kubectl(&["logs", &pod.name, "-c", "cairn"])?;
        assert!(log.contains("livenessProbe failed 5 times in a row: status 404"), "{log}");
        let before = asked("success")?;
        until("the app is asked again", secs(30), || Ok(at_least(asked("success")?, before + 1)))?;
        let now = pod.container("app")?;
        assert_eq!(now.restarts, app.restarts + 1);
        assert_eq!(pod.file("name")?, id, "its claim must not change");
        assert_eq!(pod.container("cairn")?.restarts, 0);
        println!("restarted by its own probe: {:?}", reasons(&pod)?);
        Ok(())
    })
}

#[test]
fn an_app_is_not_ready_before_its_own_startup_probe_has_passed() -> Done {
    within("slow-start", |ns| {
        let late = format!("until test -e /tmp/go; do note; sleep 0.1; done; {SERVES}");
        let startup = object!({
            "httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 600,
        });
        let app = journaling("slow", &late).with("startupProbe", startup);
        ns.apply(&app.pod().to_string())?;
        let pod = Pod::named(ns, "slow");
        until("its own startup probe is asked", secs(60), || {
            Ok(at_least(counted(&pod, "startupProbe", "failure")?, 10))
        })?;
        assert_eq!(ready(&pod)?, Some(false));
        pod.exec(&["touch", "/tmp/go"])?;
        until("it is ready", secs(30), || {
            Ok(match ready(&pod)? {
                Some(true) => Seen::Yes(()),
                other => Seen::NotYet(format!("{other:?}")),
            })
        })?;
        let app = pod.container("app")?;
        assert_eq!(app.restarts, 0);

        // A restarted sidecar does not run the startup probe again.
        let sidecar = pod.container("cairn")?;
        Process::of_container(&ns.cluster, &sidecar.id)?.signal("KILL")?;
        until("the sidecar runs again", secs(60), || {
            let now = pod.container("cairn")?;
            let runs = now.restarts > sidecar.restarts && pod.admin("/readyz").is_ok();
            Ok(if runs { Seen::Yes(()) } else { Seen::NotYet(format!("{now:?}")) })
        })?;
        assert_eq!(counted(&pod, "startupProbe", "success")?, 0);
        assert_eq!(pod.container("app")?, app, "the app was disturbed");
        Ok(())
    })
}

#[test]
fn a_pod_is_refused_when_another_webhook_has_removed_cairns_probes() -> Done {
    alone("took", |ns| {
        let app = App::claiming("took", "snowflake").with("livenessProbe", healthz(10, 3));
        let dry_run = ["-n", &ns.name, "create", "--dry-run=server", "-o", "json", "-f", "-"];
        let mut pod = ns.cluster.kubectl_with(&dry_run, &app.pod().to_string())?.json()?;
        // Cairn's webhook is not called for this pod again, as when it is called before the other webhook.
        pod["metadata"]["labels"]["seen"] = object!("yes");
        let unseen = object!({"matchExpressions": [{"key": "seen", "operator": "DoesNotExist"}]});
        let select = |selector: Value| {
            let patch =
                object!({"webhooks": [{"name": "inject.cairn.dev", "objectSelector": selector}]});
            let patch = patch.to_string();
            let args = ["patch", "mutatingwebhookconfiguration", "cairn-webhook", "-p", &patch];
            ns.cluster.kubectl(&args)?.ok().map(drop)
        };
        select(unseen)?;
        let mut said = Vec::new();
        let outcome = until("the webhook is not asked any more", secs(30), || {
            said.clear();
            for field in [None, Some("startupProbe"), Some("livenessProbe")] {
                let mut pod = pod.clone();
                if let (Some(field), Some(container)) =
                    (field, pod["spec"]["containers"][0].as_object_mut())
                {
                    container.remove(field);
                }
                said.push(ns.cluster.kubectl_with(&dry_run, &pod.to_string())?);
            }
            let refused: Vec<bool> = said.iter().map(|output| output.code != Some(0)).collect();
            Ok(if refused == [false, true, true] {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{said:?}"))
            })
        });
        select(object!({"matchExpressions": null}))?;
        outcome?;
        let message = "or cairn.dev/on-loss: Stop), but another webhook took away or \
                       replaced the livenessProbe or startupProbe";
        assert!(said[1].stderr.contains(message), "{}", said[1].stderr);
        Ok(())
    })
}

/// An app of the snowflake pool whose script can call `note` to write its journal.
fn journaling(name: &str, script: &str) -> App {
    let script = format!("{} {script}", journal::WRITE);
    App::claiming(name, "snowflake").script(&script).journal()
}

fn healthz(period: u32, failures: u32) -> Value {
    object!({
        "httpGet": {"path": "/healthz", "port": 8080},
        "periodSeconds": period, "failureThreshold": failures,
    })
}

/// How often a probe of the app had a result, from the sidecar's metrics.
fn counted(pod: &Pod<'_>, probe: &str, result: &str) -> Result<u64, Failure> {
    let labels = format!("container=\"app\",probe=\"{probe}\",result=\"{result}\"");
    let line = format!("cairn_sidecar_app_probes_total{{{labels}}} ");
    let text = pod.admin("/metrics")?;
    let count = text.lines().find_map(|text| text.strip_prefix(&line)?.trim().parse().ok());
    Ok(count.unwrap_or_default())
}

fn at_least(count: u64, wanted: u64) -> Seen<()> {
    if count >= wanted { Seen::Yes(()) } else { Seen::NotYet(count.to_string()) }
}

/// Whether the app container is ready.
fn ready(pod: &Pod<'_>) -> Result<Option<bool>, Failure> {
    Ok(pod.object()?.pointer("/status/containerStatuses/0/ready").and_then(Value::as_bool))
}

fn reasons(pod: &Pod<'_>) -> Result<Vec<String>, Failure> {
    let events = pod.events()?;
    Ok(events.into_iter().filter(|event| event.contains("iveness probe")).collect())
}

fn show(pod: &Pod<'_>, runs: &[Run]) {
    let lengths: Vec<String> = runs.iter().map(|run| format!("{:.1}", run.length())).collect();
    println!("{}: the app's runs lasted {} s", pod.name, lengths.join(", "));
}
