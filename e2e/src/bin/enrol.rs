//! Helper of the tests in `enrolment.rs` and of `make bench-enrol`; runs in a network namespace of the cluster.
//!
//! `cairn-enrol once ADDRESS NAME CA TOKEN REQUEST` calls the agent at `ADDRESS`, which must be the server `NAME`, with
//! the token and the request for a certificate in these files. It prints the answer, or the refusal, as JSON.
//! `cairn-enrol many ADDRESS NAME CA TOKEN REQUEST COUNT PARALLEL` does so `COUNT` times, each on a connection of its
//! own, and prints how long each took, in microseconds.

use std::error::Error;
use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cairn_e2e::clock::Moment;
use cairn_proto::v1::agent_client::AgentClient;
use cairn_proto::v1::{EnrolRequest, EnrolResponse};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

const TIMEOUT: Duration = Duration::from_secs(15);

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

struct Call {
    endpoint: Endpoint,
    token: String,
    request: String,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cairn-enrol: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(args: &[&str]) -> Outcome {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err("another crypto provider is installed already".into());
    }
    match args {
        ["once", address, name, ca, token, request] => {
            let call = Call::new(address, name, ca, token, request)?;
            println!("{}", shown(call.send().await?));
            Ok(())
        }
        ["many", address, name, ca, token, request, count, parallel] => {
            let call = Call::new(address, name, ca, token, request)?;
            many(call, count.parse()?, parallel.parse()?).await
        }
        _ => {
            Err("write: cairn-enrol once|many ADDRESS NAME CA TOKEN REQUEST [COUNT PARALLEL]"
                .into())
        }
    }
}

async fn many(call: Call, count: usize, parallel: usize) -> Outcome {
    let (call, turns) = (Arc::new(call), Arc::new(Semaphore::new(parallel)));
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let (call, turns) = (Arc::clone(&call), Arc::clone(&turns));
        calls.spawn(async move {
            let _turn = turns.acquire_owned().await?;
            let begun = Moment::now();
            call.send().await??;
            Outcome::Ok(begun.age())
        });
    }
    while let Some(took) = calls.join_next().await {
        println!("{}", took??.as_micros());
    }
    Ok(())
}

fn shown(answer: Result<EnrolResponse, Status>) -> serde_json::Value {
    match answer {
        Ok(answer) => json!({
            "endpoints": answer.etcd_endpoints,
            "authorities": answer.etcd_authorities,
            "chain": answer.certificate_chain,
            "sharedKey": answer.shared_key,
            "cluster": answer.etcd_cluster_id,
            "validForMs": answer.valid_for_ms,
            "renewAfterMs": answer.renew_after_ms,
        }),
        Err(status) => {
            json!({"code": format!("{:?}", status.code()), "message": status.message()})
        }
    }
}

impl Call {
    fn new(address: &str, name: &str, ca: &str, token: &str, request: &str) -> Outcome<Self> {
        let ca = Certificate::from_pem(fs::read_to_string(ca)?);
        let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name(name);
        let endpoint = Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?;
        Ok(Self {
            endpoint: endpoint.connect_timeout(TIMEOUT).timeout(TIMEOUT),
            token: fs::read_to_string(token)?.trim().to_owned(),
            request: fs::read_to_string(request)?,
        })
    }

    /// The outer error is one of the connection, the inner one the agent's refusal.
    async fn send(&self) -> Outcome<Result<EnrolResponse, Status>> {
        let certificate_request = self.request.clone();
        let mut request = Request::new(EnrolRequest { certificate_request });
        if !self.token.is_empty() {
            let value = format!("Bearer {}", self.token).parse()?;
            request.metadata_mut().insert("authorization", value);
        }
        let mut agent = AgentClient::new(self.endpoint.connect().await?);
        Ok(agent.enrol(request).await.map(tonic::Response::into_inner))
    }
}
