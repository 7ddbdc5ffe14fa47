//! Transactions with a foreign key in any of their places. etcd must check every place, also the branches that are not
//! taken; old versions do not check nested ones.

use cairn_core::keys;
use cairn_store::{Compare, Kv, Op, Txn};

use crate::fixture::{path, tea};
use crate::office::{Office, is_denied};

const OWN: &str = "/cairn/v1/ns/bar/o/u9/tea";

/// Where an operation stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    Then,
    Otherwise,
}

/// A transaction with one operation in a branch. `taken` says whether that branch is done.
fn with_op(place: Place, taken: bool, op: Op) -> Txn {
    // The own key exists: "absent" is false.
    let holds = matches!(place, Place::Then) == taken;
    let compare =
        if holds { Compare::absent("/cairn/v1/ns/bar/none") } else { Compare::absent(OWN) };
    let harmless = Op::get(OWN);
    match place {
        Place::Then => Txn { compares: vec![compare], then: vec![op], otherwise: vec![harmless] },
        Place::Otherwise => {
            Txn { compares: vec![compare], then: vec![harmless], otherwise: vec![op] }
        }
    }
}

/// All transactions up to two levels deep that have the operation somewhere.
fn hidden(op: &Op) -> Vec<Txn> {
    let places = [Place::Then, Place::Otherwise];
    let mut flat = Vec::new();
    for place in places {
        for taken in [true, false] {
            flat.push(with_op(place, taken, op.clone()));
        }
    }
    let mut all = flat.clone();
    for inner in flat {
        for place in places {
            for taken in [true, false] {
                all.push(with_op(place, taken, Op::Txn(inner.clone())));
            }
        }
    }
    all
}

/// All transactions with the compare at the top or within.
fn compared(compare: &Compare) -> Vec<Txn> {
    let flat = Txn { compares: vec![compare.clone()], then: vec![Op::get(OWN)], ..Txn::default() };
    let mut all = vec![flat.clone()];
    for place in [Place::Then, Place::Otherwise] {
        for taken in [true, false] {
            all.push(with_op(place, taken, Op::Txn(flat.clone())));
        }
    }
    all
}

#[tokio::test]
async fn no_branch_of_a_transaction_reaches_a_foreign_key() {
    let office = Office::open().await;
    let fixture = office.fixture().await;
    assert!(fixture.claim("u1", "assam", 60).await.0.is_some());
    office.bar.read(crate::office::put(OWN, 0)).await.unwrap();
    let slot = path().slot("assam");
    let foreign = [
        Op::get(&slot),
        Op::list("/cairn/v1/ns/shop/"),
        Op::Count("/cairn/v1/ns/shop/".to_owned()),
        Op::put(&slot, "x", 0),
        Op::Delete(slot.clone()),
        Op::put(keys::pool(&tea()), "x", 0),
        Op::put(keys::EPOCH, "9", 0),
        Op::put(keys::INSTALLATION, "{}", 0),
        Op::Delete(keys::freeze(&tea())),
    ];
    let (_, before) = office.root.list(keys::ROOT).await.unwrap();
    let mut tried = 0;
    for op in &foreign {
        for txn in hidden(op) {
            is_denied(&format!("{txn:?}"), office.bar.txn(txn).await);
            tried += 1;
        }
    }
    for key in [slot, keys::owner("shop", "u1", &tea())] {
        for compare in [Compare::absent(&key), Compare::modified(&key, 1)] {
            for txn in compared(&compare) {
                is_denied(&format!("{txn:?}"), office.bar.txn(txn).await);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 9 * 20 + 4 * 5);
    assert_eq!(office.root.list(keys::ROOT).await.unwrap().1, before, "nothing was applied");
}

#[tokio::test]
async fn nothing_of_a_transaction_is_applied_when_one_key_is_foreign() {
    let office = Office::open().await;
    let own = Op::put(OWN, "x", 0);
    let txn = Txn { then: vec![own, Op::get(path().slot("assam"))], ..Txn::default() };
    is_denied("a put of an own key beside it", office.bar.txn(txn).await);
    assert_eq!(office.get(OWN).await, None);
}
