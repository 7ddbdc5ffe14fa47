//! The apps' own probes: as they stand in the pod, or, where the kubelet's probes are aimed at the
//! sidecar already, as its arguments tell.

use cairn_core::app_probe::{AppProbe, AppProbes};
use cairn_core::contract::{flag, port};
use cairn_core::pool::PoolName;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::super::refusal::Refusal;
use super::super::super::view::Container;
use super::super::apps::{Kind, Target};
use super::{LIVENESS, STARTUP};

/// Where Istio's agent asks the probes that it took out of the pod.
const REWRITTEN: &str = "/app-health/";

/// The containers whose apps the sidecar's word stops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppProbeArgs {
    /// Each with the probes of its own, if it has any.
    pub containers: Vec<AppProbes>,
    /// What tells the kubelet's probes from requests of others.
    pub token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aim {
    #[serde(default)]
    http_get: Option<AimedGet>,
}

#[derive(Deserialize)]
struct AimedGet {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    port: Value,
}

// === impl AppProbeArgs ===

impl AppProbeArgs {
    /// Whether the sidecar has something to ask.
    pub fn are_any(&self) -> bool {
        self.containers.iter().any(|own| own.liveness.is_some() || own.startup.is_some())
    }

    /// As arguments. Kubernetes replaces `$(NAME)` in them, so `$` is doubled.
    pub fn to_args(&self) -> Vec<String> {
        let with = |flag: &str, value: &str| format!("{flag}={value}");
        let probes = |own: &AppProbes| with(flag::APP_PROBES, &own.to_json().replace('$', "$$"));
        let mut args: Vec<String> = self.containers.iter().map(probes).collect();
        if self.are_any() {
            args.push(with(flag::APP_HOST, "$(POD_IP)"));
            args.push(with(flag::PROBE_TOKEN, &self.token));
        }
        args
    }

    /// The probes of a container.
    pub(super) fn of(&self, container: &str) -> Option<&AppProbes> {
        self.containers.iter().find(|own| own.container == container)
    }
}

/// What the sidecar of an injected pod was told. Arguments that cannot be read tell nothing.
pub(in super::super) fn recorded(sidecar: &Container<'_>, token: &str) -> AppProbeArgs {
    let value = |name: &str| {
        let of = move |arg: &str| arg.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        sidecar.args.iter().filter_map(move |arg| of(arg)).collect::<Vec<_>>()
    };
    let probes = value(flag::APP_PROBES);
    AppProbeArgs {
        containers: probes
            .iter()
            .filter_map(|json| serde_json::from_str(&json.replace("$$", "$")).ok())
            .collect(),
        token: value(flag::PROBE_TOKEN).pop().unwrap_or_else(|| token.to_owned()),
    }
}

/// The probes of one container that its author wrote.
pub(super) fn read(
    target: &Target<'_, '_>,
    before: Option<&AppProbeArgs>,
    pool: &PoolName,
) -> Result<AppProbes, Refusal> {
    let container = target.container;
    let recorded = before.and_then(|before| before.of(&container.name));
    let injected = before.is_some();
    let replaced = |present: &RawValue| is_at_sidecar(present) || injected && is_rewritten(present);
    let own = |probe, present: Option<&RawValue>, recorded: Option<&AppProbe>| match present {
        Some(present) if !replaced(present) => parse(container, probe, present, pool).map(Some),
        _ => Ok(recorded.cloned()),
    };
    let liveness =
        own(LIVENESS, container.liveness_probe, recorded.and_then(|own| own.liveness.as_ref()))?;
    let startup =
        own(STARTUP, container.startup_probe, recorded.and_then(|own| own.startup.as_ref()))?;
    if startup.is_some() && target.kind == Kind::NativeSidecar {
        return Err(Refusal::StopSidecarStartup {
            container: container.name.to_string(),
            pool: pool.clone(),
        });
    }
    Ok(AppProbes { container: container.name.to_string(), liveness, startup })
}

/// Whether a probe asks the sidecar; its author may have aimed it there, too.
pub(super) fn is_at_sidecar(probe: &RawValue) -> bool {
    let Some(get) = aim(probe) else { return false };
    let own_path = [port::APP_LIVEZ, port::APP_STARTUPZ, port::APP_READYZ]
        .iter()
        .any(|path| get.path.as_deref().unwrap_or_default().starts_with(path));
    get.port == port::ADMIN && own_path
}

/// Whether a probe goes through Istio's agent.
pub(super) fn is_rewritten(probe: &RawValue) -> bool {
    aim(probe).and_then(|get| get.path).is_some_and(|path| path.starts_with(REWRITTEN))
}

fn aim(probe: &RawValue) -> Option<AimedGet> {
    serde_json::from_str::<Aim>(probe.get()).ok()?.http_get
}

fn parse(
    container: &Container<'_>,
    probe: &'static str,
    json: &RawValue,
    pool: &PoolName,
) -> Result<AppProbe, Refusal> {
    let named = |name: &str| {
        let port = container.ports.iter().find(|port| *port.name == *name)?;
        u16::try_from(port.container_port).ok()
    };
    AppProbe::parse(json.get(), named).map_err(|error| Refusal::StopProbe {
        container: container.name.to_string(),
        probe,
        error,
        pool: pool.clone(),
    })
}
