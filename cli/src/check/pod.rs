//! `cairn check pod`: why a pod waits, in plain sentences. [`explain`] is pure.

use std::collections::BTreeMap;

use cairn_core::contract::{annotation, pod as names};
use cairn_core::identity::StatusEntry;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};

use super::finding::{Finding, report};
use super::pods::{asks, has_sidecar};
use crate::args::check::CheckPodArgs;
use crate::cluster::{connect, request};
use crate::etcd::EtcdError;
use crate::progress::Progress;
use crate::reach::Reach;
use crate::report::Report;
use crate::snapshot::{Snapshot, Waiting};

const ABOUT: &str = "pod";
/// The API server's words before those of a webhook that refuses.
const DENIED: &str = "denied the request: ";
/// The kubelet's words before those of a startup probe.
const PROBE_FAILED: &str = "Startup probe failed: ";

/// What is known about a pod.
#[derive(Debug, Default)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The pod, if there is one.
    pub pod: Option<Pod>,
    /// The Events of its namespace.
    pub events: Vec<Event>,
    /// What etcd has, or why that is not known.
    pub claims: Option<Result<Snapshot, String>>,
}

/// Runs the command.
pub async fn run(args: &CheckPodArgs) -> Result<Report, EtcdError> {
    let progress = Progress::say("asking the API server");
    let client = connect(&args.read.access.cluster).await?;
    let namespace = args.namespace.as_deref().filter(|text| !text.is_empty());
    let namespace = namespace.unwrap_or_else(|| client.default_namespace()).to_owned();
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let what = format!("read pod '{}' of namespace '{namespace}'", args.pod);
    let pod = pods.get_opt(&args.pod).await.map_err(request(what))?;
    let events: Api<Event> = Api::namespaced(client, &namespace);
    // A user who may not read them is told what is known without them, as when the API server has dropped them already.
    let events = events.list(&ListParams::default()).await.map(|list| list.items);
    drop(progress);
    let claims = if pod.as_ref().is_some_and(has_sidecar) {
        Some(snapshot(args).await.map_err(|error| error.to_string()))
    } else {
        None
    };
    let events = events.unwrap_or_default();
    let facts = Facts { name: args.pod.clone(), namespace, pod, events, claims };
    Ok(report(&explain(&facts), args.read.output))
}

async fn snapshot(args: &CheckPodArgs) -> Result<Snapshot, EtcdError> {
    Ok(Snapshot::read(&Reach::open(&args.read.access).await?.read().await?))
}

/// Why the pod waits, or that it does not wait for Cairn.
pub fn explain(facts: &Facts) -> Vec<Finding> {
    let Facts { name, namespace, pod, .. } = facts;
    let Some(pod) = pod else { return vec![missing(facts)] };
    if !asks(pod) {
        let message = format!(
            "{namespace}/{name} does not ask for Cairn: it has neither {} nor {}; if it waits, it is for \
             something else",
            annotation::POOL,
            annotation::COORDINATE
        );
        return vec![Finding::fine(ABOUT, message)];
    }
    if !has_sidecar(pod) {
        let message = format!(
            "{namespace}/{name} asks for Cairn and has no sidecar, so it was created while Cairn was away or in an \
             excluded namespace; delete it, so that it is created again"
        );
        return vec![Finding::problem(ABOUT, message)];
    }
    let mut findings: Vec<Finding> = of_scheduling(pod).into_iter().collect();
    if findings.is_empty() {
        findings.push(of_sidecar(facts, pod));
    }
    findings.extend(held(pod));
    match &facts.claims {
        Some(Ok(snapshot)) => {
            let waits = snapshot
                .waiting
                .iter()
                .filter(|waits| Some(&waits.holder().uid) == pod.metadata.uid.as_ref());
            findings.extend(waits.map(|waits| in_queue(waits, snapshot)));
        }
        Some(Err(error)) => {
            findings.push(Finding::unknown(ABOUT, format!("its rank is not known: {error}")));
        }
        None => {}
    }
    findings
}

/// A pod that does not exist was perhaps refused.
fn missing(facts: &Facts) -> Finding {
    let Facts { name, namespace, events, .. } = facts;
    let refused = events.iter().rev().find_map(|event| {
        let owner = event.involved_object.name.as_deref().filter(|owner| related(owner, name))?;
        let message = event.message.as_deref()?;
        let (_, reason) = message.split_once(DENIED)?;
        Some((event.involved_object.kind.clone().unwrap_or_default(), owner, reason))
    });
    let message = match refused {
        Some((kind, owner, reason)) => {
            format!(
                "{namespace}/{name} does not exist: {kind} '{owner}' cannot create it, because {reason}"
            )
        }
        None => format!(
            "{namespace}/{name} does not exist; see kubectl -n {namespace} get pods, and kubectl -n {namespace} get \
             events for pods that are refused"
        ),
    };
    Finding::problem(ABOUT, message)
}

