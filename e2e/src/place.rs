//! Where things are: the repository, and the one folder of tools and state.

use std::env;
use std::path::{Path, PathBuf};

/// The repository: this crate lies directly in it.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// `CAIRN_HOME`, by default `.cairn` in the repository.
pub fn home() -> PathBuf {
    env::var_os("CAIRN_HOME").map_or_else(|| repository().join(".cairn"), PathBuf::from)
}
