//! The corpus: a YAML file for each shape of a manifest, with comment lines at its top that say what is expected.
//!
//! ```yaml
//! # injected: app, worker
//! # without files, injected without variables: app, worker
//! ```
//!
//! The containers are all that get mount and variables. The other outcomes are `untouched`, `stripped` (only results of
//! an earlier life are removed) and `refused: WORDS`. A line may be limited: `without files` to clusters in which
//! variables cannot come from files, `in Kubernetes` to a real API server, whose own rules come before or after Cairn's.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

/// One file.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The file's name without its ending.
    pub name: String,
    /// The objects in it. The items of a List are objects of their own.
    pub objects: Vec<Value>,
    lines: Vec<(Scope, Expected)>,
}

/// What must become of the pods of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// They get a sidecar.
    Injected {
        /// The containers that get the mount.
        containers: Vec<String>,
        /// Whether these get variables too.
        variables: bool,
    },
    /// They are refused, with a message that contains these words.
    Refused(String),
    /// They stay as they are.
    Untouched,
    /// They get no sidecar; annotations that only Cairn may write are removed.
    Stripped,
}

/// Where pods are admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Whether containers can take variables from files.
    pub files: bool,
    /// Whether a real API server is asked.
    pub kubernetes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Everywhere,
    WithoutFiles,
    InKubernetes,
}

/// Why the corpus cannot be read.
#[derive(Debug, Error)]
pub enum CorpusError {
    /// A file or the folder.
    #[error("could not read {}", .0.display())]
    Io(PathBuf, #[source] std::io::Error),
    /// A line at the top.
    #[error("{file}: '{line}' is not an expectation; write it as the others")]
    Expectation {
        /// The file.
        file: String,
        /// The line.
        line: String,
    },
    /// There is no line for everywhere.
    #[error("{0}: the first line must say what is expected")]
    NothingExpected(String),
    /// Not YAML.
    #[error("{file}: {message}")]
    Yaml {
        /// The file.
        file: String,
        /// What the parser says.
        message: String,
    },
}

/// All cases in the order of their names.
pub fn all() -> Result<Vec<Case>, CorpusError> {
    let folder = folder();
    let failed = |error| CorpusError::Io(folder.clone(), error);
    let entries = fs::read_dir(&folder).map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}

/// The pools that the corpus claims from, besides those that ship with Cairn.
pub fn pools() -> Result<Vec<Value>, CorpusError> {
    let path = folder().join("pools/pools.yaml");
    let text = fs::read_to_string(&path).map_err(|error| CorpusError::Io(path, error))?;
    documents("pools.yaml", &text)
}

/// The documents of a YAML text; empty ones are left out.
pub fn documents(file: &str, text: &str) -> Result<Vec<Value>, CorpusError> {
    let read: Result<Vec<Value>, _> = serde_saphyr::from_multiple(text);
    let mut documents = read
        .map_err(|error| CorpusError::Yaml { file: file.to_owned(), message: error.to_string() })?;
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

// === impl Case ===

impl Case {
    fn read(path: &Path) -> Result<Self, CorpusError> {
        let text = fs::read_to_string(path).map_err(|error| CorpusError::Io(path.into(), error))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self::parse(&name, &text)
    }

    /// A case from the text of a file.
    pub fn parse(name: &str, text: &str) -> Result<Self, CorpusError> {
        let comments = text.lines().map_while(|line| line.strip_prefix("# "));
        let lines: Vec<(Scope, Expected)> = comments
            .map(|line| {
                let bad = || CorpusError::Expectation { file: name.into(), line: line.into() };
                expectation(line).ok_or_else(bad)
            })
            .collect::<Result<_, _>>()?;
        if !lines.iter().any(|(scope, _)| *scope == Scope::Everywhere) {
            return Err(CorpusError::NothingExpected(name.to_owned()));
        }
        let objects = documents(name, text)?.into_iter().flat_map(items).collect();
        Ok(Self { name: name.to_owned(), objects, lines })
    }

    /// What is expected there: the last line that applies.
    pub fn expected(&self, place: Place) -> &Expected {
        let applies = |scope: &Scope| match scope {
            Scope::Everywhere => true,
            Scope::WithoutFiles => !place.files,
            Scope::InKubernetes => place.kubernetes,
        };
        let line = self.lines.iter().rev().find(|(scope, _)| applies(scope));
        line.map_or(&Expected::Untouched, |(_, expected)| expected)
    }
}

fn items(object: Value) -> Vec<Value> {
    match object.get("items").and_then(Value::as_array) {
        Some(items) => items.clone(),
        None => vec![object],
    }
}

fn expectation(line: &str) -> Option<(Scope, Expected)> {
    let limited =
        [("without files, ", Scope::WithoutFiles), ("in Kubernetes, ", Scope::InKubernetes)];
    let (scope, line) = limited
        .into_iter()
        .find_map(|(words, scope)| Some((scope, line.strip_prefix(words)?)))
        .unwrap_or((Scope::Everywhere, line));
    let names = |list: &str| list.split(',').map(|name| name.trim().to_owned()).collect();
    let injected = |list, variables| Expected::Injected { containers: names(list), variables };
    let expected = match line.split_once(": ") {
        Some(("refused", words)) => Expected::Refused(words.to_owned()),
        Some(("injected", list)) => injected(list, true),
        Some(("injected without variables", list)) => injected(list, false),
        None if line == "untouched" => Expected::Untouched,
        None if line == "stripped" => Expected::Stripped,
        _ => return None,
    };
    Some((scope, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_applies_is_expected() {
        let text = "# injected: app, worker\n# without files, refused: too old\n# in Kubernetes, untouched\nkind: Pod\n";
        let case = Case::parse("a", text).unwrap();
        let at = |files, kubernetes| case.expected(Place { files, kubernetes });
        let containers = vec!["app".to_owned(), "worker".to_owned()];
        assert_eq!(*at(true, false), Expected::Injected { containers, variables: true });
        assert_eq!(*at(false, false), Expected::Refused("too old".to_owned()));
        assert_eq!(*at(false, true), Expected::Untouched);
        assert_eq!(case.objects, [serde_json::json!({"kind": "Pod"})]);
    }

    #[test]
    fn a_file_without_a_readable_expectation_is_an_error() {
        assert!(Case::parse("a", "kind: Pod\n").is_err());
        assert!(Case::parse("a", "# injectd: app\nkind: Pod\n").is_err());
        assert!(Case::parse("a", "# without files, untouched\nkind: Pod\n").is_err());
    }
}
