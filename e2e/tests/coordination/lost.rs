//! What happens to shards when a pod is lost, when its app crashes, and when its app hangs.

use std::collections::BTreeSet;
use std::time::Duration;

use cairn_e2e::app::{App, pods_of};
use cairn_e2e::clock::Moment;
use cairn_e2e::cut_off::CutOff;
use cairn_e2e::node::Process;
use cairn_e2e::ns::within;
use cairn_e2e::pod::Pod;
use cairn_e2e::served::{self, Ending};
use cairn_e2e::sharded::{Sharded, app};
use cairn_e2e::wait::{Seen, pass, secs, until, until_quickly};
use cairn_e2e::{Done, Failure, json};
use serde_json::json as object;

const SETTLED: Duration = secs(90);
/// The lease of a session with the default validity of 10 s, 1 s until etcd has ended it, and the takeover delay. The
/// test gives a busy machine 1 s more.
const TAKEN_WITHIN: Duration = Duration::from_millis(23_300);
/// An app looks every 50 ms. The rest is for a busy machine.
const LOOKS_WITHIN: Duration = Duration::from_millis(500);

#[test]
fn shards_of_a_pod_that_is_cut_off_or_frozen_are_served_elsewhere_after_its_deadline() -> Done {
    within("lost", |ns| {
        let sharded = Sharded::follow(ns, "app", 20);
        app("web", 4, 20, "10s").deploy(ns)?;
        let before = sharded.settled(4, SETTLED)?;
        let pods = pods_of(ns, "web", 4)?;
        let (apart, frozen) = (&pods[0], &pods[1]);

        let stopped = [process(frozen, "app")?, process(frozen, "cairn")?];
        let cut = CutOff::from_other_pods(apart)?;
        let cut_at = Moment::now().nanos();
        for process in &stopped {
            process.signal("STOP")?;
        }
        let losses = [(apart, cut_at), (frozen, Moment::now().nanos())];
        let lost: BTreeSet<u32> =
            losses.iter().flat_map(|(pod, _)| before[&pod.name].keys().copied()).collect();
        let staying: BTreeSet<String> = pods[2..].iter().map(|pod| pod.name.clone()).collect();
        // Nobody takes anything before the takeover delay is over.
        pass(secs(12));
        let taken = sharded.served_by(&staying, &lost, TAKEN_WITHIN + secs(10))?;
        for process in &stopped {
            process.signal("CONT")?;
        }
        drop(cut);
        let again = sharded.settled(4, SETTLED)?;
        let spans = sharded.judged()?;

        let (mut elsewhere, mut slowest, mut margin) =
            (Duration::ZERO, Duration::ZERO, Duration::MAX);
        for (pod, lost_at) in losses {
            for span in spans.iter().filter(|span| span.by.pod == pod.name && span.from < lost_at) {
                assert_eq!(span.ending, Ending::Deadline, "{span:?}");
                let next = taken.iter().find(|next| next.shard == span.shard);
                let next = next.ok_or_else(|| Failure::new(format!("nobody took {span:?}")))?;
                elsewhere = elsewhere.max(served::between(lost_at, next.from));
                margin = margin.min(served::between(span.until, next.from));
                if pod.name == apart.name {
                    let said = span.said.unwrap_or(u64::MAX);
                    slowest = slowest.max(served::between(span.until, said));
                }
            }
        }
        println!(
            "a pod cut off and a pod frozen: their shards served elsewhere {elsewhere:.2?} later, {margin:.2?} \
             or more after their deadlines; the app that was cut off stopped within {slowest:.3?} of its own"
        );
        assert!(elsewhere <= TAKEN_WITHIN + secs(1), "only after {elsewhere:?}");
        assert!(slowest <= LOOKS_WITHIN, "it served for {slowest:?} after its deadline");
        assert!(again.contains_key(&apart.name) && again.contains_key(&frozen.name), "{again:?}");
        Ok(())
    })
}

