//! One cluster of `e2e/cluster`, by name, through that tool.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::run::{Output, run, watch};
use crate::{Done, Failure, place};

/// A cluster that can be talked to.
#[derive(Clone, Debug)]
pub struct Cluster {
    name: String,
}

impl Cluster {
    /// The cluster of that name, whether it is up or not.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it, or leaves it as it is when it is up.
    pub fn up(&self) -> Done {
        watch(Command::new(tool()).args(["up", &self.name]))
    }

    /// Removes it and everything that belongs to it.
    pub fn down(&self) -> Done {
        watch(Command::new(tool()).args(["down", &self.name]))
    }

    /// Builds the images where inputs changed, and imports them.
    pub fn images(&self) -> Done {
        watch(Command::new(tool()).args(["images", &self.name]))
    }

    /// `kubectl` as cluster admin.
    pub fn kubectl(&self, args: &[&str]) -> Result<Output, Failure> {
        self.tool("kubectl", args, None)
    }

    /// `kubectl … -f -` with this on its standard input.
    pub fn kubectl_with(&self, args: &[&str], stdin: &str) -> Result<Output, Failure> {
        self.tool("kubectl", args, Some(stdin))
    }

    /// `helm` as cluster admin.
    pub fn helm(&self, args: &[&str]) -> Result<Output, Failure> {
        self.tool("helm", args, None)
    }

    /// A command in the cluster's network.
    pub fn enter(&self, args: &[&str]) -> Result<Output, Failure> {
        self.tool("enter", args, None)
    }

    /// A command on the node itself: its processes, mounts and containerd.
    pub fn node(&self, args: &[&str]) -> Result<Output, Failure> {
        self.tool("node", args, None)
    }

    /// A long-running command in the cluster's network, to be started by the caller.
    pub fn entering(&self) -> Command {
        let mut command = Command::new(tool());
        command.args(["enter", &self.name]);
        command
    }

    /// An object or a list, as JSON.
    pub fn get(&self, args: &[&str]) -> Result<Value, Failure> {
        self.kubectl(&[&["get", "-o", "json"], args].concat())?.json()
    }

    /// Where the tool keeps what it knows about this cluster; gone when the cluster is.
    pub fn state_dir(&self) -> PathBuf {
        place::home().join("clusters").join(&self.name)
    }

    /// The lock of everybody who uses this cluster: shared by those who only use it, exclusive for
    /// those who break it. Held while the file is open, also across processes.
    pub fn lock_file(&self) -> Result<File, Failure> {
        let path = place::home().join(format!("e2e-{}.lock", self.name));
        let fail = |source| Failure::File { path: path.clone(), source };
        fs::create_dir_all(place::home()).map_err(fail)?;
        File::options().create(true).truncate(false).write(true).open(&path).map_err(fail)
    }

    fn tool(&self, verb: &str, args: &[&str], stdin: Option<&str>) -> Result<Output, Failure> {
        run(Command::new(tool()).arg(verb).arg(&self.name).args(args), stdin)
    }
}

fn tool() -> PathBuf {
    place::repository().join("e2e/cluster/cluster")
}
