//! The apps' own probes: from the pod, or from the sidecar's arguments if the kubelet's probes are aimed at the sidecar
//! already.

use cairn_core::app_probe::{AppProbe, AppProbes};
use cairn_core::contract::port;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::apps::{Kind, Target};
use super::{LIVENESS, STARTUP};
use crate::admission::app_probes::AppProbeArgs;
use crate::admission::loss::Loss;
use crate::admission::refusal::Refusal;
use crate::view::Container;

/// The path under which Istio's agent serves the probes that it replaced.
const REWRITTEN: &str = "/app-health/";

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

/// The probes that the author of a container wrote.
pub(super) fn read(
    target: &Target<'_, '_>,
    before: Option<&AppProbeArgs>,
    loss: &Loss,
) -> Result<AppProbes, Refusal> {
    let container = target.container;
    let recorded = before.and_then(|before| before.of(&container.name));
    let injected = before.is_some();
    let replaced = |present: &RawValue| is_at_sidecar(present) || injected && is_rewritten(present);
    let own = |probe, present: Option<&RawValue>, recorded: Option<&AppProbe>| match present {
        Some(present) if !replaced(present) => parse(container, probe, present, loss).map(Some),
        _ => Ok(recorded.cloned()),
    };
    let liveness =
        own(LIVENESS, container.liveness_probe, recorded.and_then(|own| own.liveness.as_ref()))?;
    let startup =
        own(STARTUP, container.startup_probe, recorded.and_then(|own| own.startup.as_ref()))?;
    if startup.is_some() && target.kind == Kind::NativeSidecar {
        return Err(Refusal::StopSidecarStartup {
            container: container.name.to_string(),
            loss: loss.clone(),
        });
    }
    Ok(AppProbes { container: container.name.to_string(), liveness, startup })
}

/// Whether a probe asks the sidecar. The author may have aimed it there too.
pub(super) fn is_at_sidecar(probe: &RawValue) -> bool {
    let Some(get) = aim(probe) else { return false };
    let own_path = [port::APP_LIVEZ, port::APP_STARTUPZ, port::APP_READYZ]
        .iter()
        .any(|path| get.path.as_deref().unwrap_or_default().starts_with(path));
    get.port == port::ADMIN && own_path
}

/// Whether Istio's agent replaced a probe.
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
    loss: &Loss,
) -> Result<AppProbe, Refusal> {
    let named = |name: &str| {
        let port = container.ports.iter().find(|port| *port.name == *name)?;
        u16::try_from(port.container_port).ok()
    };
    AppProbe::parse(json.get(), named).map_err(|error| Refusal::StopProbe {
        container: container.name.to_string(),
        probe,
        error,
        loss: loss.clone(),
    })
}
