//! What happens to running pods while etcd or the webhook does not answer. These tests break what other tests need, so
//! each of them runs alone, or with others of the same situation.

use std::time::Duration;

use cairn_e2e::app::App;
use cairn_e2e::etcd::{Etcd, FROZEN};
use cairn_e2e::node::Process;
use cairn_e2e::ns::{Namespace, alone, in_situation};
use cairn_e2e::pod::Pod;
use cairn_e2e::wait::{Seen, secs, throughout, until};
use cairn_e2e::webhook::AWAY;
use cairn_e2e::{Done, Failure, json};
use serde_json::json as object;

/// The validity of both built-in pools, and the time that a busy machine needs to notice its end.
const DEADLINE: Duration = secs(30 + 10);
/// Leases of the snowflake pool run out 61 s after their last renewal, and the kubelet restarts an etcd that does not
/// answer for a minute. The app must be stopped before.
const APP_IS_STOPPED: Duration = secs(48);

#[test]
fn nothing_changes_when_etcd_is_frozen_for_20_seconds() -> Done {
    alone("blip", |ns| {
        let pod = App::claiming("ids", "mountains,snowflake").deploy(ns)?.remove(0);
        let before = settled(&pod)?;
        let frozen = Etcd::of(&ns.cluster).freeze()?;
        throughout(secs(20), || {
            assert_eq!(everything(&pod)?, before);
            Ok(())
        })?;
        frozen.thaw()?;
        renewed_after(&pod, &valid_until(&pod)?)?;
        assert_eq!(everything(&pod)?, before);
        Ok(())
    })
}

#[test]
fn when_etcd_is_frozen_past_the_deadline_a_stop_pools_app_is_killed_and_restarted_with_the_same_fence()
-> Done {
    in_situation(&FROZEN, "stop", |ns, etcd| {
        // The app has a liveness probe of its own, as most apps have, and it passes all the time.
        let serves = "mkdir /tmp/www && echo ok >/tmp/www/healthz && httpd -p 8080 -h /tmp/www && \
             trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";
        let own = object!({"httpGet": {"path": "/healthz", "port": 8080}, "failureThreshold": 10});
        let own = App::claiming("ids", "snowflake").script(serves).with("livenessProbe", own);
        let pod = own.deploy(ns)?.remove(0);
        let (name, fence) = (pod.file("name")?, pod.file("fence")?);
        let app = pod.container("app")?;
        let sidecar = Process::of_container(&ns.cluster, &pod.container("cairn")?.id)?;
        etcd.begin()?;
        until("the files go", DEADLINE, || {
            let files = sidecar.files("/var/run/cairn")?;
            let gone = |file: &&str| !files.iter().any(|there| there == file);
            let gone = ["name", "fence", "snowflake/name", "env"].iter().all(gone);
            Ok(if gone { Seen::Yes(()) } else { Seen::NotYet(files.join(" ")) })
        })?;
        until("the app is killed", APP_IS_STOPPED, || {
            Ok(match Process::of_container(&ns.cluster, &app.id) {
                Ok(_) => Seen::NotYet("it runs".to_owned()),
                Err(_) => Seen::Yes(()),
            })
        })?;
        etcd.end()?;
        pod.started_again(&app)?;
        assert_eq!((pod.file("name")?, pod.file("fence")?), (name.clone(), fence));
        assert_eq!(pod.environment()?["CAIRN_NAME"], name);
        assert_eq!(json::text(&pod.claim()?, "/state").as_deref(), Some("held"));
        Ok(())
    })
}

#[test]
fn when_etcd_is_frozen_past_the_deadline_a_keep_pools_app_runs_on_with_its_name() -> Done {
    in_situation(&FROZEN, "keep", |ns, etcd| {
        let pod = App::claiming("shop", "mountains").deploy(ns)?.remove(0);
        let before = settled(&pod)?;
        etcd.begin()?;
        in_state(&pod, "degraded", DEADLINE)?;
        assert_eq!(everything(&pod)?, before);
        etcd.end()?;
        in_state(&pod, "held", secs(60))?;
        assert_eq!(pod.container("app")?.restarts, 0);
        assert_eq!(pod.file("name")?, "Denali");
        Ok(())
    })
}

