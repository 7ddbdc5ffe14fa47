//! Kubernetes Events on pods: claimed, waiting, lost, leading, stuck, and a group that looks generated.
//!
//! Best effort: Events follow the annotations and never delay a write; an Event that does not fit into the queue is
//! dropped. The annotations are authoritative.

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::runtime::events::{Event, EventType};
use tokio::sync::mpsc;

use super::claims::place::Place;
use super::desired::News;
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
pub async fn publish(client: Client, instance: String, mut queued: mpsc::Receiver<PodEvent>) {
    let stream = futures::stream::poll_fn(move |context| queued.poll_recv(context));
    let (client, instance) = (&client, &instance);
    stream
        .for_each_concurrent(AT_ONCE, |PodEvent { namespace, name, uid, owner, news }| async move {
            let pod = events::pod(&namespace, &name, Some(&uid));
            let event = kube_event(&news);
            events::publish(client, CONTROLLER, instance, &event, &pod).await;
            if let Some(owner) = owner.filter(|_| concerns_owner(&news)) {
                let note = event.note.map(|note| format!("pod {name}: {note}"));
                let owner = events::owner(&namespace, &owner);
                events::publish(client, CONTROLLER, instance, &Event { note, ..event }, &owner)
                    .await;
            }
        })
        .await;
}

/// Whether whoever runs the workload should see it: a pod does not get what it asked for, or lost it.
fn concerns_owner(news: &News) -> bool {
    matches!(news, News::Waiting { .. } | News::Lost { .. })
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
mod tests {
    use super::*;

    #[test]
    fn an_event_says_what_happened_to_which_name() {
        let pool: cairn_core::pool::PoolName = "mountains".parse().unwrap();
        let claimed = kube_event(&News::Claimed {
            pool: pool.clone(),
            name: "Denali".into(),
            fence: "5-17".into(),
        });
        assert_eq!((claimed.type_, claimed.reason.as_str()), (EventType::Normal, "Claimed"));
        assert_eq!(claimed.note.unwrap(), "mountains: Denali, fence 5-17");
        let waiting = |before, exhausted| {
            let place = Place { before, exhausted };
            let event = kube_event(&News::Waiting { pool: pool.clone(), place });
            (event.reason, event.note.unwrap())
        };
        let (reason, note) = waiting(Some(3), true);
        assert_eq!(reason, "Exhausted");
        assert!(
            note.starts_with("mountains: no name is free, and 3 pods are before it;"),
            "{note}"
        );
        let (reason, note) = waiting(None, false);
        assert_eq!(reason, "Waiting");
        assert!(note.starts_with("mountains: no name yet;"), "{note}");
        let lost = kube_event(&News::Lost { pool, name: "Denali".into(), kept: false });
        assert_eq!((lost.type_, lost.reason.as_str()), (EventType::Warning, "ClaimLost"));
        assert!(lost.note.unwrap().contains("must not use it"));
    }
}
