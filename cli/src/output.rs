//! How commands print: a table for people, or one object for programs.

use clap::ValueEnum;
use serde_json::Value;

use crate::yaml;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns for people.
    #[default]
    Table,
    /// All columns.
    Wide,
    /// One JSON object.
    Json,
    /// The same as YAML.
    Yaml,
}

// === impl Output ===

impl Output {
    /// The text of an object; `None` when a table is wanted.
    pub fn object(self, object: impl FnOnce() -> Value) -> Option<String> {
        match self {
            Self::Table | Self::Wide => None,
            Self::Json => Some(format!("{:#}\n", object())),
            Self::Yaml => Some(yaml::print(&object())),
        }
    }
}
