//! The app starts when its claim is held, and not before.

use cairn_e2e::app::App;
use cairn_e2e::ns::{Namespace, within};
use cairn_e2e::pod::Pod;
use cairn_e2e::pool::TestPool;
use cairn_e2e::wait::{Seen, secs, throughout, until};
use cairn_e2e::{Done, Failure, json};
use serde_json::json as object;

#[test]
fn the_app_starts_only_after_its_claim_is_held() -> Done {
    within("gate", |ns| {
        let spec = object!({"names": {"list": ["only"]}, "quarantine": "1s"});
        let pool = TestPool::create(&ns.cluster, "single", &spec)?;
        let holder = claimant("holder", &pool).start(ns)?;
        assert_eq!(holder.file("name")?, "only");

        ns.apply(&claimant("waiter", &pool).pod().to_string())?;
        let waiter = Pod::named(ns, "waiter");
        let reason = waiting_reason(&waiter, &pool)?;
        println!("the waiting pod's event: {reason}");
        throughout(secs(5), || {
            assert_eq!(waiter.container("app")?.started_at, None, "the app runs without a claim");
            Ok(())
        })?;

        holder.delete()?;
        ready(ns, "waiter")?;
        assert_eq!(waiter.file("name")?, "only");
        let started = waiter.container("app")?.started_at.unwrap_or_default();
        let since = json::text(&waiter.claim()?, "/since").unwrap_or_default();
        assert!(
            whole_second(&started)? >= whole_second(&since)?,
            "the app was started at {started}, its claim is held since {since}"
        );
        Ok(())
    })
}

#[test]
fn an_app_without_a_gate_starts_at_once_and_its_files_are_published_later() -> Done {
    within("no-gate", |ns| {
        let app = App::claiming("eager", "mountains").annotation("cairn.dev/gate", "none");
        let pod = app.start(ns)?;
        until("the file is published", secs(30), || {
            Ok(match pod.file("name") {
                Ok(name) => Seen::Yes(name),
                Err(failure) => Seen::NotYet(failure.to_string()),
            })
        })?;
        assert!(!pod.environment()?.contains_key("CAIRN_NAME"));
        Ok(())
    })
}

/// Both pods are of one group, so they compete for the same name.
fn claimant(name: &str, pool: &TestPool) -> App {
    App::claiming(name, &pool.name).annotation("cairn.dev/group", "contest")
}

/// Waits for an Event that says why the pod waits.
fn waiting_reason(pod: &Pod<'_>, pool: &TestPool) -> Result<String, Failure> {
    until("an event says why the pod waits", secs(60), || {
        let events = pod.events()?;
        let telling = events.iter().find(|event| event.contains(&pool.name));
        Ok(telling
            .map_or_else(|| Seen::NotYet(events.join(" | ")), |event| Seen::Yes(event.clone())))
    })
}

fn ready(ns: &Namespace, pod: &str) -> Done {
    ns.kubectl(&["wait", "--for=condition=Ready", &format!("pod/{pod}"), "--timeout=90s"]).map(drop)
}

/// The time in seconds, rounded down: Kubernetes shows times in whole seconds.
fn whole_second(time: &str) -> Result<i64, Failure> {
    time.parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_second)
        .map_err(|error| Failure::new(format!("'{time}' is not a time: {error}")))
}
