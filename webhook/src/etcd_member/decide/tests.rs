use super::*;

const CLUSTER: u64 = 0xc1;

fn me(ordinal: u32) -> Me {
    Me { name: name(ordinal), ordinal, peer_url: url(ordinal) }
}

fn name(ordinal: u32) -> String {
    format!("etcd-{ordinal}")
}

fn url(ordinal: u32) -> String {
    format!("http://etcd-{ordinal}.peers:2380")
}

fn id(ordinal: u32) -> HexId {
    HexId(0xa0 + u64::from(ordinal))
}

/// A complete record of these members.
fn record(ordinals: &[u32]) -> Record {
    let member =
        |n: &u32| (name(*n), RecordedMember { id: id(*n), peer_url: url(*n), lost: false });
    Record {
        token: "old".to_owned(),
        cluster_id: HexId(CLUSTER),
        members: ordinals.iter().map(member).collect(),
        complete: true,
    }
}

fn lose(mut record: Record, ordinals: &[u32]) -> Record {
    for ordinal in ordinals {
        record.members.get_mut(&name(*ordinal)).unwrap().lost = true;
    }
    record
}

fn data(ordinal: u32) -> StoredIds {
    StoredIds { cluster: HexId(CLUSTER), member: id(ordinal) }
}

/// An answer that lists these members; those of `learners` only learn.
fn peer(ordinals: &[u32], learners: &[u32]) -> PeerAnswer {
    let entry = |n: &u32| MemberEntry {
        id: id(*n).0,
        name: name(*n),
        peer_urls: vec![url(*n)],
        learner: learners.contains(n),
    };
    let members = ordinals.iter().map(entry).collect();
    PeerAnswer { endpoint: "etcd-9".to_owned(), list: MemberList { cluster: CLUSTER, members } }
}

struct Case {
    ordinal: u32,
    replicas: u32,
    record: Option<Record>,
    volume: Option<StoredIds>,
    peer: Option<PeerAnswer>,
}

fn step(case: &Case) -> Step {
    decide(&View {
        me: &me(case.ordinal),
        replicas: case.replicas,
        record: case.record.as_ref(),
        volume: case.volume,
        peer: case.peer.as_ref(),
        fresh_token: "fresh",
    })
}

/// Member `ordinal` of three, with nothing at all.
fn nothing(ordinal: u32) -> Case {
    Case { ordinal, replicas: 3, record: None, volume: None, peer: None }
}

#[test]
fn the_first_member_of_a_new_installation_records_the_cluster_before_it_forms_it() {
    let Step::Write(written) = step(&nothing(0)) else { panic!("no record is written") };
    let ids = first_ids(&url(0), "fresh");
    assert_eq!((written.token.as_str(), written.cluster_id), ("fresh", ids.cluster));
    assert_eq!(written.members[&name(0)].id, ids.member);
    let formed = step(&Case { record: Some(written), ..nothing(0) });
    assert_eq!(formed, Step::Form { token: "fresh".to_owned(), peer_url: url(0) });
}

#[test]
fn later_members_wait_for_the_record_and_then_join_one_after_the_other() {
    assert_eq!(step(&nothing(1)), Step::Wait(Reason::NoCluster));
    let formed = Case { record: Some(record(&[0])), ..nothing(1) };
    assert!(matches!(step(&formed), Step::Wait(Reason::NoPeer { .. })));
    assert_eq!(step(&Case { peer: Some(peer(&[0], &[])), ..formed }), Step::Join);
    let busy =
        Case { record: Some(record(&[0, 1])), peer: Some(peer(&[0, 1], &[1])), ..nothing(2) };
    assert_eq!(step(&busy), Step::Wait(Reason::OtherLearner { name: name(1) }));
}

#[test]
fn data_is_used_when_record_and_volume_name_the_same_cluster_and_member() {
    let case = |record| Case { record: Some(record), volume: Some(data(1)), ..nothing(1) };
    assert_eq!(step(&case(record(&[0, 1, 2]))), Step::Resume);
    let other = Record { cluster_id: HexId(7), ..record(&[0, 1, 2]) };
    let reason = Reason::ForeignVolume { found: HexId(CLUSTER), recorded: HexId(7) };
    assert_eq!(step(&case(other)), Step::Wait(reason));
    let mut replaced = record(&[0, 1, 2]);
    replaced.members.get_mut(&name(1)).unwrap().id = HexId(7);
    assert_eq!(step(&case(replaced)), Step::Wait(Reason::FormerMember { found: id(1) }));
    assert_eq!(step(&case(record(&[0, 2]))), Step::Wait(Reason::FormerMember { found: id(1) }));
}

#[test]
fn a_member_whose_data_is_back_takes_back_that_it_was_lost() {
    let case =
        Case { record: Some(lose(record(&[0, 1, 2]), &[1])), volume: Some(data(1)), ..nothing(1) };
    assert_eq!(step(&case), Step::Write(record(&[0, 1, 2])));
}

#[test]
fn a_member_whose_volume_is_lost_removes_its_former_self_and_joins() {
    let lost =
        Case { record: Some(record(&[0, 1, 2])), peer: Some(peer(&[0, 1, 2], &[])), ..nothing(2) };
    assert_eq!(step(&lost), Step::Remove(id(2).0));
    assert_eq!(step(&Case { peer: Some(peer(&[0, 1], &[])), ..lost }), Step::Join);
}

#[test]
fn a_member_that_was_added_and_never_started_is_removed_too() {
    let mut answer = peer(&[0, 1], &[1]);
    answer.list.members[1].name = String::new();
    let case = Case { record: Some(record(&[0])), peer: Some(answer), ..nothing(1) };
    assert_eq!(step(&case), Step::Remove(id(1).0));
}

