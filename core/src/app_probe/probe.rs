//! One probe as checked values, and why a probe is refused.

use thiserror::Error;

/// One probe. Success counts at once: Kubernetes allows no other `successThreshold` here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProbe {
    /// What to ask.
    pub action: ProbeAction,
    /// Seconds from the start of the container to the first question.
    pub initial_delay: u32,
    /// Seconds from one question to the next; at least 1.
    pub period: u32,
    /// Seconds that an answer may take; at least 1.
    pub timeout: u32,
    /// Failures in a row after which the container is to be restarted; at least 1.
    pub failure_threshold: u32,
    /// Seconds from SIGTERM to SIGKILL, when the probe says it.
    pub termination_grace: Option<u64>,
}

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// `GET`; any status from 200 to 399 is a success.
    Http(HttpGet),
    /// Connect.
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
    /// Where to connect, when it is not the pod.
    pub host: Option<String>,
    /// Whether to speak TLS. Like the kubelet, without looking at the certificate.
    pub tls: bool,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

/// `tcpSocket`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    /// The port.
    pub port: u16,
    /// Where to connect, when it is not the pod.
    pub host: Option<String>,
}

/// `grpc`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcCheck {
    /// The port.
    pub port: u16,
    /// The service to ask about; empty is the server as a whole.
    pub service: String,
}

/// Why a probe cannot be taken over. Reads on after "its livenessProbe".
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AppProbeError {
    /// `exec`
    #[error("is an exec probe, which the sidecar cannot run in the app's container")]
    Exec,
    /// None or several of the actions.
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
    /// A field that is newer than this program, or nonsense.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}
