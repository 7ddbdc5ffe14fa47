//! Kubernetes Events on pods: claimed, waiting, lost, leading, stuck, and a group that looks generated.
//!
//! What a pod waits for or has lost is on its controller too, where most people look first. There the pods are counted
//! in one Event for each pool and reason, so that a thousand waiting pods do not fill a controller's Events.
//!
//! Best effort: Events follow the annotations and never delay a write; an Event that does not fit into the queue is
//! dropped. The annotations are authoritative.

use cairn_core::pool::PoolName;
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::runtime::events::{Event, EventType};
use tokio::sync::mpsc;

use super::claims::place::Place;
use super::desired::News;
use super::limit::RequestLimit;
use crate::events;

/// Concurrent Events: few beside sixteen patches.
const AT_ONCE: usize = 4;

/// The reporting controller, in the form that the API requires.
const CONTROLLER: &str = "cairn.dev/mirror";

/// An Event about a pod.
#[derive(Clone, Debug)]
pub struct PodEvent {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's UID.
    pub uid: String,
    /// The pod's controller. What concerns whoever runs the workload is said there too.
    pub owner: Option<OwnerReference>,
    /// The change.
    pub news: News,
}

/// Publishes Events until the sender is dropped.
pub async fn publish(
    client: Client,
    instance: String,
    limit: RequestLimit,
    mut queued: mpsc::Receiver<PodEvent>,
) {
    let stream = futures::stream::poll_fn(move |context| queued.poll_recv(context));
    let on_owners = events::recorder(&client, CONTROLLER, &instance);
    let (client, instance, limit, on_owners) = (&client, &instance, &limit, &on_owners);
    stream
        .for_each_concurrent(AT_ONCE, |queued| async move {
            let PodEvent { namespace, name, uid, owner, news } = queued;
            let (event, about) = (kube_event(&news), events::pod(&namespace, &name, Some(&uid)));
            limit.ready().await;
            events::publish(client, CONTROLLER, instance, &event, &about).await;
            if let (Some(owner), Some(pool)) = (owner, of_owner(&news)) {
                let note = event.note.map(|note| format!("pod {name}: {note}"));
                let event = Event { note, secondary: Some(events::pool(pool)), ..event };
                limit.ready().await;
                events::record(on_owners, &event, &events::owner(&namespace, &owner)).await;
            }
        })
        .await;
}

/// The pool, if the news concerns whoever runs the workload: a pod does not get a name, or has lost one.
fn of_owner(news: &News) -> Option<&PoolName> {
    match news {
        News::Waiting { pool, .. } | News::Lost { pool, .. } => Some(pool),
        News::Claimed { .. }
        | News::Leads { .. }
        | News::Stuck { .. }
        | News::GroupLooksGenerated { .. } => None,
    }
}

fn kube_event(news: &News) -> Event {
    let (type_, reason, action, note) = match news {
        News::Claimed { pool, name, fence } => {
            (EventType::Normal, "Claimed", "Claim", format!("{pool}: {name}, fence {fence}"))
        }
        News::Waiting { pool, place: Place { before, exhausted } } => {
            let rank = before.map_or_else(String::new, |before| match before {
                0 => ", and no other pod is before it".to_owned(),
                1 => ", and 1 pod is before it".to_owned(),
                pods => format!(", and {pods} pods are before it"),
            });
            let (type_, reason, cause) = if *exhausted {
                (EventType::Warning, "Exhausted", "no name is free")
            } else {
                (EventType::Normal, "Waiting", "no name yet")
            };
            let note =
                format!("{pool}: {cause}{rank}; the startup probe of container cairn says more");
            (type_, reason, "Claim", note)
        }
        News::Lost { pool, name, kept: true } => (
            EventType::Warning,
            "ClaimLost",
            "Lose",
            format!(
                "{pool}: the claim to {name} is gone; the pod goes on under it, and others may claim it"
            ),
        ),
        News::Lost { pool, name, kept: false } => (
            EventType::Warning,
            "ClaimLost",
            "Lose",
            format!("{pool}: the claim to {name} is gone; the pod must not use it any more"),
        ),
        News::Leads { group } => {
            (EventType::Normal, "Leads", "Lead", format!("the pod leads group {group}"))
        }
        News::Stuck { shards, leader } => {
            let lead = if *leader { " and the leadership" } else { "" };
            (
                EventType::Warning,
                "HandOverStuck",
                "HandOver",
                format!(
                    "the pod drains but still has {shards} shards{lead}: its app has not confirmed their stop ids, or \
                     its sidecar cannot reach etcd; see the log of container cairn"
                ),
            )
        }
        News::GroupLooksGenerated { hint } => {
            (EventType::Warning, "GroupLooksGenerated", "Claim", hint.clone())
        }
    };
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note),
        action: action.to_owned(),
        secondary: None,
    }
}

#[cfg(test)]
mod tests;
