//! Files of Kubernetes manifests.

use std::io::{self, Read as _};
use std::path::Path;

use thiserror::Error;

use crate::yaml;

/// A file that cannot be read as manifests.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file cannot be read, or is not UTF-8.
    #[error(
        "cannot read {file}: {source}; name a file of Kubernetes manifests, or - for standard input"
    )]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not YAML, or not a manifest.
    #[error(
        "{file} is not a Kubernetes manifest: {source}; correct it, or render it first if it is a template"
    )]
    Yaml {
        /// The file.
        file: String,
        /// What is wrong.
        source: yaml::YamlError,
    },
    /// No certificate.
    #[error("{file} has no certificate; give a PEM file")]
    NoCertificate {
        /// The file.
        file: String,
    },
}

/// The documents of a file, or of standard input for `-`.
pub fn documents(path: &Path) -> Result<Vec<serde_json::Value>, FileError> {
    let file = shown(path);
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|source| FileError::Read { file: file.clone(), source })?;
    yaml::documents(&text).map_err(|source| FileError::Yaml { file, source })
}

/// The file in messages.
pub fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}
