use super::*;

fn found(key: &str) -> OpReply {
    let found = KeyValue {
        key: key.to_owned(),
        value: Vec::new(),
        create_revision: 3,
        mod_revision: 4,
        lease: 0,
    };
    OpReply::Keys { keys: vec![found], count: 1 }
}

fn reply(succeeded: bool, replies: Vec<OpReply>) -> TxnReply {
    TxnReply { revision: 9, succeeded, replies }
}

fn answer(batch: Batch, replies: Vec<OpReply>) -> Answer {
    let (_, branches) = Guarded::from(batch).into_txn();
    branches.answer(reply(true, replies)).then().unwrap()
}

#[test]
fn handles_find_their_answers_between_operations_without_one() {
    let mut batch = Batch::default();
    batch.put("/a", "", 0);
    let first = batch.get("/a");
    batch.delete("/a");
    let listed = batch.list_keys("/b/");
    let counted = batch.count("/c/");
    let absent = batch.get("/d");
    let none = OpReply::Keys { keys: Vec::new(), count: 0 };
    let count = OpReply::Keys { keys: Vec::new(), count: 7 };
    let replies = vec![OpReply::Done, found("/a"), OpReply::Done, found("/b/1"), count, none];
    let answer = answer(batch, replies);
    assert_eq!(answer.revision(), 9);
    assert_eq!(answer.key(first).unwrap().unwrap().key, "/a");
    assert_eq!(answer.mod_revision(first).unwrap(), 4);
    assert_eq!(answer.keys(listed).unwrap()[0].key, "/b/1");
    assert_eq!(answer.count(counted).unwrap(), 7);
    assert_eq!((answer.exists(absent).unwrap(), answer.mod_revision(absent).unwrap()), (false, 0));
}

#[test]
fn a_handle_of_another_batch_is_refused() {
    let (mut one, mut other) = (Batch::default(), Batch::default());
    one.get("/a");
    let foreign = other.get("/a");
    let refused = answer(one, vec![found("/a")]).key(foreign).unwrap_err();
    assert!(matches!(refused, Error::Malformed { .. }), "{refused:?}");
}

#[test]
fn an_answer_that_does_not_fit_the_batch_is_refused() {
    for replies in [Vec::new(), vec![OpReply::Done]] {
        let mut batch = Batch::default();
        let handle = batch.get("/a");
        let refused = answer(batch, replies).key(handle).unwrap_err();
        assert!(matches!(refused, Error::Malformed { .. }), "{refused:?}");
    }
}

#[test]
fn each_branch_of_an_inner_transaction_is_read_with_its_own_handles() {
    for succeeded in [true, false] {
        let mut inner = Guarded::default();
        let (done, refused) = (inner.then.get("/then"), inner.otherwise.get("/else"));
        let mut outer = Batch::default();
        let handle = outer.txn(inner);
        let nested = OpReply::Txn(reply(succeeded, vec![found("/inner")]));
        match answer(outer, vec![nested]).txn(handle).unwrap() {
            Branch::Then(answer) => {
                assert!(succeeded && answer.exists(done).unwrap());
                assert!(answer.key(refused).is_err());
            }
            Branch::Otherwise(answer) => {
                assert!(!succeeded && answer.exists(refused).unwrap());
                assert!(answer.key(done).is_err());
            }
        }
    }
}
