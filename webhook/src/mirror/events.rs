//! Kubernetes Events on pods: claimed, waiting, lost, leading, stuck, and a group that looks generated.
//!
//! Best effort: Events follow the annotations and never delay a write; an Event that does not fit into the queue is
//! dropped. The annotations are authoritative.

use futures::StreamExt;
use kube::Client;
use kube::runtime::events::{Event, EventType};
use tokio::sync::mpsc;

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
    /// The change.
    pub news: News,
}

/// Publishes Events until the sender is dropped.
pub async fn publish(client: Client, instance: String, mut queued: mpsc::Receiver<PodEvent>) {
    let stream = futures::stream::poll_fn(move |context| queued.poll_recv(context));
    let (client, instance) = (&client, &instance);
    stream
        .for_each_concurrent(AT_ONCE, |PodEvent { namespace, name, uid, news }| async move {
            let pod = events::pod(&namespace, &name, Some(&uid));
            events::publish(client, CONTROLLER, instance, &kube_event(&news), &pod).await;
        })
        .await;
}

fn kube_event(news: &News) -> Event {
    let (type_, reason, action, note) = match news {
        News::Claimed { pool, name, fence } => {
            (EventType::Normal, "Claimed", "Claim", format!("{pool}: {name}, fence {fence}"))
        }
        News::Waiting { pool } => (
            EventType::Normal,
            "Waiting",
            "Claim",
            format!("{pool}: no name yet; the startup probe of container cairn says why"),
        ),
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
        let lost = kube_event(&News::Lost { pool, name: "Denali".into(), kept: false });
        assert_eq!((lost.type_, lost.reason.as_str()), (EventType::Warning, "ClaimLost"));
        assert!(lost.note.unwrap().contains("must not use it"));
    }
}
