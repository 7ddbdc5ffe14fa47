//! One cluster of `e2e/cluster`, by its name, used through that tool.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::run::{Output, run, watch};
use crate::{Done, Failure, paths};

/// The image of `e2e/app`.
pub const TEST_APP: &str = "localhost/cairn-test-app:dev";

/// A cluster by its name.
#[derive(Clone, Debug)]
pub struct Cluster {
    name: String,
}

/// A cluster whose API server does not run. It is started when this is dropped.
#[derive(Debug)]
pub struct WithoutApi(Cluster);

/// A cluster of a test's own, beside the one that the tests share. It is removed when this is dropped.
#[derive(Debug)]
pub struct Temporary(Cluster);

impl Temporary {
    /// Starts a cluster with this tree's images. Its name is the shared cluster's with a suffix.
    pub fn up(shared: &Cluster, suffix: &str) -> Result<Self, Failure> {
        let temporary = Self(Cluster::named(&format!("{}-{suffix}", shared.name)));
        temporary.0.up()?;
        temporary.0.images()?;
        Ok(temporary)
    }
}

impl std::ops::Deref for Temporary {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(failure) = self.0.down() {
            eprintln!("the cluster {} is left behind: {failure:?}", self.0.name());
        }
    }
}

impl Cluster {
    /// The cluster of that name. It need not be up.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it, or leaves it as it is when it is up.
    pub fn up(&self) -> Done {
        watch(tool().args(["up", &self.name]))
    }

    /// Removes it and everything that belongs to it.
    pub fn down(&self) -> Done {
        watch(tool().args(["down", &self.name]))
    }

    /// Builds the images where inputs changed, and imports them.
    pub fn images(&self) -> Done {
        watch(tool().args(["images", &self.name]))?;
        watch(tool().args(["image", &self.name, TEST_APP]))
    }

    /// Kills the API server, until [`WithoutApi::end`].
    pub fn without_api(&self) -> Result<WithoutApi, Failure> {
        watch(tool().args(["apiserver", &self.name, "stop"]))?;
        Ok(WithoutApi(self.clone()))
    }

    /// `kubectl` as cluster admin.
    pub fn kubectl(&self, args: &[&str]) -> Result<Output, Failure> {
        self.tool("kubectl", args, None)
    }

    /// `kubectl` as cluster admin, with this standard input.
    pub fn kubectl_with(&self, args: &[&str], stdin: &str) -> Result<Output, Failure> {
        self.tool("kubectl", args, Some(stdin))
    }

    /// `helm` as cluster admin.
    pub fn helm(&self, args: &[&str]) -> Result<Output, Failure> {
        self.tool("helm", args, None)
    }

    /// Runs a command in the cluster's network.
    pub fn enter(&self, args: &[&str]) -> Result<Output, Failure> {
        self.tool("enter", args, None)
    }

    /// Runs a command on the node itself: with its processes, mounts and containerd.
    pub fn node(&self, args: &[&str]) -> Result<Output, Failure> {
        self.tool("node", args, None)
    }

    /// A command that runs in the cluster's network once the caller has added its arguments and started it.
    pub fn entering(&self) -> Command {
        let mut command = tool();
        command.args(["enter", &self.name]);
        command
    }

    /// Reads an object or a list with `kubectl get`, as JSON.
    pub fn get(&self, args: &[&str]) -> Result<Value, Failure> {
        self.kubectl(&[&["get", "-o", "json"], args].concat())?.json()
    }

    /// The tool's folder for the state of this cluster. `down` removes it.
    pub fn state_dir(&self) -> PathBuf {
        paths::home().join("clusters").join(&self.name)
    }

    /// Takes the shared lock of the cluster, across processes, until the file is closed.
    pub fn share(&self) -> Result<File, Failure> {
        self.lock(File::lock_shared)
    }

    /// Takes the exclusive lock of the cluster, across processes, until the file is closed: for tests that change or
    /// break what other tests need.
    pub fn monopolise(&self) -> Result<File, Failure> {
        self.lock(File::lock)
    }

    fn lock(&self, how: impl FnOnce(&File) -> io::Result<()>) -> Result<File, Failure> {
        let path = paths::home().join(format!("e2e-{}.lock", self.name));
        let open = || {
            fs::create_dir_all(paths::home())?;
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            how(&file)?;
            Ok(file)
        };
        open().map_err(|source| Failure::File { path: path.clone(), source })
    }

    fn start_api(&self) -> Done {
        watch(tool().args(["apiserver", &self.name, "start"]))
    }

    fn tool(&self, verb: &str, args: &[&str], stdin: Option<&str>) -> Result<Output, Failure> {
        run(tool().arg(verb).arg(&self.name).args(args), stdin)
    }
}

impl WithoutApi {
    /// Starts the API server and waits until it answers.
    pub fn end(self) -> Done {
        self.0.start_api()
    }
}

impl Drop for WithoutApi {
    fn drop(&mut self) {
        // The next test needs it, also when an assertion of this one has failed. A running one is left alone.
        if let Err(failure) = self.0.start_api() {
            eprintln!("cannot start the API server again: {failure:?}");
        }
    }
}

/// The tool, with the environment that it has when a user calls it. It runs cargo: with the variables that `cargo test`
/// sets (`CARGO_…`, `LD_LIBRARY_PATH`), every build would run the build scripts again.
fn tool() -> Command {
    let mut command = Command::new(paths::repository().join("e2e/cluster/cluster"));
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        let of_cargo = name.starts_with("CARGO") && name != "CARGO_HOME";
        if of_cargo
            || ["LD_LIBRARY_PATH", "RUSTUP_TOOLCHAIN", "RUST_RECURSION_COUNT"].contains(&&*name)
        {
            command.env_remove(key);
        }
    }
    command
}
