//! Lists that come page by page, while keys come and go.

use cairn_store::{Class, Kv, Listing, Span, Store};
use tokio::time::timeout;

use crate::fixture::{Fixture, LIMIT, path};

/// The names of the slots that the next page has; `None` when all were read.
async fn page<K: Kv>(store: &Store<K>, listing: &mut Listing) -> Option<Vec<String>> {
    let found = listing.next(store.kv()).await.unwrap()?;
    let name = |key: &str| key.strip_prefix(&path().slots()).unwrap().to_owned();
    Some(found.iter().map(|found| name(&found.key)).collect())
}

pub(crate) async fn pages_join_without_a_gap_at_the_revision_of_the_first_one<K: Kv>(
    fixture: &Fixture<K>,
) {
    for name in ["a", "ab", "abd", "c", "d"] {
        fixture.put(&path().slot(name), "{}").await;
    }
    let mut listing = Listing::below(&path().slots(), 2);
    assert_eq!(listing.revision(), 0);
    assert_eq!(page(&fixture.store, &mut listing).await.unwrap(), ["a", "ab"]);
    let revision = listing.revision();
    // One that was read and one that was not are gone. One comes in between, and one at the end.
    fixture.delete(&path().slot("a")).await;
    fixture.delete(&path().slot("c")).await;
    fixture.put(&path().slot("abc"), "{}").await;
    fixture.put(&path().slot("e"), "{}").await;
    assert_eq!(page(&fixture.store, &mut listing).await.unwrap(), ["abd", "c"]);
    assert_eq!(page(&fixture.store, &mut listing).await.unwrap(), ["d"]);
    assert_eq!(page(&fixture.store, &mut listing).await, None);
    assert_eq!(page(&fixture.store, &mut listing).await, None, "and it stays so");
    assert_eq!(listing.revision(), revision);
    for gone in ["a", "c"] {
        let span = Span::deletions(path().slot(gone), format!("{}\0", path().slot(gone)));
        let seen = fixture.store.kv().changed(vec![span], revision + 1);
        timeout(LIMIT, seen).await.unwrap().unwrap();
    }
}

pub(crate) async fn a_page_of_exactly_all_keys_is_the_last_one<K: Kv>(fixture: &Fixture<K>) {
    let mut listing = Listing::below(&path().slots(), 2);
    assert_eq!(page(&fixture.store, &mut listing).await.unwrap(), [""; 0]);
    assert_eq!(page(&fixture.store, &mut listing).await, None);
    assert_eq!(listing.revision(), fixture.view("u").await.revision, "also of nothing");
    for name in ["a", "b"] {
        fixture.put(&path().slot(name), "{}").await;
    }
    let mut listing = Listing::below(&path().slots(), 2);
    assert_eq!(page(&fixture.store, &mut listing).await.unwrap(), ["a", "b"]);
    assert_eq!(page(&fixture.store, &mut listing).await, None);
}

pub(crate) async fn a_page_whose_revision_is_compacted_is_refused<K: Kv>(fixture: &Fixture<K>) {
    for name in ["a", "b"] {
        fixture.put(&path().slot(name), "{}").await;
    }
    let mut listing = Listing::below(&path().slots(), 1);
    assert_eq!(page(&fixture.store, &mut listing).await.unwrap(), ["a"]);
    fixture.delete(&path().slot("a")).await;
    fixture.compact().await;
    let refused = listing.next(fixture.store.kv()).await.unwrap_err();
    assert_eq!(refused.class(), Class::NotApplied, "{}", refused.report());
    let mut listing = Listing::below(&path().slots(), 1);
    assert_eq!(page(&fixture.store, &mut listing).await.unwrap(), ["b"]);
}
