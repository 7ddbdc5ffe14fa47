//! The whole run, and the page that it writes.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::alone::Alone;
use super::driver::{Created, Rate, over_api_server, over_tls};
use super::page::{self, Facts};
use super::server::{HOST, Server};
use super::whole::{self, Whole};
use super::{BenchError, Kind, Size, Times, plot, pods};
use crate::api_server::ApiServer;
use crate::api_server::client::Kubernetes;
use crate::in_process::NAMESPACE;
use crate::install::{create, manifest, until};
use crate::review;

/// One pod a second shows a webhook whose caches are cold.
pub const RATES: [Rate; 3] = [
    Rate { per_second: 1, pods: 10 },
    Rate { per_second: 50, pods: 500 },
    Rate { per_second: 200, pods: 2_000 },
];
/// An API server that has just started is busy with itself.
pub const WARM_UP: Rate = Rate { per_second: 50, pods: 500 };

/// The figures of one handler, one pod and one rate.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Which handler.
    pub kind: Kind,
    /// Which pod.
    pub size: Size,
    /// Pods in each second.
    pub rate: Rate,
    /// From the read body to the written answer.
    pub in_handler: Times,
    /// From the client and back, with TLS.
    pub over_tls: Times,
    /// The creation of a pod by an API server that calls the handler.
    pub created: Created,
    /// The handler's time while an API server called it.
    pub called: Times,
    /// Resident memory of the server's process afterwards, KiB.
    pub resident: u64,
}

/// All figures.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Without a server.
    pub alone: Vec<Alone>,
    /// With one.
    pub runs: Vec<Run>,
    /// The creation of the same pods without a webhook.
    pub without: Vec<(Size, Rate, Created)>,
    /// The same with all of Cairn.
    pub whole: Vec<Whole>,
}

/// Measures all that needs a server, prints everything, and writes the page and the plot into a folder.
pub async fn run(
    program: &Path,
    alone: Vec<Alone>,
    write: Option<PathBuf>,
) -> Result<(), BenchError> {
    let mut figures = Figures { alone, ..Figures::default() };
    let facts = served(program, &mut figures).await?;
    figures.whole = whole::measure(program).await?;
    let page = page::write(&facts, &figures);
    println!("{page}");
    if let Some(folder) = write {
        put(&folder.join("admission-benchmarks.md"), &page)?;
        put(&folder.join("admission.svg"), &plot::draw(&figures.runs)?)?;
    }
    Ok(())
}

/// Both handlers behind the same server, alone and called by an API server.
async fn served(program: &Path, figures: &mut Figures) -> Result<Facts, BenchError> {
    let api_server = ApiServer::start().await.map_err(|error| failed("the API server", error))?;
    let kubernetes = api_server.kubernetes();
    prepare(kubernetes).await?;
    over_api_server(kubernetes, &without_cairn(Size::Small), false, WARM_UP).await?;
    for size in Size::ALL {
        for rate in RATES {
            let pod = without_cairn(size);
            let created =
                over_api_server(kubernetes, &pod, false, rate.for_api_server(size)).await?;
            eprintln!("without a webhook: {size:?} {rate:?} {created:?}");
            figures.without.push((size, rate, created));
        }
    }
    for kind in Kind::ALL {
        let server = Server::start(program, kind)?;
        register(kubernetes, &server).await?;
        for size in Size::ALL {
            let pod = pods::pod(size);
            let body = review::body(&pod, NAMESPACE, false);
            for rate in RATES {
                server.times().await?;
                let over_tls = over_tls(&server.served, &body, rate).await?;
                let in_handler = Times::of(server.times().await?);
                let created =
                    over_api_server(kubernetes, &pod, true, rate.for_api_server(size)).await?;
                let called = Times::of(server.times().await?);
                let resident = server.resident();
                let run = Run { kind, size, rate, in_handler, over_tls, created, called, resident };
                eprintln!("{run:?}");
                figures.runs.push(run);
            }
        }
        kubernetes
            .delete(CONFIGURATION)
            .await
            .map_err(|error| failed("the end of the webhook", error))?;
    }
    Ok(Facts::of(&version(kubernetes).await))
}

const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/cairn-webhook";

/// A pod that does not ask for Cairn.
fn without_cairn(size: Size) -> Value {
    let mut pod = pods::pod(size);
    pod["metadata"]["annotations"] = json!({"example.com/team": "shop"});
    pod
}

fn put(path: &Path, text: &str) -> Result<(), BenchError> {
    std::fs::write(path, text).map_err(|error| BenchError::Write(path.to_owned(), error))
}

fn failed(part: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> BenchError {
    BenchError::Setup(part, Box::new(error))
}

async fn version(kubernetes: &Kubernetes) -> String {
    let version = kubernetes.get("/version").await.ok().flatten().unwrap_or_default();
    version["gitVersion"].as_str().unwrap_or_default().to_owned()
}

/// The namespace with its account, without which no pod is created.
async fn prepare(kubernetes: &Kubernetes) -> Result<(), BenchError> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    for object in [namespace, account] {
        create(kubernetes, &object, NAMESPACE)
            .await
            .map_err(|error| failed("the namespace", error))?;
    }
    Ok(())
}

/// The configuration of the chart, which leads to this server.
async fn register(kubernetes: &Kubernetes, server: &Server) -> Result<(), BenchError> {
    let setup = |error| failed("the webhook's configuration", error);
    let port = server.served.admission.port();
    let bundle = STANDARD.encode(&server.served.authority);
    let objects = manifest(port).map_err(setup)?;
    let configuration =
        objects.into_iter().find(|one| one["kind"] == "MutatingWebhookConfiguration");
    let mut configuration = configuration.unwrap_or_default();
    if let Some(webhooks) = configuration["webhooks"].as_array_mut() {
        webhooks.truncate(1);
        for webhook in webhooks {
            webhook["clientConfig"] = client_config(port, &bundle);
        }
    }
    create(kubernetes, &configuration, "").await.map_err(setup)?;
    let pod = pods::pod(Size::Small);
    let once = Rate { per_second: 1, pods: 1 };
    until("the first call of the webhook", async || {
        Ok(over_api_server(kubernetes, &pod, true, once).await.is_ok_and(|found| found.failed == 0))
    })
    .await
    .map_err(setup)
}

fn client_config(port: u16, bundle: &str) -> Value {
    json!({"url": format!("https://{HOST}:{port}/mutate"), "caBundle": bundle})
}
