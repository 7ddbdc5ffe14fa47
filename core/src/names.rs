//! The names of a pool: where they come from, how they are shown, and how a slot is keyed.
//!
//! Invariants of a validated [`Names`]: not empty, at most [`MAX_NAMES`], every name matches
//! `[A-Za-z0-9_-]{1,63}`, no two are equal. Numeric slots are keyed by their number, whatever prefix or width they are
//! shown with. Otherwise a change of `width` could grant number 7 twice.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How many names a pool may have. A claim lists the keys of all slots, quarantines and notes in one answer, which has
/// about 5 MB for 8,192 of the longest keys.
pub const MAX_NAMES: usize = 8192;

/// A Graphite path segment, a DNS label and a metric tag may all have 63 characters.
const MAX_NAME_LEN: usize = 63;

const MOUNTAINS: &str = include_str!("mountains.txt");

/// `spec.names` as a user writes it: exactly one of the three fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamesSpec {
    /// A list that Cairn ships.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<Builtin>,
    /// The user's own list, in the order in which names are granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Vec<String>>,
    /// Consecutive numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
}

/// The lists that Cairn ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Builtin {
    /// The hundred major summits of North America, highest first, in ASCII.
    NorthAmericanMountains,
}

/// Numbers `from..=to`, shown with a prefix and padded with zeros to a fixed width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// The first number.
    pub from: u32,
    /// The last number, inclusive.
    pub to: u32,
    /// The text before the number, such as `node-`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Zero-padding: 3 shows 7 as `007`. 0 means none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub width: u8,
}

/// A validated, ordered list of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// A list; each name is the key of its slot.
    List(Vec<String>),
    /// Numbers; each slot is keyed by its number.
    Range(Range),
}

/// Why a list of names was refused; each message says what to write instead.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NamesError {
    /// No source, or more than one.
    #[error("names must have exactly one of builtin, list and range")]
    OneSource,
    /// `list: []`.
    #[error("names.list is empty; give it at least one name")]
    Empty,
    /// More than [`MAX_NAMES`].
    #[error("a pool holds at most {MAX_NAMES} names, not {0}")]
    TooMany(usize),
    /// The same name twice.
    #[error("name '{0}' is in the list twice; every name may appear once")]
    Duplicate(String),
    /// A character that has a meaning in metric paths, shells or file names.
    #[error("name '{name}' contains '{found}'; use only letters, digits, '-' and '_'")]
    Character {
        /// The refused name.
        name: String,
        /// The first offending character.
        found: char,
    },
    /// Empty or too long.
    #[error("name '{0}' must have 1 to {MAX_NAME_LEN} characters")]
    Length(String),
    /// `from` above `to`.
    #[error("names.range is empty: from {from} is above to {to}")]
    Backwards {
        /// As written.
        from: u32,
        /// As written.
        to: u32,
    },
}

// === impl Names ===

impl Names {
    /// How many names there are; never zero.
    pub fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Range(range) => range.len(),
        }
    }

    /// Always false: a validated list has at least one name.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key of the slot at `index`: the name itself, or the bare number of a range.
    pub fn key(&self, index: usize) -> Option<Cow<'_, str>> {
        match self {
            Self::List(list) => list.get(index).map(|name| Cow::Borrowed(name.as_str())),
            Self::Range(range) => range.number(index).map(|number| Cow::Owned(number.to_string())),
        }
    }

    /// The name at `index` as users see it.
    pub fn shown(&self, index: usize) -> Option<Cow<'_, str>> {
        match self {
            Self::List(list) => list.get(index).map(|name| Cow::Borrowed(name.as_str())),
            Self::Range(range) => range.number(index).map(|number| Cow::Owned(range.show(number))),
        }
    }

    /// The index in the list of the slot keyed `key`; `None` once it was removed from the pool.
    pub fn index_of(&self, key: &str) -> Option<usize> {
        match self {
            Self::List(list) => list.iter().position(|name| name == key),
            Self::Range(range) => {
                let number: u32 = key.parse().ok()?;
                let offset = number.checked_sub(range.from)?;
                (number <= range.to).then_some(usize::try_from(offset).ok()?)
            }
        }
    }

    /// How many of these different keys are names of the pool.
    pub fn count_of<'a>(&self, keys: impl Iterator<Item = &'a str>) -> usize {
        match self {
            Self::List(list) => {
                let known: HashSet<&str> = list.iter().map(String::as_str).collect();
                keys.filter(|key| known.contains(key)).count()
            }
            Self::Range(_) => keys.filter(|key| self.index_of(key).is_some()).count(),
        }
    }
}

impl TryFrom<&NamesSpec> for Names {
    type Error = NamesError;

    fn try_from(spec: &NamesSpec) -> Result<Self, NamesError> {
        match (&spec.builtin, &spec.list, &spec.range) {
            (Some(Builtin::NorthAmericanMountains), None, None) => {
                Ok(Self::List(MOUNTAINS.lines().map(str::to_owned).collect()))
            }
            (None, Some(list), None) => check_list(list).map(|()| Self::List(list.clone())),
            (None, None, Some(range)) => range.check().map(|()| Self::Range(range.clone())),
            _ => Err(NamesError::OneSource),
        }
    }
}

// === impl Range ===

impl Range {
    fn len(&self) -> usize {
        usize::try_from(u64::from(self.to) - u64::from(self.from) + 1).unwrap_or(usize::MAX)
    }

    fn number(&self, index: usize) -> Option<u32> {
        let number = self.from.checked_add(u32::try_from(index).ok()?)?;
        (number <= self.to).then_some(number)
    }

    fn show(&self, number: u32) -> String {
        format!("{}{number:0width$}", self.prefix, width = usize::from(self.width))
    }

    fn check(&self) -> Result<(), NamesError> {
        if self.from > self.to {
            return Err(NamesError::Backwards { from: self.from, to: self.to });
        }
        if self.len() > MAX_NAMES {
            return Err(NamesError::TooMany(self.len()));
        }
        // The last number is the longest, so all are valid when it is.
        check_name(&self.show(self.to))
    }
}

fn check_list(list: &[String]) -> Result<(), NamesError> {
    if list.is_empty() {
        return Err(NamesError::Empty);
    }
    if list.len() > MAX_NAMES {
        return Err(NamesError::TooMany(list.len()));
    }
    let mut seen = HashSet::with_capacity(list.len());
    for name in list {
        check_name(name)?;
        if !seen.insert(name) {
            return Err(NamesError::Duplicate(name.clone()));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), NamesError> {
    if let Some(found) =
        name.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '-' || *c == '_'))
    {
        return Err(NamesError::Character { name: name.to_owned(), found });
    }
    if name.is_empty() || name.len() > MAX_NAME_LEN {
        return Err(NamesError::Length(name.to_owned()));
    }
    Ok(())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(width: &u8) -> bool {
    *width == 0
}

#[cfg(test)]
mod tests;
