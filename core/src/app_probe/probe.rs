//! One probe as checked values, and why a probe is refused.

use thiserror::Error;

/// One probe. One success is enough: for liveness and startup probes Kubernetes allows no `successThreshold` but 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProbe {
    /// The request that the probe sends.
    pub action: ProbeAction,
    /// Seconds from the start of the container to the first run of the probe.
    pub initial_delay: u32,
    /// Seconds from one run to the next; at least 1.
    pub period: u32,
    /// Seconds until a run without an answer has failed; at least 1.
    pub timeout: u32,
    /// Failures in a row after which the container is restarted; at least 1.
    pub failure_threshold: u32,
    /// Seconds from SIGTERM to SIGKILL, when the probe sets them.
    pub termination_grace: Option<u64>,
}

/// The request that a probe sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// `GET`; any status from 200 to 399 is a success.
    Http(HttpGet),
    /// A TCP connect.
    Tcp(TcpSocket),
    /// `grpc.health.v1.Health/Check`; `SERVING` is a success.
    Grpc(GrpcCheck),
}

/// `httpGet`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGet {
    /// Path and query, starting with `/`.
    pub path: String,
    /// The port.
    pub port: u16,
    /// The host to connect to, when it is not the pod.
    pub host: Option<String>,
    /// Whether to use TLS. Like the kubelet, the sidecar does not verify the certificate.
    pub tls: bool,
    /// Names and values of the headers.
    pub headers: Vec<(String, String)>,
}

/// `tcpSocket`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    /// The port.
    pub port: u16,
    /// The host to connect to, when it is not the pod.
    pub host: Option<String>,
}

/// `grpc`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcCheck {
    /// The port.
    pub port: u16,
    /// The service to check; empty means the server as a whole.
    pub service: String,
}

/// Why a probe cannot be taken over. The message continues "its livenessProbe".
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AppProbeError {
    /// `exec`
    #[error("is an exec probe, which the sidecar cannot run in the app's container")]
    Exec,
    /// No action, or more than one.
    #[error("must have exactly one of httpGet, tcpSocket and grpc")]
    Action,
    /// A port's name that the container does not declare.
    #[error("names the port '{0}', which is none of the container's ports")]
    PortName(String),
    /// Not a port.
    #[error("has the port {0}, which is not between 1 and 65535")]
    PortNumber(i64),
    /// A header that HTTP cannot carry.
    #[error("has the header '{0}', which cannot be sent")]
    Header(String),
    /// A time or threshold below its minimum.
    #[error("has {0} below its minimum")]
    Number(&'static str),
    /// Liveness and startup probes have no other success threshold than 1.
    #[error("has a successThreshold of {0}, which must be 1")]
    SuccessThreshold(i64),
    /// JSON with an unknown field or a wrong type.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}
