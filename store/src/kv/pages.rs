//! Keys that are read page by page, all at one revision, so that neither an answer nor a list grows with the store.
//!
//! Invariant: pages join without a gap, and all of them are of the revision of the first one. So a watch from the next
//! revision on brings every change that the pages do not have. A page is refused once its revision is compacted; then
//! the list begins again.

use super::Kv;
use super::batch::{Answer, Batch, KeysHandle};
use super::txn::{KeyValue, prefix_end};
use crate::error::Error;

/// Where the pages of a range have come to.
#[derive(Debug)]
pub(crate) struct Pages {
    /// The first key that was not read; `None` when all were.
    from: Option<String>,
    to: String,
    limit: i64,
}

/// All keys with a prefix, page by page.
#[derive(Debug)]
pub struct Listing {
    pages: Pages,
    /// The revision of all pages; 0 before the first one.
    revision: i64,
}

// === impl Pages ===

impl Pages {
    /// Everything with a prefix, in pages of at most `limit` keys.
    pub(crate) fn below(prefix: &str, limit: i64) -> Self {
        Self { from: Some(prefix.to_owned()), to: prefix_end(prefix), limit }
    }

    /// Reads nothing more.
    pub(crate) fn skip(&mut self) {
        self.from = None;
    }

    /// Whether there is another page.
    pub(crate) fn has_next(&self) -> bool {
        self.from.is_some()
    }

    /// Adds the next page to a batch; `None` when all were read.
    pub(crate) fn ask(&self, batch: &mut Batch, revision: i64) -> Option<KeysHandle> {
        let from = self.from.as_ref()?;
        Some(batch.page(from, &self.to, self.limit, revision))
    }

    /// What a page has brought.
    pub(crate) fn take<'a>(
        &mut self,
        answer: &'a Answer,
        page: Option<KeysHandle>,
    ) -> Result<&'a [KeyValue], Error> {
        let Some(page) = page else {
            return Ok(&[]);
        };
        let found = answer.keys(page)?;
        let last = found.last().filter(|_| answer.has_more(page).unwrap_or_default());
        // The next key after the last one.
        self.from = last.map(|last| format!("{}\0", last.key));
        Ok(found)
    }
}

// === impl Listing ===

impl Listing {
    /// Everything with a prefix, in pages of at most `limit` keys.
    pub fn below(prefix: &str, limit: i64) -> Self {
        Self { pages: Pages::below(prefix, limit), revision: 0 }
    }

    /// The next page; `None` when all were read. It is refused with [`Class::NotApplied`](crate::Class::NotApplied)
    /// when the revision of the list was compacted meanwhile.
    pub async fn next<K: Kv>(&mut self, kv: &K) -> Result<Option<Vec<KeyValue>>, Error> {
        let mut batch = Batch::default();
        let Some(page) = self.pages.ask(&mut batch, self.revision) else {
            return Ok(None);
        };
        let answer = kv.read(batch).await?;
        if self.revision == 0 {
            self.revision = answer.revision();
        }
        self.pages.take(&answer, Some(page))?;
        answer.into_keys(page).map(Some)
    }

    /// The revision of all pages; 0 before the first one.
    pub fn revision(&self) -> i64 {
        self.revision
    }
}
