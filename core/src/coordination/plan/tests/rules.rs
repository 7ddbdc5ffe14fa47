//! Each rule in one plan.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::group::{Group, Pod, at, groups, special_groups};
use crate::coordination::plan::{CURRENT, Move, Plan, agreed};

/// Moves by UIDs, which do not depend on the order of members.
fn by_uid(group: &Group, plan: &Plan) -> Vec<(u32, Option<String>, String)> {
    let uid = |pod: usize| group.pods[pod].uid.clone();
    plan.moves.iter().map(|next| (next.shard, next.from.map(uid), uid(next.to))).collect()
}

#[test]
fn quotas_are_by_weight_and_a_remainder_stays_where_most_is_held() {
    let mut group = Group::of(3, 10);
    group.owners = [0, 0, 0, 1, 1, 1, 2, 2, 2, 2].map(Some).to_vec();
    assert_eq!(group.quotas(), [3, 3, 4]);
    assert!(group.plan().moves.is_empty());
    group.pods[0].weight = 300;
    assert_eq!(group.quotas(), [6, 2, 2]);
    // 46 · 249 / 345 = 33.2, 46 · 3 / 345 = 0.4 and 46 · 93 / 345 = 12.4: the last two have equal remainders, and the
    // light member has a shard already.
    let mut group = Group::of(3, 46);
    group.owners = [vec![0; 33], vec![1], vec![2; 12]].concat().into_iter().map(Some).collect();
    for (pod, weight) in [249, 3, 93].into_iter().enumerate() {
        group.pods[pod].weight = weight;
    }
    assert!(group.plan().moves.is_empty());
}

#[test]
fn an_orphan_returns_to_the_later_session_of_its_pod_before_others_are_placed() {
    let mut group = Group::of(3, 10);
    group.owners = [0, 0, 0, 1, 1, 1].map(Some).to_vec();
    group.owners.extend([None; 4]);
    group.orphans = vec![(6, 2), (7, 2), (8, 2), (9, 2)];
    // Without orphans, the remainder would go to another.
    let returns = |shard| Move { shard, from: None, to: 2 };
    assert_eq!(group.plan().moves, [6, 7, 8, 9].map(returns));
}

#[test]
fn an_orphan_beyond_the_quota_of_its_pod_goes_to_another() {
    let mut group = Group::of(2, 6);
    group.owners = vec![Some(0), None, None, None, None, None];
    group.orphans = (1..6).map(|shard| (shard, 1)).collect();
    let moves = group.plan().moves;
    assert_eq!(moves.iter().filter(|next| next.to == 1).count(), 3);
    assert_eq!(moves.iter().filter(|next| next.to == 0).count(), 2);
}

#[test]
fn the_youngest_generation_takes_first() {
    let mut group = Group::of(3, 9);
    group.pods.push(Pod::new("young", 2, 50));
    group.owners = [0, 0, 0, 1, 1, 1, 2, 2, 2].map(Some).to_vec();
    group.pods[0].draining = true;
    group.may_balance = false;
    let moves = group.plan().moves;
    assert!(moves.len() == 3 && moves.iter().all(|next| next.from == Some(0) && next.to == 3));
}

#[test]
fn a_stopping_shard_stays_with_its_owner_when_nobody_else_has_room() {
    let mut group = Group::of(2, 4);
    group.owners = [0, 0, 1, 1].map(Some).to_vec();
    group.stopping = vec![1];
    assert_eq!(group.plan().moves, [Move { shard: 1, from: Some(0), to: 0 }]);
}

#[test]
fn who_was_passed_over_is_followed_by_another_whatever_its_quota() {
    let mut group = Group::of(3, 6);
    group.owners = vec![Some(0), Some(0), Some(1), Some(1), None, None];
    assert!(group.plan().moves.iter().all(|next| next.to == 2));
    group.passed_over = vec![(4, 2), (5, 2)];
    let takers: BTreeSet<usize> = group.plan().moves.iter().map(|next| next.to).collect();
    // One each: who is least above its quota.
    assert_eq!(takers, [0, 1].into());
    group.passed_over.extend([(4, 0), (4, 1)]);
    assert_eq!(group.plan().moves[0].to, 2, "when all were passed over, the first comes again");
}

#[test]
fn at_most_a_tenth_of_own_shards_is_balanced_at_a_time() {
    let mut group = Group::of(2, 100);
    group.owners = vec![Some(0); 100];
    assert_eq!(group.plan().moves.len(), 10);
    group.stopping = (0..10).collect();
    assert_eq!(group.plan().moves.len(), 10, "what is stopping counts");
    group.stopping = (0..4).collect();
    assert_eq!(group.plan().moves.len(), 10);
    group.stopping.clear();
    group.owners = vec![Some(0); 5];
    assert_eq!(group.plan().moves.len(), 1);
    group.may_balance = false;
    assert!(group.plan().moves.is_empty());
}