#[test]
fn a_pod_that_is_created_while_etcd_is_frozen_has_an_event_about_it_and_starts_when_etcd_answers()
-> Done {
    in_situation(&FROZEN, "early", |ns, etcd| {
        etcd.begin()?;
        ns.apply(&App::claiming("early", "mountains").pod().to_string())?;
        let pod = Pod::named(ns, "early");
        let said = until("an event names etcd", secs(40), || {
            let events = pod.events()?;
            let telling = events.iter().find(|event| event.contains("cairn-etcd"));
            Ok(telling
                .map_or_else(|| Seen::NotYet(events.join(" | ")), |event| Seen::Yes(event.clone())))
        })?;
        println!("while etcd is away: {}", said.trim());
        assert_eq!(pod.container("app")?.started_at, None, "the app runs without a claim");
        etcd.end()?;
        ns.kubectl(&["wait", "--for=condition=Ready", "pod/early", "--timeout=60s"])?;
        assert_eq!(pod.file("name")?, "Denali");
        assert_eq!(pod.container("cairn")?.restarts, 0);
        Ok(())
    })
}

#[test]
fn without_the_webhook_opted_in_pods_are_refused_and_other_and_running_pods_are_not_affected()
-> Done {
    in_situation(&AWAY, "no-webhook", |ns, webhook| {
        let running = App::claiming("running", "mountains").deploy(ns)?.remove(0);
        let before = settled(&running)?;
        webhook.begin()?;

        let refused = created(ns, &App::claiming("late", "mountains"))?;
        println!("without the webhook: {}", refused.trim());
        assert!(
            refused.contains("failed calling webhook \"inject.cairn.dev\"")
                && refused.contains("https://cairn-webhook.cairn-system.svc:443/mutate"),
            "{refused}"
        );
        App::named("plain").start(ns)?;

        Process::of_container(&ns.cluster, &running.container("cairn")?.id)?.signal("KILL")?;
        until("a restarted sidecar finds its claim without the webhook", secs(60), || {
            let restarts = running.container("cairn")?.restarts;
            Ok(if restarts > 0 { Seen::Yes(()) } else { Seen::NotYet("no restart".to_owned()) })
        })?;
        renewed_after(&running, &valid_until(&running)?)?;
        assert_eq!(everything(&running)?, before);

        webhook.end()?;
        App::claiming("late", "mountains").start(ns)?;
        assert_eq!(everything(&running)?, before);
        Ok(())
    })
}

/// [`everything`], once the annotations show that all claims are held.
fn settled(pod: &Pod<'_>) -> Result<String, Failure> {
    until("the pod's status annotation says held", secs(30), || {
        let status = pod.annotation("cairn.dev/status")?.unwrap_or_default();
        let held = status.contains("\"held\"") && !status.contains("\"waiting\"");
        Ok(if held { Seen::Yes(()) } else { Seen::NotYet(status) })
    })?;
    everything(pod)
}

/// What must not change: the app's process, its files and the pod's annotations.
fn everything(pod: &Pod<'_>) -> Result<String, Failure> {
    let published = pod.exec(&[
        "sh",
        "-c",
        "cd /var/run/cairn && ls && head -c 999 name prefix fence env */name */fence",
    ])?;
    let object = pod.object()?;
    let annotations = object.pointer("/metadata/annotations").cloned().unwrap_or_default();
    Ok(format!("{published}\n{annotations}\n{:?}", pod.container("app")?))
}

fn valid_until(pod: &Pod<'_>) -> Result<String, Failure> {
    Ok(json::text(&pod.claim()?, "/valid_until").unwrap_or_default())
}

/// Waits until the deadline is later than `instant`. Times in RFC 3339 and UTC are compared as text.
fn renewed_after(pod: &Pod<'_>, instant: &str) -> Done {
    until(&format!("the claim is valid longer than {instant}"), secs(40), || {
        let now = valid_until(pod)?;
        Ok(if now.as_str() > instant { Seen::Yes(()) } else { Seen::NotYet(now) })
    })
}

fn in_state(pod: &Pod<'_>, state: &str, within: Duration) -> Done {
    until(&format!("the claim is {state}"), within, || {
        let claim = pod.api("/v1/claims/mountains")?;
        let now = json::text(&claim, "/state").unwrap_or_default();
        Ok(if now == state { Seen::Yes(()) } else { Seen::NotYet(claim.to_string()) })
    })
}

/// What `kubectl` prints when a pod of the app is created.
fn created(ns: &Namespace, app: &App) -> Result<String, Failure> {
    let output =
        ns.cluster.kubectl_with(&["-n", &ns.name, "create", "-f", "-"], &app.pod().to_string())?;
    Ok(output.stderr)
}
