//! An app container's own probes, which the sidecar runs in the kubelet's place.
//!
//! The JSON is that of Kubernetes' `Probe`, with ports as numbers and without fields that have their default. So users
//! recognise it among the sidecar's arguments, and the webhook can restore it. An unknown field is an error: a probe
//! that runs differently from what its author wrote is worse than a refused pod. Not for: when a probe runs (the
//! sidecar), and which probes are taken over (the webhook).

use serde::{Deserialize, Serialize};

mod probe;
mod wire;

pub use probe::{AppProbe, AppProbeError, GrpcCheck, HttpGet, ProbeAction, TcpSocket};
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

// === impl AppProbes ===

impl AppProbes {
    /// Compact JSON, for an argument.
    pub fn to_json(&self) -> String {
        // Strings and numbers always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl TryFrom<ProbesWire> for AppProbes {
    type Error = AppProbeError;

    /// Ports must be numbers: names were resolved when the probe was taken over.
    fn try_from(wire: ProbesWire) -> Result<Self, AppProbeError> {
        let read = |probe: Option<ProbeWire>| probe.map(|probe| probe.read(|_| None)).transpose();
        Ok(Self {
            container: wire.container,
            liveness: read(wire.liveness)?,
            startup: read(wire.startup)?,
        })
    }
}

impl From<AppProbes> for ProbesWire {
    fn from(probes: AppProbes) -> Self {
        Self {
            container: probes.container,
            liveness: probes.liveness.map(ProbeWire::from),
            startup: probes.startup.map(ProbeWire::from),
        }
    }
}

// === impl AppProbe ===

impl AppProbe {
    /// Parses a probe of a pod; `port` returns the number of a named port.
    pub fn parse(json: &str, port: impl Fn(&str) -> Option<u16>) -> Result<Self, AppProbeError> {
        let wire: ProbeWire = serde_json::from_str(json)
            .map_err(|error| AppProbeError::Unreadable(error.to_string()))?;
        wire.read(port)
    }

    /// The probe in Kubernetes' JSON.
    pub fn to_value(&self) -> serde_json::Value {
        // Strings and numbers always serialise.
        serde_json::to_value(ProbeWire::from(self.clone())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