#[test]
fn an_only_member_without_data_forms_the_same_cluster_again() {
    let Step::Write(first) = step(&nothing(0)) else { panic!("no record is written") };
    let again = Case { replicas: 1, record: Some(first.clone()), ..nothing(0) };
    assert_eq!(step(&again), Step::Form { token: "fresh".to_owned(), peer_url: url(0) });
    // A cluster that was taken over has a token that nobody knows: its new id is recorded first.
    let taken = Case { replicas: 1, record: Some(record(&[0])), ..nothing(0) };
    let Step::Write(changed) = step(&taken) else { panic!("no record is written") };
    assert_eq!(changed.cluster_id, first_ids(&url(0), "old").cluster);
}

#[test]
fn a_cluster_is_formed_anew_only_when_every_member_says_that_its_data_is_lost() {
    let case = |ordinal, lost: &[u32]| Case {
        record: Some(lose(record(&[0, 1, 2]), lost)),
        ..nothing(ordinal)
    };
    assert_eq!(step(&case(0, &[])), Step::Write(lose(record(&[0, 1, 2]), &[0])));
    assert_eq!(
        step(&case(0, &[0, 1])),
        Step::Wait(Reason::NoPeer { missing: name(2), lost: "etcd-0, etcd-1".to_owned() })
    );
    assert_eq!(step(&case(1, &[0, 1, 2])), Step::Wait(Reason::Reforming { first: name(0) }));
    let Step::Write(anew) = step(&case(0, &[0, 1, 2])) else { panic!("no record is written") };
    assert_eq!(anew.token, "old", "another token would give the cluster another id");
    assert_eq!(anew.members.keys().collect::<Vec<_>>(), [&name(0)]);
}

#[test]
fn a_larger_cluster_is_not_started_without_a_majority_and_nothing_is_formed_beside_it() {
    let one_of_three = |volume| Case {
        replicas: 1,
        record: Some(lose(record(&[0, 1, 2]), &[0])),
        volume,
        ..nothing(0)
    };
    let reason = || Reason::NoMajority {
        members: 3,
        names: "etcd-0, etcd-1, etcd-2".to_owned(),
        replicas: 1,
    };
    assert_eq!(step(&one_of_three(None)), Step::Wait(reason()));
    let kept = Case { record: Some(record(&[0, 1, 2])), ..one_of_three(Some(data(0))) };
    assert_eq!(step(&kept), Step::Wait(reason()));
    assert_eq!(step(&Case { replicas: 3, ..kept }), Step::Resume);
    assert_eq!(
        reason().to_string(),
        "the etcd cluster has 3 members (etcd-0, etcd-1, etcd-2), and etcd.replicas=1 is less than a \
         majority of them; set etcd.replicas=3"
    );
}

#[test]
fn a_cluster_from_before_there_was_a_record_is_taken_over() {
    let resumed = Case { volume: Some(data(2)), ..nothing(2) };
    let Step::Write(partial) = step(&resumed) else { panic!("no record is written") };
    assert_eq!((partial.cluster_id, partial.complete), (HexId(CLUSTER), false));
    // The others with the same cluster's data register themselves.
    let other = Case { record: Some(partial.clone()), volume: Some(data(1)), ..nothing(1) };
    let Step::Write(two) = step(&other) else { panic!("no record is written") };
    assert_eq!(two.members.len(), 2);
    // Whoever has no data must not take the few for all.
    let empty = Case { record: Some(partial), ..nothing(2) };
    assert!(!matches!(step(&empty), Step::Form { .. }));
    // A member that runs tells all.
    let running = Case { peer: Some(peer(&[0], &[])), ..nothing(1) };
    assert_eq!(step(&running), Step::Write(Record { token: "fresh".to_owned(), ..record(&[0]) }));
}

#[test]
fn an_etcd_of_another_cluster_under_a_members_name_is_not_joined() {
    let mut answer = peer(&[0], &[]);
    answer.list.cluster = 7;
    let case = Case { record: Some(record(&[0])), peer: Some(answer), ..nothing(1) };
    let reason = Reason::ForeignPeer {
        endpoint: "etcd-9".to_owned(),
        found: HexId(7),
        recorded: HexId(CLUSTER),
    };
    assert_eq!(step(&case), Step::Wait(reason));
}

/// The invariant over every combination of what can be seen.
#[test]
fn a_cluster_is_never_formed_beside_data_or_a_member_that_may_have_some() {
    let records = [record(&[0]), record(&[0, 1, 2]), record(&[1, 2])];
    let lost: [&[u32]; 4] = [&[], &[0], &[1], &[1, 2]];
    for (ordinal, replicas) in [(0, 1), (0, 3), (1, 3), (2, 3)] {
        for record in &records {
            for lost in lost {
                let known = |n: &&u32| record.members.contains_key(&name(**n));
                let lost: Vec<u32> = lost.iter().filter(known).copied().collect();
                for complete in [true, false] {
                    let record = Record { complete, ..lose(record.clone(), &lost) };
                    for (volume, peer) in [
                        (None, None),
                        (Some(data(ordinal)), None),
                        (None, Some(peer(&[0, 1, 2], &[]))),
                    ] {
                        let alone = record.members.keys().eq([&name(ordinal)]);
                        let free = volume.is_none() && peer.is_none() && complete;
                        let record = Some(record.clone());
                        let case = Case { ordinal, replicas, record, volume, peer };
                        let forms = matches!(step(&case), Step::Form { .. });
                        assert!(!forms || (free && alone), "{ordinal} of {replicas}");
                    }
                }
            }
        }
    }
}
