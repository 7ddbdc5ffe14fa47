//! Finds circles of imports among sibling modules of a crate.
//!
//! A crate is parsed from its root file on. Every path that begins with `crate`, `super` or `self` counts, in `use`
//! items, in other code and in calls of macros. A name that a module imports or re-exports is followed to the module
//! that defines it. Such a path is an edge between the two sibling modules above its ends. Siblings that reach each
//! other are a [`Circle`].
//!
//! - A module and its own child are no siblings: a child may use a type of its parent, and a parent its children.
//! - Code under `#[cfg(test)]` does not count.
//! - A call of a method has no path, so that an `impl` of one type in several files is no circle.
//!
//! Why not `cargo modules dependencies --acyclic`: it builds rust-analyzer, which takes minutes, and it counts a child
//! that uses its parent as a circle.

mod circle;
mod paths;
mod tree;

use std::path::{Path, PathBuf};

use thiserror::Error;

pub use circle::{Circle, Edge};

/// Why a crate could not be read.
#[derive(Debug, Error)]
pub enum CirclesError {
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file is not Rust.
    #[error("cannot parse {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: syn::Error,
    },
    /// A module has no file.
    #[error("cannot find the file of module {module} of {}", parent.display())]
    NoFile {
        /// The file that declares it.
        parent: PathBuf,
        /// The module.
        module: String,
    },
}

/// The circles of the crate with this root file, such as `src/lib.rs`.
pub fn circles(root: &Path) -> Result<Vec<Circle>, CirclesError> {
    Ok(circle::find(&tree::read(root)?))
}
