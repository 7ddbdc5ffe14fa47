//! The metrics prefix: a template such as `{namespace}.{group}.{name}`, and how it is filled.
//!
//! Each placeholder fills exactly one path segment: characters outside `[A-Za-z0-9_-]` become `_`, so that a dot in a
//! pod's name cannot add a level to a Graphite tree. A missing group becomes `-`, so that the depth of the tree does
//! not depend on the kind of workload.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::suggest;

/// The placeholders that a template may use.
pub const PLACEHOLDERS: [&str; 6] = ["name", "pool", "group", "namespace", "pod", "node"];

/// Long enough for a template with all placeholders, and short enough for a line of any metrics protocol.
const MAX_TEMPLATE_LEN: usize = 256;

/// A metrics prefix template as the user wrote it. [`Template::check`] says whether it can be filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(String);

/// The values of the placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// `{name}`
    pub name: &'a str,
    /// `{pool}`
    pub pool: &'a str,
    /// `{group}`; none becomes `-`.
    pub group: Option<&'a str>,
    /// `{namespace}`
    pub namespace: &'a str,
    /// `{pod}`
    pub pod: &'a str,
    /// `{node}`
    pub node: &'a str,
}

/// Why a template was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PrefixError {
    /// An unknown placeholder that is similar to a known one.
    #[error("prefix placeholder '{{{found}}}' is not known; did you mean '{{{suggestion}}}'?")]
    Mistyped {
        /// As written.
        found: String,
        /// The nearest known one.
        suggestion: String,
    },
    /// An unknown placeholder that is similar to none.
    #[error(
        "prefix placeholder '{{{0}}}' is not known; use name, pool, group, namespace, pod or node"
    )]
    Unknown(String),
    /// An opening or closing brace without its partner.
    #[error("prefix '{0}' has an unmatched brace; write placeholders like {{name}}")]
    Unmatched(String),
    /// A character that would break an env file or a metric line.
    #[error(
        "prefix '{template}' contains '{found}'; use only letters, digits, '.', '-', '_', ':' and placeholders"
    )]
    Character {
        /// As written.
        template: String,
        /// The first offending character.
        found: char,
    },
    /// Empty or too long.
    #[error("prefix '{0}' must have 1 to {MAX_TEMPLATE_LEN} characters")]
    Length(String),
}

enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

// === impl Template ===

impl Template {
    /// Reads a template and checks that it can be filled.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let template = Self(text.to_owned());
        template.check()?;
        Ok(template)
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can be filled.
    pub fn check(&self) -> Result<(), PrefixError> {
        if self.0.is_empty() || self.0.len() > MAX_TEMPLATE_LEN {
            return Err(PrefixError::Length(self.0.clone()));
        }
        self.pieces()?.into_iter().try_for_each(|piece| match piece {
            Piece::Placeholder(found) if PLACEHOLDERS.contains(&found) => Ok(()),
            Piece::Placeholder(found) => Err(match suggest::nearest(found, PLACEHOLDERS) {
                Some(suggestion) => PrefixError::Mistyped {
                    found: found.to_owned(),
                    suggestion: suggestion.to_owned(),
                },
                None => PrefixError::Unknown(found.to_owned()),
            }),
            Piece::Text(text) => {
                match text.chars().find(|c| !(is_plain(*c) || ".:".contains(*c))) {
                    Some(found) => Err(PrefixError::Character { template: self.0.clone(), found }),
                    None => Ok(()),
                }
            }
        })
    }

    /// The prefix for one claim.
    pub fn fill(&self, values: &Values<'_>) -> String {
        let mut out = String::with_capacity(self.0.len() + 32);
        for piece in self.pieces().unwrap_or_default() {
            let value = match piece {
                Piece::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Piece::Placeholder("name") => values.name,
                Piece::Placeholder("pool") => values.pool,
                Piece::Placeholder("group") => values.group.unwrap_or("-"),
                Piece::Placeholder("namespace") => values.namespace,
                Piece::Placeholder("pod") => values.pod,
                Piece::Placeholder("node") => values.node,
                Piece::Placeholder(_) => continue,
            };
            for c in value.chars() {
                let _ = out.write_char(if is_plain(c) { c } else { '_' });
            }
        }
        out
    }

    fn pieces(&self) -> Result<Vec<Piece<'_>>, PrefixError> {
        let unmatched = || PrefixError::Unmatched(self.0.clone());
        let mut pieces = Vec::new();
        let mut rest = self.0.as_str();
        while let Some((text, after)) = rest.split_once('{') {
            let (placeholder, tail) = after.split_once('}').ok_or_else(unmatched)?;
            pieces.push(Piece::Text(text));
            pieces.push(Piece::Placeholder(placeholder));
            rest = tail;
        }
        pieces.push(Piece::Text(rest));
        let stray = |piece: &Piece<'_>| matches!(piece, Piece::Text(text) if text.contains('}'));
        if pieces.iter().any(stray) { Err(unmatched()) } else { Ok(pieces) }
    }
}

/// `{namespace}.{group}.{name}`: unique per workload, with as few series as the workload has names.
impl Default for Template {
    fn default() -> Self {
        Self("{namespace}.{group}.{name}".to_owned())
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> = Values {
        name: "Denali",
        pool: "mountains",
        group: Some("check.out"),
        namespace: "shop",
        pod: "checkout-5d4f-x2k",
        node: "node-1.example",
    };

    #[test]
    fn a_value_fills_one_path_segment_whatever_it_contains() {
        assert_eq!(Template::default().fill(&VALUES), "shop.check_out.Denali");
        let template = Template::parse("app:{pool}.{node}.{name}").unwrap();
        assert_eq!(template.fill(&VALUES), "app:mountains.node-1_example.Denali");
    }

    #[test]
    fn a_prefix_without_a_group_has_as_many_path_segments() {
        let bare = Values { group: None, ..VALUES };
        assert_eq!(Template::default().fill(&bare), "shop.-.Denali");
    }

    #[test]
    fn bad_templates_are_refused_with_a_message_that_says_what_to_write() {
        let say = |text: &str| Template::parse(text).unwrap_err().to_string();
        assert!(say("{nmae}").contains("did you mean '{name}'"), "{}", say("{nmae}"));
        assert!(say("{colour}").contains("use name, pool"), "{}", say("{colour}"));
        assert!(say("{name").contains("unmatched brace"));
        assert!(say("na}me").contains("unmatched brace"));
        assert!(say("it's.{name}").contains("contains '''"));
        assert!(say("").contains("1 to 256"));
    }
}
