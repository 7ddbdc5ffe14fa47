//! Plans carried out until nothing is left, also by members whose pictures differ.

use proptest::prelude::*;

use super::group::{Group, Pod, at, groups, special_groups};

/// The fewest moves that lead to the quotas: everything available, and all surplus.
fn fewest(group: &Group) -> u64 {
    let room = group.quotas().into_iter().zip(group.held());
    room.map(|(quota, held)| quota.saturating_sub(held)).sum()
}

/// Every member carries out its part of the plan of a picture that is some rounds old; a write whose shard has changed
/// since is refused. Answers how many were done and refused, or `None` when there is no end.
fn settle_with_old_pictures(group: &mut Group, ages: &[usize]) -> Option<(u64, u64)> {
    let mut ages = ages.iter().cycle().copied();
    let mut history = vec![group.owners.clone()];
    let (mut done, mut refused) = (0, 0);
    for _ in 0..2000 {
        for me in 0..group.pods.len() {
            let age = ages.next()?.min(history.len() - 1);
            let seen = Group { owners: history[history.len() - 1 - age].clone(), ..group.clone() };
            for next in seen.plan().moves {
                if next.from.unwrap_or(next.to) != me {
                    continue;
                }
                // IF mod(s/k) = fence, or create(s/k) = 0.
                if group.owners[at(next.shard)] == seen.owners[at(next.shard)] {
                    group.owners[at(next.shard)] = Some(next.to);
                    done += 1;
                } else {
                    refused += 1;
                }
            }
        }
        history.push(group.owners.clone());
        if group.plan().moves.is_empty() {
            return Some((done, refused));
        }
    }
    None
}

/// Two members, each with the plan of its own version.
fn settle_with_two_versions(group: &mut Group, agreed: bool) -> Option<u64> {
    let mut moves = 0;
    for _ in 0..1000 {
        let mut idle = true;
        for me in 0..2 {
            group.ignores_weights = me == 0 && !agreed;
            for next in group.plan().moves {
                if next.from == Some(me) {
                    group.owners[at(next.shard)] = Some(next.to);
                    moves += 1;
                    idle = false;
                }
            }
        }
        if idle {
            return Some(moves);
        }
    }
    None
}

fn heavy_and_light() -> Group {
    let mut group = Group::of(2, 12);
    group.pods[0].weight = 200;
    group.owners = (0..12).map(|shard| Some(usize::from(shard >= 8))).collect();
    group
}

#[test]
fn two_plan_versions_at_once_would_never_end() {
    assert_eq!(settle_with_two_versions(&mut heavy_and_light(), false), None);
    assert_eq!(settle_with_two_versions(&mut heavy_and_light(), true), Some(0));
}

#[test]
fn a_first_map_needs_one_plan() {
    let mut group = Group::of(7, 1000);
    assert_eq!(group.settle(), (1000, 1));
    assert_eq!(group.held(), group.quotas());
}

#[test]
fn who_joins_a_calm_group_gets_its_quota_and_nothing_else_moves() {
    let mut group = Group::of(10, 1000);
    group.settle();
    group.pods.push(Pod::new("pod-x", 1, 10));
    let before = group.owners.clone();
    let (moves, plans) = group.settle();
    assert_eq!((moves, group.held()[10]), (90, 90));
    assert!(before.iter().zip(&group.owners).all(|(old, new)| old == new || *new == Some(10)));
    // A tenth of 100, then nothing of what is left: each gives 9 or 10.
    assert_eq!(plans, 1);
}

proptest! {
    #[test]
    fn plans_lead_to_the_quotas_with_the_fewest_moves(mut group in groups()) {
        group.may_balance = true;
        let fewest = fewest(&group);
        let (moves, _) = group.settle();
        prop_assert!(group.plan().moves.is_empty());
        if group.pods.iter().any(|pod| !pod.draining) {
            prop_assert_eq!(moves as u64, fewest);
            prop_assert_eq!(group.held(), group.quotas());
        }
    }

    #[test]
    fn plans_without_balance_end_when_everything_available_is_placed(mut group in special_groups()) {
        group.may_balance = false;
        let (_, plans) = group.settle();
        prop_assert!(plans <= 1);
    }

    /// The price of different pictures is a refused write of one shard.
    #[test]
    fn members_with_old_pictures_come_to_the_quotas_too(
        mut group in groups(), ages in prop::collection::vec(0_usize..4, 1..20)
    ) {
        prop_assume!(group.pods.iter().any(|pod| !pod.draining));
        group.may_balance = true;
        let fewest = fewest(&group);
        let settled = settle_with_old_pictures(&mut group, &ages);
        prop_assert!(settled.is_some(), "no end");
        let (done, _) = settled.unwrap();
        prop_assert!(done >= fewest && done <= 3 * fewest + 3, "{done} moves, {fewest} needed");
        prop_assert_eq!(group.held(), group.quotas());
    }
}
