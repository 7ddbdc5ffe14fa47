//! The own probes of the apps that the sidecar stops, as arguments of the sidecar.

use cairn_core::app_probe::AppProbes;
use cairn_core::contract::flag;

use crate::view::Container;

/// The containers that are stopped after a lost claim or session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppProbeArgs {
    /// Each with its own probes, if any.
    pub containers: Vec<AppProbes>,
    /// The token that distinguishes the kubelet's probes from other requests.
    pub token: String,
}

// === impl AppProbeArgs ===

impl AppProbeArgs {
    /// Whether any container has a probe of its own.
    pub fn are_any(&self) -> bool {
        self.containers.iter().any(|own| own.liveness.is_some() || own.startup.is_some())
    }

    /// The arguments of the sidecar. Kubernetes replaces `$(NAME)` in them, so `$` is doubled.
    pub fn to_args(&self) -> Vec<String> {
        let with = |flag: &str, value: &str| format!("{flag}={value}");
        let probes = |own: &AppProbes| with(flag::APP_PROBES, &own.to_json().replace('$', "$$"));
        let mut args: Vec<String> = self.containers.iter().map(probes).collect();
        if self.are_any() {
            args.push(with(flag::PROBE_TOKEN, &self.token));
        }
        args
    }

    /// The probes of a container.
    pub(super) fn of(&self, container: &str) -> Option<&AppProbes> {
        self.containers.iter().find(|own| own.container == container)
    }
}

/// The probes in the arguments of an injected pod's sidecar. Unreadable arguments are ignored.
pub(super) fn recorded(sidecar: &Container<'_>, token: fn() -> String) -> AppProbeArgs {
    let probes = sidecar.values_of(flag::APP_PROBES);
    AppProbeArgs {
        containers: probes
            .filter_map(|json| serde_json::from_str(&json.replace("$$", "$")).ok())
            .collect(),
        token: sidecar.values_of(flag::PROBE_TOKEN).last().map_or_else(token, str::to_owned),
    }
}
