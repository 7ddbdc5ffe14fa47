//! Paths: the repository, the folder of tools and state, and built binaries.

use std::env;
use std::path::{Path, PathBuf};

use crate::Failure;

/// The repository, which is the parent of this crate.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// `CAIRN_HOME`, by default `.cairn` in the repository.
pub fn home() -> PathBuf {
    env::var_os("CAIRN_HOME").map_or_else(|| repository().join(".cairn"), PathBuf::from)
}

/// The binary of an image, for this machine.
pub fn image_binary(name: &str) -> Result<PathBuf, Failure> {
    let target = format!("target/{}-unknown-linux-gnu/image", env::consts::ARCH);
    let path = home().join(target).join(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(Failure::new(format!(
            "{} is not there; 'e2e/cluster/cluster images NAME' builds it",
            path.display()
        )))
    }
}

/// The `cairn` command, which is built into the same folder as the running test.
pub fn command_line() -> Result<PathBuf, Failure> {
    let test =
        env::current_exe().map_err(|source| Failure::File { path: "cairn".into(), source })?;
    let path =
        test.parent().and_then(Path::parent).map_or_else(PathBuf::new, |dir| dir.join("cairn"));
    if path.exists() {
        Ok(path)
    } else {
        Err(Failure::new(format!(
            "{} is not there; 'cargo build -p cairn' builds it",
            path.display()
        )))
    }
}
