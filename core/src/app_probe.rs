//! An app container's own probes, which the sidecar asks in the kubelet's place.
//!
//! The JSON is that of Kubernetes' `Probe`, with ports as numbers and without fields that are at
//! their defaults, so that people recognise it among the sidecar's arguments and the webhook can
//! put it back. A field that is not known here is an error: a probe that is asked differently from
//! what its author wrote is worse than a refused pod. Not for: when to ask (the sidecar) and which
//! probes are taken over (the webhook).

use serde::{Deserialize, Serialize};
use thiserror::Error;

mod wire;

use wire::{ProbeWire, ProbesWire};

/// The probes of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ProbesWire", into = "ProbesWire")]
pub struct AppProbes {
    /// The container's name.
    pub container: String,
    /// Its liveness probe.
    pub liveness: Option<AppProbe>,
    /// Its startup probe.
    pub startup: Option<AppProbe>,
}

/// One probe. Success counts at once: Kubernetes allows no other `successThreshold` here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProbe {
    /// What to ask.
    pub action: Action,
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
pub enum Action {
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

// === impl AppProbes ===

impl AppProbes {
    /// Compact JSON, for an argument.
    pub fn to_json(&self) -> String {
        // Strings and numbers always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

// === impl AppProbe ===

impl AppProbe {
    /// Reads a probe as it stands in a pod; `port` tells the number of a named port.
    pub fn parse(json: &str, port: impl Fn(&str) -> Option<u16>) -> Result<Self, AppProbeError> {
        let wire: ProbeWire = serde_json::from_str(json)
            .map_err(|error| AppProbeError::Unreadable(error.to_string()))?;
        wire.read(port)
    }

    /// The probe as Kubernetes writes it.
    pub fn to_value(&self) -> serde_json::Value {
        // Strings and numbers always serialise.
        serde_json::to_value(ProbeWire::from(self.clone())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
