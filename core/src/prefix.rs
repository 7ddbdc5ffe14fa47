//! The metrics prefix: a template such as `{namespace}.{group}.{name}` and how it is filled.
//!
//! Each placeholder fills exactly one path segment: characters outside `[A-Za-z0-9_-]` become `_`, so
//! that a dot in a pod's name cannot add a level to a Graphite tree. A missing group becomes `-`,
//! so that the depth of the tree does not depend on the kind of workload.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::suggest;

/// The placeholders that a template may use.
pub const PLACEHOLDERS: [&str; 6] = ["name", "pool", "group", "namespace", "pod", "node"];

/// Long enough for every placeholder at full length, short enough for any metric protocol's line.
const MAX_TEMPLATE_LEN: usize = 256;

/// A metrics prefix template, as written. [`Template::check`] says whether it can be filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(String);

/// What the placeholders stand for.
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
    /// `{nam}`
    #[error("prefix placeholder '{{{found}}}' is not known; did you mean '{{{suggestion}}}'?")]
    Mistyped {
        /// As written.
        found: String,
        /// The nearest known one.
        suggestion: String,
    },
    /// `{colour}`
    #[error(
        "prefix placeholder '{{{0}}}' is not known; use name, pool, group, namespace, pod or node"
    )]
    Unknown(String),
    /// `{name`
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
    /// A template that can be filled, or a sentence that says why not.
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

/// `{namespace}.{group}.{name}`: a handful of series per workload, told apart from other workloads.
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
    fn a_missing_group_keeps_the_depth_of_the_tree() {
        let bare = Values { group: None, ..VALUES };
        assert_eq!(Template::default().fill(&bare), "shop.-.Denali");
    }

    #[test]
    fn bad_templates_are_refused_with_what_to_write() {
        let say = |text: &str| Template::parse(text).unwrap_err().to_string();
        assert!(say("{nmae}").contains("did you mean '{name}'"), "{}", say("{nmae}"));
        assert!(say("{colour}").contains("use name, pool"), "{}", say("{colour}"));
        assert!(say("{name").contains("unmatched brace"));
        assert!(say("na}me").contains("unmatched brace"));
        assert!(say("it's.{name}").contains("contains '''"));
        assert!(say("").contains("1 to 256"));
    }
}
