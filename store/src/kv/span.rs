//! A range of keys to be watched.

/// Keys to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first key.
    pub from: String,
    /// The first key after the last one; `None` for one key alone.
    pub to: Option<String>,
    /// Leave puts out.
    pub deletions_only: bool,
}

// === impl Span ===

impl Span {
    /// One key.
    pub fn key(key: impl Into<String>) -> Self {
        Self { from: key.into(), to: None, deletions_only: false }
    }

    /// All keys from `from` up to, but not including, `to`.
    pub fn range(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: Some(to.into()), deletions_only: false }
    }

    /// The deletions of all keys from `from` up to, but not including, `to`.
    pub fn deletions(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: Some(to.into()), deletions_only: true }
    }

    /// Whether a key lies in it.
    pub fn contains(&self, key: &str) -> bool {
        match &self.to {
            Some(to) => self.from.as_str() <= key && key < to.as_str(),
            None => self.from == key,
        }
    }
}
