//! Versions of Kubernetes and of the parts of Cairn. Pure.

use super::finding::Finding;

const ABOUT: &str = "versions";
/// What the chart needs: native sidecars, and policies of admission.
const OLDEST: (u32, u32) = (1, 30);

/// The versions of an installation of Cairn.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// The images of the webhook's pods.
    pub webhooks: Vec<String>,
    /// The image of new sidecars.
    pub sidecar: String,
    /// The version of the chart that the webhook is from.
    pub chart: String,
    /// The version of the chart that the CRD is from.
    pub crd: Option<String>,
}

/// Judges the API server's major and minor version, as it says them: `1`, `30+`.
pub fn kubernetes(major: &str, minor: &str) -> Finding {
    let digits = |text: &str| -> Option<u32> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    };
    match (digits(major), digits(minor)) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => Finding::problem(
            ABOUT,
            format!(
                "Kubernetes {major}.{minor} is too old for Cairn, which needs {}.{}; upgrade the cluster",
                OLDEST.0, OLDEST.1
            ),
        ),
        (Some(major), Some(minor)) => Finding::fine(ABOUT, format!("Kubernetes {major}.{minor}")),
        _ => Finding::unknown(ABOUT, format!("Kubernetes {major}.{minor} is no known version")),
    }
}

/// Judges the parts of Cairn.
pub fn parts(versions: &Versions) -> Finding {
    let Versions { webhooks, sidecar, chart, crd } = versions;
    let upgrade = "run helm upgrade again, or apply all of one render";
    if let Some(crd) = crd.as_ref().filter(|crd| *crd != chart) {
        return Finding::problem(
            ABOUT,
            format!("the CRD of pools is of Cairn {crd}, and the webhook of {chart}; {upgrade}"),
        );
    }
    let mut images: Vec<&String> = webhooks.iter().collect();
    images.sort();
    images.dedup();
    if let [one, other, ..] = images.as_slice() {
        return Finding::warning(
            ABOUT,
            format!(
                "replicas of the webhook run {one} and {other}; wait for the rollout, or look why it hangs"
            ),
        );
    }
    let tag = |image: &str| {
        let after = image.rsplit('/').next().unwrap_or_default().to_owned();
        after.split_once(':').filter(|_| !image.contains('@')).map(|(_, tag)| tag.to_owned())
    };
    let of_webhook = images.first().and_then(|image| tag(image));
    match (of_webhook, tag(sidecar)) {
        (Some(webhook), Some(sidecar)) if webhook != sidecar => Finding::warning(
            ABOUT,
            format!(
                "new sidecars are of version {sidecar}, and the webhook is of {webhook}; give sidecar.image.tag and \
                 webhook.image.tag the same value, or none"
            ),
        ),
        _ => Finding::fine(ABOUT, format!("Cairn {chart}: webhook, sidecar and CRD")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn good() -> Versions {
        Versions {
            webhooks: vec!["r.example/cairn-webhook:0.1.0".into(); 2],
            sidecar: "r.example:5000/cairn-sidecar:0.1.0".into(),
            chart: "0.1.0".into(),
            crd: Some("0.1.0".into()),
        }
    }

    fn judged(versions: &Versions) -> (Level, String) {
        let found = parts(versions);
        (found.level, found.message)
    }

    #[test]
    fn parts_of_one_version_on_a_new_kubernetes_are_fine() {
        assert_eq!(judged(&good()).0, Level::Fine);
        let digest = Versions { sidecar: "cairn-sidecar@sha256:00".into(), ..good() };
        assert_eq!(judged(&digest).0, Level::Fine);
    }

    #[test]
    fn what_does_not_fit_together_is_found() {
        assert_eq!(kubernetes("1", "29").level, Level::Problem);
        assert_eq!(kubernetes("1", "34+"), Finding::fine("versions", "Kubernetes 1.34"));
        let crd = Versions { crd: Some("0.0.9".into()), ..good() };
        assert!(
            judged(&crd).1.starts_with("the CRD of pools is of Cairn 0.0.9"),
            "{:?}",
            judged(&crd)
        );
        let sidecar = Versions { sidecar: "cairn-sidecar:0.0.9".into(), ..good() };
        assert!(judged(&sidecar).1.starts_with("new sidecars are of version 0.0.9"));
        let mut rollout = good();
        rollout.webhooks.push("r.example/cairn-webhook:0.2.0".into());
        assert_eq!(judged(&rollout).0, Level::Warning);
    }
}
