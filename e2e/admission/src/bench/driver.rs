//! Sends reviews or creates pods at a steady rate, whether or not earlier ones are answered.
//!
//! A time begins at the instant at which the request is due, so that a server which is late makes all that wait look
//! slow too. Not for: the highest rate that is possible.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::client::Client;
use super::server::Served;
use super::{BenchError, Size, Times};
use crate::api_server::client::{Kubernetes, Store};
use crate::in_process::NAMESPACE;
use crate::review::Answer;

/// More than are ever busy at these rates.
const CONNECTIONS: usize = 16;

/// Through an API server there are at most so many of the large pod: it creates fewer of them in a second than come.
const LARGE: u32 = 200;

/// So many pods in each second, for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Pods in each second.
    pub per_second: u32,
    /// How many.
    pub pods: u32,
}

/// One pod a second shows a webhook whose caches are cold.
pub const RATES: [Rate; 3] = [
    Rate { per_second: 1, pods: 10 },
    Rate { per_second: 50, pods: 500 },
    Rate { per_second: 200, pods: 2_000 },
];

// === impl Rate ===

impl Rate {
    /// For an API server, which cannot keep up with large pods.
    #[must_use]
    pub fn for_api_server(self, size: Size) -> Self {
        match size {
            Size::Small => self,
            Size::Large => Self { pods: self.pods.min(LARGE), ..self },
        }
    }
}

/// Posts a review at a rate, over TLS.
pub async fn over_tls(served: &Served, body: &[u8], rate: Rate) -> Result<Times, BenchError> {
    let body: Arc<[u8]> = body.into();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(served).await?;
        // The handshake is over with the first answer.
        client.post(&body).await?;
        clients.push(client);
    }
    let (due, jobs) = mpsc::unbounded_channel::<Instant>();
    let jobs = Arc::new(Mutex::new(jobs));
    let mut workers = JoinSet::new();
    for mut client in clients {
        let (jobs, body) = (Arc::clone(&jobs), Arc::clone(&body));
        workers.spawn(async move {
            let mut micros = Vec::new();
            loop {
                let next = jobs.lock().await.recv().await;
                let Some(due) = next else { return Ok::<_, BenchError>(micros) };
                client.post(&body).await?;
                micros.push(since(due));
            }
        });
    }
    pace(rate, async |at| {
        let _ = due.send(at);
    })
    .await;
    drop(due);
    let mut all = Vec::new();
    while let Some(ended) = workers.join_next().await {
        all.extend(ended.map_err(|error| BenchError::Answer(error.to_string()))??);
    }
    Ok(Times::of(all))
}

/// What became of the pods of one run through an API server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Created {
    /// Of those that were created.
    pub times: Times,
    /// How many were not, because the API server was too late for its own limits.
    pub failed: usize,
}

/// Creates a pod at a rate through an API server, as dry runs. `injected` says whether it must get a sidecar.
pub async fn over_api_server(
    kubernetes: &Kubernetes,
    pod: &Value,
    injected: bool,
    rate: Rate,
) -> Result<Created, BenchError> {
    let pod = Arc::new(pod.clone());
    let mut requests = JoinSet::new();
    pace(rate, async |due| {
        let (kubernetes, pod) = (kubernetes.clone(), Arc::clone(&pod));
        requests.spawn(async move {
            let answer = kubernetes.create(&pod, NAMESPACE, Store::DryRun).await;
            let micros = since(due);
            match answer {
                Ok(Answer::Allowed(pod, _)) => {
                    let has = pod["metadata"]["labels"]["cairn.dev/injected"].is_string();
                    let wrong = || BenchError::Answer(format!("the pod has a sidecar: {has}"));
                    if has == injected { Ok(Some(micros)) } else { Err(wrong()) }
                }
                Ok(Answer::Refused(message)) if is_overload(&message) => Ok(None),
                Ok(Answer::Refused(message)) => Err(BenchError::Answer(message)),
                Err(_) => Ok(None),
            }
        });
    })
    .await;
    let (mut all, mut failed) = (Vec::new(), 0);
    while let Some(ended) = requests.join_next().await {
        match ended.map_err(|error| BenchError::Answer(error.to_string()))?? {
            Some(micros) => all.push(micros),
            None => failed += 1,
        }
    }
    Ok(Created { times: Times::of(all), failed })
}

/// Whether the API server had too much to do, by the words of its status 429.
fn is_overload(message: &str) -> bool {
    message.to_lowercase().contains("too many requests")
}

async fn pace(rate: Rate, mut send: impl AsyncFnMut(Instant)) {
    let step = Duration::from_secs(1) / rate.per_second.max(1);
    let begun = Instant::now();
    for number in 0..rate.pods {
        let due = begun + step * number;
        sleep_until(due).await;
        send(due).await;
    }
}

fn since(due: Instant) -> f64 {
    due.elapsed().as_secs_f64() * 1e6
}
