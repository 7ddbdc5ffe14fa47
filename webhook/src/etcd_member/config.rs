//! etcd's configuration file: the common settings, and how this member starts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cairn_store::etcd::MemberEntry;
use serde_json::{Map, Value};
use thiserror::Error;

use super::cluster::Topology;
use super::tls::MemberTls;

/// How the member starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With the data on its volume: then etcd ignores the settings of the initial cluster.
    Resume,
    /// As the only member of a new cluster.
    Form {
        /// `initial-cluster-token`.
        token: String,
        /// The peer URL.
        peer_url: String,
    },
    /// As a member of a running cluster: its members, including this one.
    Join(Vec<MemberEntry>),
}

/// The file could not be written.
#[derive(Debug, Error)]
#[error("could not write {}", path.display())]
pub struct WriteError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

// === impl Beginning ===

impl Beginning {
    /// What it is called in log lines.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Form { .. } => "form",
            Self::Join(_) => "join",
        }
    }
}

/// The content of the file.
pub fn content(
    common: &Map<String, Value>,
    topology: &Topology,
    data_dir: &Path,
    tls: &MemberTls,
    how: &Beginning,
) -> Value {
    let me = &topology.me;
    let mut config = common.clone();
    config.extend(tls.settings().map(|(key, value)| (key.to_owned(), value)));
    let mut set = |key: &str, value: String| config.insert(key.to_owned(), value.into());
    set("name", me.name.clone());
    set("data-dir", data_dir.to_string_lossy().into_owned());
    set("advertise-client-urls", topology.client_url(me.ordinal));
    set("initial-advertise-peer-urls", me.peer_url.clone());
    match how {
        Beginning::Resume => {}
        Beginning::Form { token, peer_url } => {
            set("initial-advertise-peer-urls", peer_url.clone());
            set("initial-cluster", format!("{}={peer_url}", me.name));
            set("initial-cluster-token", token.clone());
            set("initial-cluster-state", "new".to_owned());
        }
        Beginning::Join(members) => {
            let entries = members.iter().flat_map(|member| {
                member.peer_urls.iter().map(|url| format!("{}={url}", member.name))
            });
            set("initial-cluster", entries.collect::<Vec<_>>().join(","));
            set("initial-cluster-state", "existing".to_owned());
        }
    }
    Value::Object(config)
}

/// Writes the file atomically, so that etcd never reads a part of it.
pub fn write(path: &Path, content: &Value) -> Result<(), WriteError> {
    let failed = |source| WriteError { path: path.to_path_buf(), source };
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, content.to_string()).map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::etcd_ca::Lives;

    #[test]
    fn a_member_that_joins_lists_all_members_and_names_no_new_cluster() {
        let template = "https://{name}.p:2380";
        let topology = Topology::new("e-1", template, "https://{name}.p:2379").unwrap();
        let entry = |name: &str, host: &str| MemberEntry {
            id: 1,
            name: name.to_owned(),
            peer_urls: vec![format!("https://{host}.p:2380")],
            learner: false,
        };
        let members = vec![entry("e-0", "e-0"), entry("e-1", "e-1")];
        let common = Map::from_iter([("quota-backend-bytes".to_owned(), 17.into())]);
        let tls = MemberTls { dir: "/tls".into(), hosts: Vec::new(), lives: Lives::default() };
        let how = Beginning::Join(members);
        let config = content(&common, &topology, Path::new("/data"), &tls, &how);
        let mut expected = json!({
            "quota-backend-bytes": 17,
            "name": "e-1",
            "data-dir": "/data",
            "advertise-client-urls": "https://e-1.p:2379",
            "initial-advertise-peer-urls": "https://e-1.p:2380",
            "initial-cluster": "e-0=https://e-0.p:2380,e-1=https://e-1.p:2380",
            "initial-cluster-state": "existing",
        });
        for (key, value) in tls.settings() {
            expected[key] = value;
        }
        assert_eq!(config, expected);
    }
}
