//! Kubernetes Events on pods, for what people would ask about: claimed, waiting, lost, and a group that is
//! new with every run.
//!
//! Best effort: they are told after the annotations are written, apart from the writes, and dropped
//! rather than waited for. The annotations are the truth.

use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use super::desired::News;

/// Events at a time: next to sixteen patches, a trickle.
const AT_ONCE: usize = 4;

/// Who reports; the form that the API asks for.
const CONTROLLER: &str = "cairn.dev/mirror";

/// Something to tell about a pod.
#[derive(Clone, Debug)]
pub struct Told {
    /// The pod.
    pub namespace: String,
    /// The pod.
    pub name: String,
    /// The pod.
    pub uid: String,
    /// What.
    pub news: News,
}

/// Tells everything that comes in, until nothing can any more.
pub async fn tell(client: Client, instance: String, mut told: mpsc::Receiver<Told>) {
    let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: Some(instance) };
    let stream = futures::stream::poll_fn(move |context| told.poll_recv(context));
    stream
        .for_each_concurrent(AT_ONCE, |told| {
            // A recorder remembers what it has told in order to count repetitions; transitions do
            // not repeat, and it would take two different claims of one pod for the same.
            let recorder = Recorder::new(client.clone(), reporter.clone());
            async move {
                if let Err(error) = recorder.publish(&event(&told.news), &reference(&told)).await {
                    tracing::debug!(%error, pod = told.name, "an Event was not recorded");
                }
            }
        })
        .await;
}

fn event(news: &News) -> Event {
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

fn reference(told: &Told) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(told.namespace.clone()),
        name: Some(told.name.clone()),
        uid: Some(told.uid.clone()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_what_happened_to_which_name() {
        let pool: cairn_core::pool::PoolName = "mountains".parse().unwrap();
        let claimed = event(&News::Claimed {
            pool: pool.clone(),
            name: "Denali".into(),
            fence: "5-17".into(),
        });
        assert_eq!((claimed.type_, claimed.reason.as_str()), (EventType::Normal, "Claimed"));
        assert_eq!(claimed.note.unwrap(), "mountains: Denali, fence 5-17");
        let lost = event(&News::Lost { pool, name: "Denali".into(), kept: false });
        assert_eq!((lost.type_, lost.reason.as_str()), (EventType::Warning, "ClaimLost"));
        assert!(lost.note.unwrap().contains("must not use it"));
    }
}
