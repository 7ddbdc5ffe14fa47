//! YAML as JSON values, both ways. Only this module uses the YAML library.

use serde_json::Value;
use serde_saphyr::UserMessageFormatter;
use thiserror::Error;

/// Why a text is not a manifest.
#[derive(Debug, Error)]
pub enum YamlError {
    /// It is not YAML.
    #[error("{0}")]
    Syntax(String),
    /// A document is a string, a number or a list.
    #[error("its document {0} is not a mapping of fields")]
    NotObject(usize),
}

/// The documents of a file; empty ones are left out. JSON is YAML too.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| YamlError::Syntax(message(&error)))?;
    match documents.iter().position(|document| !document.is_object()) {
        Some(index) => Err(YamlError::NotObject(index + 1)),
        None => Ok(documents),
    }
}

/// One document.
pub fn print(value: &Value) -> String {
    // Every JSON value has a form in YAML, and writing to a String cannot fail.
    serde_saphyr::to_string(value).unwrap_or_default()
}

/// The first line of the library's message, which has the position. The others quote the source.
fn message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().render_with_formatter(&UserMessageFormatter);
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
