//! `cairn check FILE`: whether admission would accept the pods and pools of manifests, with the same messages. It works
//! offline: what only the cluster knows is a note and never a refusal.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cairn_core::pool::{Pool, PoolName};
use cairn_core::suggest;
use cairn_kit::exit::Exit;
use thiserror::Error;

use super::manifest::{self, Finding, Verdict};
use crate::report::Report;
use crate::yaml;

/// A file that cannot be checked.
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

/// Runs the command.
pub fn run(paths: &[PathBuf]) -> Report {
    let mut report = Report::default();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let file = shown(path);
        match examine(path) {
            Ok(findings) => files.push((file, findings)),
            Err(error) => {
                report.errors.push(error.to_string());
                report.exit = Exit::Usage;
            }
        }
    }
    let known = known_pools(files.iter().flat_map(|(_, findings)| findings));
    for (file, findings) in &files {
        if findings.is_empty() {
            line(&mut report.text, format_args!("{file}: no pods and no pools"));
        }
        for Finding { subject, verdict } in findings {
            let text = &mut report.text;
            match verdict {
                Verdict::Refused(message) => {
                    line(text, format_args!("{file}: {subject}: refused: {message}"));
                    report.exit = report.exit.max(Exit::Failed);
                }
                Verdict::Pool(pool) => {
                    line(
                        text,
                        format_args!("{file}: {subject}: fine, {}", count(pool.names.len())),
                    );
                }
                Verdict::Nothing => {
                    line(text, format_args!("{file}: {subject}: fine, asks for no name"));
                }
                Verdict::Asks(pools, coordination) => {
                    let from: Vec<&str> = pools.iter().map(PoolName::as_str).collect();
                    let from =
                        (!from.is_empty()).then(|| format!("claims from {}", from.join(", ")));
                    let with = coordination.as_ref().map(|with| format!("coordinates {with}"));
                    let asks: Vec<String> = from.into_iter().chain(with).collect();
                    let asks = asks.join(" and ");
                    line(text, format_args!("{file}: {subject}: fine, {asks}"));
                    for pool in pools.iter().filter(|pool| !known.contains(*pool)) {
                        let note = unknown(pool, &known);
                        line(text, format_args!("{file}: {subject}: note: {note}"));
                    }
                }
            }
        }
    }
    report
}

fn examine(path: &Path) -> Result<Vec<Finding>, FileError> {
    Ok(documents(path)?.iter().flat_map(manifest::examine).collect())
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

/// The built-in pools and those of the files.
fn known_pools<'f>(findings: impl Iterator<Item = &'f Finding>) -> BTreeSet<PoolName> {
    let given = findings.filter_map(|finding| match &finding.verdict {
        Verdict::Pool(pool) => Some(pool.name.clone()),
        _ => None,
    });
    Pool::builtin_names().into_iter().chain(given).collect()
}

fn unknown(pool: &PoolName, known: &BTreeSet<PoolName>) -> String {
    match suggest::nearest(pool.as_str(), known.iter().map(PoolName::as_str)) {
        Some(near) => {
            format!("pool '{pool}' is neither built in nor in these files; did you mean '{near}'?")
        }
        None => format!(
            "pool '{pool}' is neither built in nor in these files; it has to exist in the cluster"
        ),
    }
}

fn count(names: usize) -> String {
    if names == 1 { "1 name".to_owned() } else { format!("{names} names") }
}

/// The file in messages.
pub fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{words}");
}
