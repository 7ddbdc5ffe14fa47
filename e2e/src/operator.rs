//! `cairn` as an administrator uses it: with a kubeconfig, and nothing that says where etcd is.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::run::Output;
use crate::{Failure, json, paths};

/// Runs `cairn` with these arguments. Its exit code may be any.
pub fn cairn(cluster: &Cluster, args: &[&str]) -> Result<Output, Failure> {
    let program = paths::command_line()?;
    cluster.enter(&[&[&*program.to_string_lossy()], args].concat())
}

/// The findings of a check, in order: the level and the message of those about one thing.
pub fn findings(checked: &Output, about: &str) -> Result<Vec<(String, String)>, Failure> {
    let object: Value = serde_json::from_str(&checked.stdout).map_err(|error| {
        Failure::new(format!("not JSON: {error}: {} {}", checked.stdout, checked.stderr))
    })?;
    let text = |finding: &Value, field: &str| json::text(finding, field).unwrap_or_default();
    let found = json::list(&object, "/findings");
    let found = found.iter().filter(|finding| text(finding, "/about") == about);
    Ok(found.map(|finding| (text(finding, "/level"), text(finding, "/message"))).collect())
}
