//! The UID of a sidecar outside Kubernetes. It is made once and kept in the directory, so that a restarted process
//! adopts its own claim instead of claiming a second name.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;
use uuid::Uuid;

use crate::publish::file;

/// The file in the directory.
const FILE: &str = "instance";

/// Why there is no UID.
#[derive(Debug, Error)]
pub enum InstanceError {
    /// The file cannot be read.
    #[error("cannot read the instance in {}; make it readable or give --instance", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file does not contain a UUID.
    #[error("{} does not hold a UUID; remove it to start afresh, or give --instance", .0.display())]
    Malformed(PathBuf),
    /// A new UID cannot be written.
    #[error("cannot keep a new instance")]
    Write(#[from] file::FileError),
}

/// Reads the UID in a directory, or makes a new one. Blocks.
pub fn load(dir: &Path) -> Result<String, InstanceError> {
    let path = dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse::<Uuid>() {
            Ok(uid) => Ok(uid.to_string()),
            Err(_) => Err(InstanceError::Malformed(path)),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let uid = Uuid::new_v4().to_string();
            file::write(dir, FILE, uid.as_bytes())?;
            Ok(uid)
        }
        Err(source) => Err(InstanceError::Read { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = load(dir.path()).unwrap();
        assert_eq!(load(dir.path()).unwrap(), first);
        assert_ne!(load(tempfile::tempdir().unwrap().path()).unwrap(), first);
    }

    #[test]
    fn a_damaged_instance_is_refused_rather_than_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "half a uu").unwrap();
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("remove it to start afresh"), "{error}");
    }
}
