//! gRPC probes by the rules of the kubelet: `grpc.health.v1.Health/Check`, without TLS.

use std::time::Duration;

use cairn_core::app_probe::GrpcCheck;
use cairn_kit::errors::report;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use super::{USER_AGENT, authority};

/// `HealthCheckResponse.ServingStatus.SERVING`
const SERVING: i32 = 1;

/// Longer than usual probe timeouts, which end the attempt earlier.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// The message in grpc/health/v1/health.proto.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// The message in grpc/health/v1/health.proto.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Runs the probe: it succeeds if the service reports SERVING.
pub(super) async fn ask(check: &GrpcCheck, host: &str) -> Result<(), String> {
    let address = authority(host, check.port);
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
        .map_err(|error| format!("{address} is not an address: {error}"))?
        .connect_timeout(CONNECT_TIMEOUT);
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| format!("cannot connect to {address}: {}", report(&error)))?;
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| format!("cannot ask {address}: {}", report(&error)))?;
    let codec: ProstCodec<HealthCheckRequest, HealthCheckResponse> = ProstCodec::default();
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let request = Request::new(HealthCheckRequest { service: check.service.clone() });
    match client.unary(request, path, codec).await {
        Ok(answer) if answer.get_ref().status == SERVING => Ok(()),
        Ok(answer) => Err(format!("service unhealthy (status {})", answer.get_ref().status)),
        Err(status) if status.code() == Code::Unimplemented => {
            Err("the server does not implement grpc.health.v1.Health".to_owned())
        }
        Err(status) => Err(format!("health check failed: {}", status.message())),
    }
}
