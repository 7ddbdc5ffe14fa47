use super::*;

fn key(key: &str, value: &str, create_revision: i64) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value.as_bytes().to_vec(),
        create_revision,
        mod_revision: create_revision,
        lease: 0,
    }
}

const SLOT: &str = r#"{"namespace":"shop","pod":"p","uid":"u","node":"n","incarnation":1,
    "nonce":"x","since":0,"validity_ms":30000,"quarantine_ms":15000}"#;

#[test]
fn numbers_are_shown_as_the_pool_writes_them_and_in_its_order() {
    let spec = r#"{"names":{"range":{"from":8,"to":11,"prefix":"n","width":3}},"scope":"Cluster"}"#;
    let snapshot = Snapshot::read(&[
        key("/cairn/v1/cluster/ids/-/s/10", SLOT, 7),
        key("/cairn/v1/cluster/ids/-/s/9", SLOT, 8),
        key("/cairn/v1/cluster/ids/-/x/8", "", 9),
        key("/cairn/v1/epoch", "5", 1),
        key("/cairn/v1/pools/ids", spec, 2),
    ]);
    let shown = |entry: &TakenName| {
        let fence = entry.claim.as_ref().map(|claim| claim.fence.to_string());
        (entry.namespace().map(str::to_owned), entry.name.clone(), fence)
    };
    let shop = || Some("shop".to_owned());
    assert_eq!(
        snapshot.taken.iter().map(shown).collect::<Vec<_>>(),
        [
            (None, "n008".to_owned(), None),
            (shop(), "n009".to_owned(), Some("5-8".to_owned())),
            (shop(), "n010".to_owned(), Some("5-7".to_owned())),
        ]
    );
}

#[test]
fn a_record_that_cannot_be_read_is_reported_and_hides_nothing_else() {
    let snapshot = Snapshot::read(&[
        key("/cairn/v1/epoch", "five", 1),
        key("/cairn/v1/ns/shop/c/tea/-/s/Assam", SLOT, 2),
        key("/cairn/v1/ns/shop/c/tea/-/s/Ceylon", "{", 3),
        key("/cairn/v1/pools/tea", "{}", 4),
        key("/cairn/v1/something/newer", "{", 5),
    ]);
    assert_eq!(snapshot.taken.len(), 1);
    assert_eq!(snapshot.errors.len(), 3, "{:?}", snapshot.errors);
    assert!(snapshot.errors[1].starts_with("the record at /cairn/v1/ns/shop/c/tea/-/s/Ceylon"));
}

#[test]
fn a_name_with_a_quarantine_note_and_no_slot_is_shown_in_quarantine_once() {
    let snapshot = Snapshot::read(&[
        key("/cairn/v1/ns/shop/c/tea/-/d/Assam", "46", 1),
        key("/cairn/v1/ns/shop/c/tea/-/d/Ceylon", "46", 2),
        key("/cairn/v1/ns/shop/c/tea/-/d/Darjeeling", "46", 3),
        key("/cairn/v1/ns/shop/c/tea/-/s/Ceylon", SLOT, 2),
        key("/cairn/v1/ns/shop/c/tea/-/x/Darjeeling", r#"{"uid":"u"}"#, 5),
    ]);
    let shown = |entry: &TakenName| (entry.name.clone(), entry.claim.is_some());
    assert_eq!(
        snapshot.taken.iter().map(shown).collect::<Vec<_>>(),
        [("Assam".into(), false), ("Ceylon".into(), true), ("Darjeeling".into(), false)]
    );
    assert!(snapshot.errors.is_empty(), "{:?}", snapshot.errors);
}
