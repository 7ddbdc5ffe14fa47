use super::*;
use crate::coordination::member::SessionId;
use crate::coordination::owner::Grant;
use crate::coordination::validity::Validity;

fn granted(uid: &str, revision: i64) -> Granted {
    let session = SessionId { epoch: 1, revision: 5 };
    let grant = Grant { uid: uid.into(), session, validity_ms: Validity::DEFAULT };
    Granted { grant: grant.into(), revision }
}

fn read(revision: i64, owner: Option<Granted>) -> Picture {
    let shards = owner.map(|owner| (3, owner)).into_iter().collect();
    Picture { revision, epoch: Some(1), shards, ..Picture::default() }
}

fn change(revision: i64, owner: Option<Granted>) -> Changes {
    Changes { revision, changes: vec![Change::Owner(Ownable::Shard(3), owner)] }
}

fn owner(known: &Known) -> Option<&str> {
    known.picture().shards.get(&3).map(|granted| granted.grant.uid.as_str())
}

#[test]
fn what_was_handed_over_does_not_come_back_by_an_older_read() {
    let mut known = Known::new("a".into());
    known.read(read(10, Some(granted("a", 8))));
    assert_eq!(known.own().len(), 1);
    known.set_owner(Ownable::Shard(3), Some(granted("b", 20)), 20);
    known.read(read(15, Some(granted("a", 8))));
    assert_eq!((owner(&known), known.own().len()), (Some("b"), 0));
    known.read(read(25, Some(granted("c", 22))));
    assert_eq!(owner(&known), Some("c"));
}

#[test]
fn a_key_that_is_gone_stays_gone_for_older_reads_and_watches() {
    let mut known = Known::new("a".into());
    known.read(read(10, Some(granted("a", 8))));
    known.changed(change(20, None));
    known.read(read(15, Some(granted("a", 8))));
    known.watched(change(12, Some(granted("a", 12))));
    assert_eq!((owner(&known), known.own().len()), (None, 0));
    // A read that is older than the last one says nothing at all.
    known.read(read(14, Some(granted("a", 8))));
    assert_eq!((owner(&known), known.floor()), (None, 15));
}

#[test]
fn progress_of_the_watch_says_that_nothing_else_has_changed() {
    let mut known = Known::new("a".into());
    known.read(read(10, Some(granted("b", 8))));
    assert_eq!(known.member_at("b"), 10);
    known.changed(change(30, Some(granted("c", 30))));
    // The refused write has shown the shard, and nothing of the member.
    assert_eq!((owner(&known), known.member_at("c")), (Some("c"), 10));
    known.watched(Changes { revision: 31, changes: Vec::new() });
    assert_eq!(known.member_at("c"), 31);
}

#[test]
fn revisions_of_two_epochs_are_not_compared() {
    let mut known = Known::new("a".into());
    known.read(read(100, Some(granted("a", 80))));
    known.forget(Some(2));
    known.read(Picture { epoch: Some(2), ..read(7, Some(granted("b", 6))) });
    assert_eq!((owner(&known), known.floor()), (Some("b"), 7));
}
