//! A real Carbon: installed with pip into a virtual environment, run in the cluster's network, reachable from pods as
//! the Service `graphite`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json as object;
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::json;
use crate::ns::Namespace;
use crate::run::{run, watch};
use crate::wait::{Seen, secs, until_quickly};
use crate::{Done, Failure, paths};

/// The name that `e2e/cluster` gives to the node.
const NODE: &str = "node";
const PORT: u16 = 2003;
const CONFIG: [&str; 2] = ["carbon.conf", "storage-schemas.conf"];

/// A running Carbon. It is killed when this is dropped.
#[derive(Debug)]
pub struct Carbon {
    process: Child,
    dir: TempDir,
    address: String,
}

impl Carbon {
    /// Installs Carbon unless it is installed, starts it and waits until it listens.
    pub fn start(cluster: &Cluster) -> Result<Self, Failure> {
        let environment = install()?;
        let dir = TempDir::new().map_err(|source| file(Path::new("a temporary folder"), source))?;
        for name in CONFIG {
            let from = paths::repository().join("e2e/carbon").join(name);
            fs::copy(&from, dir.path().join(name)).map_err(|source| file(&from, source))?;
        }
        let log = dir.path().join("log");
        let to = fs::File::create(&log).map_err(|source| file(&log, source))?;
        let errors = to.try_clone().map_err(|source| file(&log, source))?;
        let process = cluster
            .entering()
            .arg(environment.join("bin/python"))
            .arg(environment.join("bin/carbon-cache.py"))
            .args(["--nodaemon", "start"])
            .env("GRAPHITE_ROOT", dir.path())
            .env("GRAPHITE_CONF_DIR", dir.path())
            .env("GRAPHITE_STORAGE_DIR", dir.path().join("storage"))
            .stdin(Stdio::null())
            .stdout(to)
            .stderr(errors)
            .spawn()
            .map_err(|source| Failure::Start { program: "carbon-cache".to_owned(), source })?;
        let carbon = Self { process, dir, address: address_of(cluster)? };
        listens(&log)?;
        Ok(carbon)
    }

    /// Makes it reachable as `graphite` in a namespace: a Service whose endpoint is the node.
    pub fn serve_in(&self, ns: &Namespace) -> Done {
        let ports = object!([{"name": "plaintext", "port": PORT, "protocol": "TCP"}]);
        let objects = object!({
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": "graphite"},
                    "spec": {"ports": ports},
                },
                {
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {
                        "name": "graphite-node",
                        "labels": {"kubernetes.io/service-name": "graphite"},
                    },
                    "addressType": "IPv4",
                    "endpoints": [{"addresses": [self.address], "conditions": {"ready": true}}],
                    "ports": ports,
                },
            ],
        });
        ns.apply(&objects.to_string())
    }

    /// The folders directly below a dotted prefix: one per name that has sent a metric.
    pub fn folders(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let mut path = self.dir.path().join("storage/whisper");
        path.extend(prefix.split('.'));
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(file(&path, source)),
        };
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        Ok(names)
    }
}

impl Drop for Carbon {
    fn drop(&mut self) {
        // Its files are in a temporary folder, so nothing has to be flushed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The virtual environment. It is made again when the pinned versions change.
fn install() -> Result<PathBuf, Failure> {
    let pins = paths::repository().join("e2e/carbon/requirements.txt");
    let wanted = fs::read_to_string(&pins).map_err(|source| file(&pins, source))?;
    let environment = paths::home().join("carbon");
    let mark = environment.join("installed");
    let lock = paths::home().join("carbon.lock");
    let held = fs::File::create(&lock).map_err(|source| file(&lock, source))?;
    held.lock().map_err(|source| file(&lock, source))?;
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(environment);
    }
    eprintln!("installing Carbon and Whisper from PyPI");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment), None)?.ok()?;
    watch(
        Command::new(environment.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&pins)
            .env("GRAPHITE_NO_PREFIX", "True"),
    )?;
    fs::write(&mark, &wanted).map_err(|source| file(&mark, source))?;
    Ok(environment)
}

fn listens(log: &Path) -> Done {
    until_quickly("carbon listens", secs(30), || {
        let said = fs::read_to_string(log).map_err(|source| file(log, source))?;
        Ok(if said.contains(&format!("CarbonReceiverFactory starting on {PORT}")) {
            Seen::Yes(())
        } else {
            Seen::NotYet(said)
        })
    })
}

fn address_of(cluster: &Cluster) -> Result<String, Failure> {
    let node = cluster.get(&["node", NODE])?;
    json::list(&node, "/status/addresses")
        .iter()
        .find(|address| json::text(address, "/type").as_deref() == Some("InternalIP"))
        .and_then(|address| json::text(address, "/address"))
        .ok_or_else(|| Failure::new("the node has no address"))
}

fn file(path: &Path, source: io::Error) -> Failure {
    Failure::File { path: path.to_path_buf(), source }
}