#[test]
fn an_app_that_crashes_goes_on_with_its_session_and_nothing_moves() -> Done {
    within("crash", |ns| {
        let sharded = Sharded::follow(ns, "app", 16);
        app("web", 2, 16, "5s").deploy(ns)?;
        let before = sharded.settled(2, SETTLED)?;
        let pods = pods_of(ns, "web", 2)?;
        let (crashing, other) = (&pods[0], &pods[1]);
        let session = crashing.api("/v1/self")?.get("session").cloned();
        let began = Moment::now().nanos();
        process(crashing, "app")?.signal("KILL")?;
        until_quickly("it serves again", secs(30), || {
            let spans = sharded.spans()?;
            let second = spans.iter().filter(|span| span.by.restart == 1).count();
            Ok(if second == 8 { Seen::Yes(()) } else { Seen::NotYet(second.to_string()) })
        })?;
        // Whatever the crash has caused would be there by now.
        sharded.served_for(secs(5))?;
        assert_eq!(sharded.shares()?, before, "who serves what under which fence");
        let spans = sharded.judged()?;
        let others = spans.iter().filter(|span| span.by.pod == other.name).count();
        assert_eq!(others, 8, "the other pod was given something for a while");
        assert_eq!(crashing.api("/v1/self")?.get("session").cloned(), session);
        assert_eq!(crashing.container("cairn")?.restarts, 0);
        let first = spans.iter().filter(|span| span.by.restart == 1).map(|span| span.from).min();
        let away = served::between(began, first.unwrap_or(u64::MAX));
        println!("an app that crashed serves the same shards again {away:.2?} later");
        Ok(())
    })
}

#[test]
fn an_app_that_hangs_loses_its_shards_and_is_restarted_and_comes_back() -> Done {
    /// As long as it takes when the whole pod is lost. The deadline and the margin after it are 5 s.
    const SOONER_THAN: Duration = Duration::from_millis(11_100);
    within("hung", |ns| {
        let sharded = Sharded::follow(ns, "app", 12);
        heartbeating("web", "3s").deploy(ns)?;
        let before = sharded.settled(2, SETTLED)?;
        sharded.served_for(secs(6))?;
        let hung = pods_of(ns, "web", 2)?.remove(0);
        let app = hung.container("app")?;
        let shards: BTreeSet<u32> = before[&hung.name].keys().copied().collect();
        let began = Moment::now().nanos();
        process(&hung, "app")?.signal("STOP")?;
        until("its liveness fails", secs(20), || {
            Ok(match hung.admin("/app/livez") {
                Ok(answer) => Seen::NotYet(answer),
                Err(refused) if format!("{refused:?}").contains("503") => Seen::Yes(()),
                Err(failure) => Seen::NotYet(format!("{failure:?}")),
            })
        })?;
        let taken = sharded.served_elsewhere(&hung.name, &shards, secs(20))?;
        hung.started_again(&app)?;
        let again = sharded.settled(2, SETTLED)?;
        let spans = sharded.judged()?;
        let last = taken.iter().map(|span| span.from).max().unwrap_or(u64::MAX);
        let elsewhere = served::between(began, last);
        let came_back = spans
            .iter()
            .filter(|span| span.by.restart > 0 && span.by.pod == hung.name)
            .map(|span| span.from)
            .min();
        println!(
            "a hung app: its shards served elsewhere {elsewhere:.2?} later, by itself again {:.1?} later",
            served::between(began, came_back.unwrap_or(u64::MAX))
        );
        assert!(elsewhere < SOONER_THAN, "only after {elsewhere:?}");
        assert!(again.contains_key(&hung.name), "{again:?}");
        assert_eq!(hung.container("cairn")?.restarts, 0);
        // The first start of an app that is back is not taken for another hang.
        assert_eq!(hung.container("app")?.restarts, app.restarts + 1);
        let state = json::text(&hung.api("/v1/self")?, "/state");
        assert_eq!(state.as_deref(), Some("participant"));
        Ok(())
    })
}

/// Two pods whose apps promise a heartbeat, and are stopped when they miss it.
fn heartbeating(name: &str, within: &str) -> App {
    app(name, 2, 12, "3s")
        .annotation("cairn.dev/heartbeat", within)
        .annotation("cairn.dev/on-loss", "Stop")
        .env(object!({"name": "BEAT_MS", "value": "500"}))
        .grace(5)
}

/// The process of one of its containers.
fn process(pod: &Pod<'_>, container: &str) -> Result<Process, Failure> {
    Process::of_container(&pod.namespace().cluster, &pod.container(container)?.id)
}
