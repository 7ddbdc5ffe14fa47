//! YAML to JSON values: the only file that knows which YAML library we use.

use serde_json::Value;
use serde_saphyr::UserMessageFormatter;
use thiserror::Error;

/// Not a manifest.
#[derive(Debug, Error)]
pub enum YamlError {
    /// Not YAML.
    #[error("{0}")]
    Syntax(String),
    /// A text, a number or a list where an object is expected.
    #[error("its document {0} is not a mapping of fields")]
    NotObject(usize),
}

/// The documents of a file; empty ones are left out. JSON is YAML too.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| YamlError::Syntax(sentence(&error)))?;
    match documents.iter().position(|document| !document.is_object()) {
        Some(index) => Err(YamlError::NotObject(index + 1)),
        None => Ok(documents),
    }
}

/// The library draws the place in the source over several lines; one line is enough to find it.
fn sentence(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().render_with_formatter(&UserMessageFormatter);
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
