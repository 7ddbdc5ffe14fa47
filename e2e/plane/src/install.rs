//! Cairn's chart on an API server, without the pods: nobody runs them.

use std::path::PathBuf;
use std::process::Command;

use crate::apiserver::ApiServer;
use crate::failure::Failure;
use crate::process::{repository, run, tool};

/// The namespace of the release.
pub const NAMESPACE: &str = "cairn-system";

/// The chart with these values on an API server.
#[derive(Debug)]
pub struct Installation {
    /// The webhook's kubeconfig, with its own account.
    pub kubeconfig: PathBuf,
    /// Everything that the chart renders.
    pub rendered: String,
}

// === impl Installation ===

impl Installation {
    /// Renders the chart and applies it. The webhook is called for no pod and no pool: it has no Service.
    pub fn apply(server: &ApiServer, etcd: &str) -> Result<Self, Failure> {
        let rendered = render(&[
            "--set",
            "etcd.enabled=false,etcd.issuerSecret=etcd-issuer,webhook.recheck=Warn",
            "--set",
            &format!("etcd.endpoints={{{etcd}}}"),
        ])?;
        server.kubectl(&["create", "namespace", NAMESPACE])?;
        server.apply(&rendered)?;
        let never = r#"[{"op": "replace", "path": "/webhooks/0/matchConditions",
            "value": [{"name": "never", "expression": "false"}]}]"#;
        for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
            let never = never.replace("replace", "add");
            server.kubectl(&["patch", kind, "cairn-webhook", "--type=json", "-p", &never])?;
        }
        let token = ["create", "token", "cairn-webhook", "-n", NAMESPACE, "--duration=24h"];
        let token = server.kubectl(&token)?;
        let kubeconfig = server.kubeconfig("webhook", token.trim())?;
        Ok(Self { kubeconfig, rendered })
    }
}

/// What the chart renders with these flags of Helm.
pub fn render(flags: &[&str]) -> Result<String, Failure> {
    let mut helm = Command::new(tool("helm", "make tools")?);
    helm.args(["template", "cairn"]).arg(repository().join("charts/cairn"));
    run(helm.args(["--namespace", NAMESPACE]).args(flags))
}