#[test]
fn all_plan_by_the_lowest_version_announced() {
    assert_eq!(agreed([CURRENT + 1, CURRENT]), CURRENT);
    assert_eq!(agreed([CURRENT, CURRENT + 7, 1]), 1);
    assert_eq!(agreed([]), CURRENT);
    assert_eq!(agreed([0]), 1);
}

proptest! {
    #[test]
    fn nobody_within_quota_gives_and_nobody_takes_above_it(group in groups()) {
        let quotas = group.quotas();
        let mut held = group.held();
        let before = held.clone();
        let plan = group.plan();
        for next in &plan.moves {
            held[next.to] += 1;
            if let Some(from) = next.from {
                held[from] -= 1;
            }
        }
        for (pod, (quota, before)) in quotas.iter().zip(&before).enumerate() {
            if !group.pods[pod].draining && before <= quota {
                prop_assert!(plan.moves.iter().all(|next| next.from != Some(pod)), "{pod} gives");
            }
            let takes = plan.moves.iter().any(|next| next.to == pod);
            prop_assert!(!takes || held[pod] <= *quota, "{pod} takes too many");
            // A tenth at a time, and never below the quota.
            let given = before.saturating_sub(held[pod]);
            if !group.pods[pod].draining {
                prop_assert!(given <= (before / 10).max(1));
                prop_assert!(given == 0 || held[pod] >= *quota);
                prop_assert!(given == 0 || group.may_balance);
            }
        }
    }

    #[test]
    fn every_available_shard_is_placed_once_and_never_with_who_is_draining(group in special_groups()) {
        let plan = group.plan();
        let moved: BTreeSet<u32> = plan.moves.iter().map(|next| next.shard).collect();
        prop_assert_eq!(moved.len(), plan.moves.len(), "a shard moves twice");
        for next in &plan.moves {
            prop_assert_eq!(next.from, group.owners[at(next.shard)]);
            prop_assert!(!group.pods[next.to].draining);
            prop_assert!(next.from != Some(next.to) || group.stopping.contains(&next.shard));
        }
        let all_draining = group.pods.iter().all(|pod| pod.draining);
        for (shard, owner) in (0_u32..).zip(&group.owners) {
            let available = owner.is_none_or(|owner| group.pods[owner].draining)
                || group.stopping.contains(&shard);
            prop_assert!(!available || all_draining || moved.contains(&shard), "{} stays", shard);
        }
    }

    #[test]
    fn who_was_passed_over_gets_the_shard_only_if_all_were(group in special_groups()) {
        for next in group.plan().moves {
            let passed_over = |pod: usize| group.passed_over.contains(&(next.shard, pod));
            let takers = (0..group.pods.len()).filter(|pod| !group.pods[*pod].draining);
            // A stopping shard stays with its owner rather than with nobody.
            let own = next.from == Some(next.to);
            prop_assert!(own || !passed_over(next.to) || takers.into_iter().all(passed_over));
        }
    }

    #[test]
    fn the_plan_does_not_depend_on_the_order_of_members(
        (group, order) in special_groups().prop_flat_map(|group| {
            let order: Vec<usize> = (0..group.pods.len()).collect();
            (Just(group), Just(order).prop_shuffle())
        })
    ) {
        let place = |pod: usize| order.iter().position(|other| *other == pod).unwrap();
        let mut shuffled = group.clone();
        shuffled.pods = order.iter().map(|pod| group.pods[*pod].clone()).collect();
        shuffled.owners = group.owners.iter().map(|owner| owner.map(place)).collect();
        shuffled.orphans = group.orphans.iter().map(|(shard, pod)| (*shard, place(*pod))).collect();
        shuffled.passed_over =
            group.passed_over.iter().map(|(shard, pod)| (*shard, place(*pod))).collect();
        prop_assert_eq!(by_uid(&group, &group.plan()), by_uid(&shuffled, &shuffled.plan()));
    }

    #[test]
    fn shards_and_members_out_of_range_are_ignored(group in groups(), beyond in 0_usize..3) {
        let mut odd = group.clone();
        let pods = group.pods.len();
        let shards = u32::try_from(group.owners.len()).unwrap();
        odd.orphans = vec![(shards, 0), (0, pods)];
        odd.stopping = vec![shards];
        odd.passed_over = vec![(shards, 0), (0, pods)];
        odd.owners[0] = Some(pods + beyond);
        let mut plain = group;
        plain.owners[0] = None;
        prop_assert_eq!(odd.plan(), plain.plan());
    }
}
