//! When the plan is computed: after a change of members, map or owners, or when the time for something has come.

use std::sync::Arc;

use super::super::fixture::{Fixture, S, config};
use crate::coordination::owner::Ownable;
use crate::coordination::picture::{Change, Changes};
use crate::coordination::session::{Command, Config};

fn balanced() -> Fixture {
    let mut world = Fixture::with(&["a", "b"], 8);
    world.until("balance", |world| world.serves(0).len() == 4 && world.serves(1).len() == 4);
    world.run(20 * S);
    world
}

#[test]
fn renewals_and_progress_that_show_nothing_new_cost_no_plan_and_no_copy_of_the_picture() {
    let mut world = balanced();
    let before = [0, 1].map(|index| world.processes[index].machine.plans());
    let shown = world.status(0);
    for _ in 0..30 {
        // Another group writes.
        world.store.picture.revision += 1;
        world.run(S);
    }
    assert_eq!([0, 1].map(|index| world.processes[index].machine.plans()), before);
    let after = world.status(0);
    assert!(after.valid_until > shown.valid_until, "it has renewed");
    assert!(Arc::ptr_eq(&after.picture, &shown.picture));
    // A change costs one.
    world.start(config("c", 8));
    world.run(S / 100);
    assert!(world.processes[0].machine.plans() > before[0]);
    assert!(!Arc::ptr_eq(&world.status(0).picture, &shown.picture));
}

#[test]
fn the_leaders_value_is_shown_and_changes_no_plan() {
    let mut world = balanced();
    let before = [0, 1].map(|index| world.processes[index].machine.plans());
    let leader = usize::from(world.status(1).leader.own.is_some());
    let put = Command::PutLeaderValue { value: b"x".to_vec(), expected: None };
    world.command(leader, put).unwrap();
    world.run(S);
    let shown = [0, 1].map(|index| world.status(index).picture.leader_value.clone());
    assert!(shown.iter().all(|value| value.as_ref().is_some_and(|value| value.value == b"x")));
    assert_eq!([0, 1].map(|index| world.processes[index].machine.plans()), before);
}

#[test]
fn an_imbalance_is_mended_after_five_minutes_though_nothing_else_happens() {
    let mut world = Fixture::with(&["a"], 8);
    // Two generations: the group is not calm.
    world.start(Config { generation: "2".into(), ..config("b", 8) });
    world.run(290 * S);
    assert_eq!((world.serves(0).len(), world.serves(1).len()), (8, 0));
    world.run(60 * S);
    assert_eq!((world.serves(0).len(), world.serves(1).len()), (4, 4));
}

#[test]
fn who_does_not_take_is_passed_over_though_nothing_else_happens() {
    let mut world = balanced();
    // One of two renews and takes nothing. It is the only one below its quota.
    let lease = world.store.lease_of("b").unwrap();
    world.store.keep_alive(u64::MAX / 2, lease);
    world.cut.insert(1);
    let shard = *world.serves(1).first().unwrap();
    let mut ended = world.store.picture.shards.get(&shard).unwrap().clone();
    world.store.picture.revision += 1;
    ended.revision = world.store.picture.revision;
    Arc::make_mut(&mut ended.grant).uid = "gone".into();
    world.store.put_owner(Ownable::Shard(shard), Some(ended.clone()));
    let changes = vec![Change::Owner(Ownable::Shard(shard), Some(ended.clone()))];
    world.store.log.push(Changes { revision: ended.revision, changes });
    // D is 5.1 s. What is offered then waits V, 3 s, before it goes to the next.
    world.run(9 * S);
    assert!(world.serves(0).contains(&shard));
}
