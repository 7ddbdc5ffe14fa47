//! The handler to compare with: the pod is read into Kubernetes' structs, changed, written, and compared with what
//! came.
//!
//! It adds exactly what Cairn adds to the same pod, and decides nothing: its parts are made once, at the start.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, Volume, VolumeMount};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Size;
use super::pods;
use crate::in_process::InProcess;
use crate::review::Answer;

/// What it adds.
#[derive(Clone, Debug)]
pub struct Typed {
    sidecar: Container,
    volumes: Vec<Volume>,
    env: Vec<EnvVar>,
    mount: VolumeMount,
}

#[derive(Deserialize)]
struct Review {
    request: Request,
}

#[derive(Deserialize)]
struct Request {
    uid: String,
    object: Pod,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewOut {
    api_version: &'static str,
    kind: &'static str,
    response: Response,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    patch_type: &'static str,
    patch: String,
}

// === impl Typed ===

impl Typed {
    /// With what Cairn adds to a small pod. `None` if Cairn refuses it.
    pub fn new(cairn: &InProcess) -> Option<Self> {
        let Ok(Answer::Allowed(pod, _)) = cairn.create(&pods::pod(Size::Small)) else {
            return None;
        };
        let spec = serde_json::from_value::<Pod>(pod).ok()?.spec?;
        let app = spec.containers.into_iter().next()?;
        let ours = |name: &str| name.starts_with("cairn");
        Some(Self {
            sidecar: spec.init_containers?.into_iter().next()?,
            volumes: spec.volumes?.into_iter().filter(|volume| ours(&volume.name)).collect(),
            env: app.env?.into_iter().filter(|var| var.name.starts_with("CAIRN_")).collect(),
            mount: app.volume_mounts?.into_iter().find(|mount| ours(&mount.name))?,
        })
    }

    /// All but the comparison, whose cost depends on its algorithm. `None` if it is not a review.
    pub fn without_comparison(&self, body: &[u8]) -> Option<(Value, Value)> {
        let review: Review = serde_json::from_slice(body).ok()?;
        self.round_trip(review.request.object)
    }

    /// Answers a review. `None` if it is not one.
    pub fn answer(&self, body: &[u8]) -> Option<Vec<u8>> {
        let Review { request: Request { uid, object } } = serde_json::from_slice(body).ok()?;
        let (before, after) = self.round_trip(object)?;
        let patch = serde_json::to_vec(&json_patch::diff(&before, &after)).ok()?;
        let response =
            Response { uid, allowed: true, patch_type: "JSONPatch", patch: STANDARD.encode(patch) };
        let api_version = "admission.k8s.io/v1";
        serde_json::to_vec(&ReviewOut { api_version, kind: "AdmissionReview", response }).ok()
    }

    /// The pod before and after, as JSON values.
    fn round_trip(&self, pod: Pod) -> Option<(Value, Value)> {
        let before = serde_json::to_value(&pod).ok()?;
        Some((before, serde_json::to_value(self.changed(pod)).ok()?))
    }

    fn changed(&self, mut pod: Pod) -> Pod {
        let labels = pod.metadata.labels.get_or_insert_default();
        labels.insert("cairn.dev/injected".to_owned(), "true".to_owned());
        if let Some(spec) = &mut pod.spec {
            spec.init_containers.get_or_insert_default().insert(0, self.sidecar.clone());
            spec.volumes.get_or_insert_default().extend(self.volumes.iter().cloned());
            for container in &mut spec.containers {
                container.env.get_or_insert_default().splice(0..0, self.env.iter().cloned());
                container.volume_mounts.get_or_insert_default().push(self.mount.clone());
            }
        }
        pod
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_process::NAMESPACE;
    use crate::review;

    #[test]
    fn it_adds_what_cairn_adds() {
        let cairn = InProcess::new(false).unwrap();
        let typed = Typed::new(&cairn).unwrap();
        for size in Size::ALL {
            let pod = pods::pod(size);
            let body = review::body(&pod, NAMESPACE, false);
            let of_typed = review::answer(&typed.answer(&body).unwrap(), &pod).unwrap();
            let of_cairn = review::answer(&cairn.post(&body), &pod).unwrap();
            assert_eq!(of_typed, of_cairn);
        }
    }
}
