//! The whole run, and the page that it writes.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::alone::Alone;
use super::cost::Meter;
use super::creations::{climb, once, warm_up};
use super::driver::{RATES, Rate, over_api_server, over_tls};
use super::figures::{Creation, Figures, Run, With};
use super::page::{self, Facts};
use super::server::Server;
use super::whole;
use super::{BenchError, Kind, Size, Times, plot, pods};
use crate::api_server::ApiServer;
use crate::api_server::client::Kubernetes;
use crate::in_process::NAMESPACE;
use crate::install::{create, manifest, until};
use crate::review;
use crate::tls_servers::HOST;

/// What the benchmark runs beside itself.
#[derive(Clone, Debug)]
pub struct Programs {
    /// This program.
    pub own: PathBuf,
    /// `cairn-webhook`.
    pub webhook: PathBuf,
}

/// Measures all that needs a server, prints everything, and writes the page and the plot into a folder.
pub async fn run(
    programs: &Programs,
    alone: Vec<Alone>,
    write: Option<PathBuf>,
) -> Result<(), BenchError> {
    let mut figures = Figures { alone, ..Figures::default() };
    let facts = served(&programs.own, &mut figures).await?;
    whole::measure(&programs.webhook, &mut figures).await?;
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
    let meter = Meter { api_server: &api_server, webhook: None };
    warm_up(meter, With::Nothing).await?;
    for size in Size::ALL {
        for rate in RATES {
            let rate = rate.for_api_server(size);
            figures.creations.push(once(meter, With::Nothing, size, rate).await?);
        }
    }
    figures.climbs.extend(climb(meter, With::Nothing).await?);
    for kind in Kind::ALL {
        let server = Server::start(program, kind)?;
        register(kubernetes, &server).await?;
        let meter = Meter { webhook: Some(server.pid()), ..meter };
        for size in Size::ALL {
            for rate in RATES {
                figures.runs.push(reviewed(&server, kind, size, rate).await?);
                let rate = rate.for_api_server(size);
                let creation = once(meter, With::Handler(kind), size, rate).await?;
                let in_handler = Some(Times::of(server.times().await?));
                figures.creations.push(Creation { in_handler, ..creation });
            }
        }
        kubernetes
            .delete(CONFIGURATION)
            .await
            .map_err(|error| failed("the end of the webhook", error))?;
    }
    Ok(Facts::of(&version(kubernetes).await))
}

/// Reviews over TLS.
async fn reviewed(server: &Server, kind: Kind, size: Size, rate: Rate) -> Result<Run, BenchError> {
    let body = review::body(&pods::pod(size), NAMESPACE, false);
    server.times().await?;
    let over_tls = over_tls(&server.served, &body, rate).await?;
    let in_handler = Times::of(server.times().await?);
    let run = Run { kind, size, rate, in_handler, over_tls, resident: server.resident() };
    eprintln!("{run:?}");
    Ok(run)
}

const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/cairn-webhook";

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