/// Pods are called after their owner, and people type what they remember of a name.
fn related(owner: &str, name: &str) -> bool {
    name.starts_with(owner) || owner.starts_with(name)
}

fn of_scheduling(pod: &Pod) -> Option<Finding> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == "PodScheduled")?;
    (condition.status == "False").then(|| {
        let why = condition.message.as_deref().unwrap_or("the scheduler has not said why");
        Finding::problem(ABOUT, format!("it is not on a node yet: {why}"))
    })
}

fn of_sidecar(facts: &Facts, pod: &Pod) -> Finding {
    let statuses = pod.status.as_ref().and_then(|status| status.init_container_statuses.as_ref());
    let statuses = statuses.map(Vec::as_slice).unwrap_or_default();
    let Some(ours) = statuses.iter().find(|status| status.name == names::CONTAINER) else {
        return Finding::problem(ABOUT, "the kubelet has not begun with it yet; look at its node");
    };
    let state = ours.state.as_ref();
    if ours.started == Some(true) {
        return Finding::fine(
            ABOUT,
            "its sidecar lets the app run; if it still waits, it is not for Cairn",
        );
    }
    if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
        let words = ended.message.as_deref().unwrap_or_default().trim();
        return Finding::problem(
            ABOUT,
            format!("its sidecar ended with code {}: {words}", ended.exit_code),
        );
    }
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        let reason = waiting.reason.as_deref().unwrap_or("no reason given");
        let running = statuses.iter().take_while(|status| status.name != names::CONTAINER);
        if let Some(before) = running.into_iter().find(|status| !is_done(status)) {
            return Finding::problem(
                ABOUT,
                format!("init container '{}' comes before its sidecar", before.name),
            );
        }
        let words =
            waiting.message.as_deref().map(|words| format!(": {words}")).unwrap_or_default();
        return Finding::problem(ABOUT, format!("its sidecar does not start ({reason}){words}"));
    }
    let said = said(facts).unwrap_or("it has said nothing yet; look with kubectl logs -c cairn");
    Finding::problem(ABOUT, format!("its sidecar runs and holds the app back: {said}"))
}

fn is_done(status: &ContainerStatus) -> bool {
    let ended = status.state.as_ref().and_then(|state| state.terminated.as_ref());
    ended.is_some_and(|ended| ended.exit_code == 0) || status.started == Some(true)
}

/// The sidecar's own last words, which the kubelet keeps in an Event.
fn said(facts: &Facts) -> Option<&str> {
    let of_pod = |event: &&Event| event.involved_object.name.as_deref() == Some(&facts.name);
    let time = |event: &&Event| {
        event
            .last_timestamp
            .clone()
            .map(|time| time.0)
            .or_else(|| Some(event.event_time.clone()?.0))
    };
    let mut events: Vec<&Event> = facts.events.iter().filter(of_pod).collect();
    events.sort_by_key(time);
    events
        .into_iter()
        .rev()
        .find_map(|event| event.message.as_deref()?.strip_prefix(PROBE_FAILED))
        .map(str::trim)
}

/// What it holds, as the mirror has written it.
fn held(pod: &Pod) -> Vec<Finding> {
    let status = pod.annotations().get(annotation::STATUS);
    let status = status.and_then(|text| serde_json::from_str(text).ok());
    let entries: BTreeMap<String, serde_json::Value> = status.unwrap_or_default();
    let sentence = |(pool, entry): (String, serde_json::Value)| {
        let entry: StatusEntry = serde_json::from_value(entry).ok()?;
        let name = entry.name?;
        Some(Finding::fine(
            ABOUT,
            format!("its claim on '{name}' of pool '{pool}' is {}", entry.state),
        ))
    };
    entries.into_iter().filter_map(sentence).collect()
}

fn in_queue(waits: &Waiting, snapshot: &Snapshot) -> Finding {
    let pool = &waits.path.pool;
    let of_path = snapshot.taken.iter().filter(|taken| taken.path == waits.path);
    let (held, resting): (Vec<_>, Vec<_>) = of_path.partition(|taken| taken.claim.is_some());
    let names = snapshot.pools.get(pool).map_or(0, |pool| pool.names.len());
    let ahead = match waits.rank {
        0 => "it is the next one".to_owned(),
        1 => "1 pod is ahead of it".to_owned(),
        rank => format!("{rank} pods are ahead of it"),
    };
    let advice = if held.len() + resting.len() >= names {
        "it goes on when a pod ends and its name has rested; give the pool more names if that is too late"
    } else {
        "a name is free, so it goes on by itself once the freeze of the pool is over"
    };
    Finding::problem(
        ABOUT,
        format!(
            "it waits for a name of pool '{pool}': {ahead}; held: {} of {names}, resting: {}; {advice}",
            held.len(),
            resting.len()
        ),
    )
}

#[cfg(test)]
mod tests;
