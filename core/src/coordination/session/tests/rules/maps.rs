//! Another number of shards.

use super::super::fixture::{Fixture, S, config};
use crate::coordination::session::Event;

#[test]
fn a_member_with_another_map_owns_nothing_until_nobody_serves_the_map_in_force() {
    let mut world = Fixture::with(&["a"], 8);
    world.start(config("b", 16));
    world.run(30 * S);
    assert_eq!((world.serves(0).len(), world.serves(1).len()), (8, 0));
    assert!(world.status(1).reason.is_some_and(|reason| reason.contains("another map")));
    world.event(0, Event::Drain);
    world.run(20 * S);
    assert!(world.processes[0].end.is_some());
    assert_eq!(world.store.picture.map.as_ref().unwrap().value.shards, 16);
    assert_eq!(world.serves(1).len(), 16);
}

#[test]
fn the_keys_of_a_dead_owner_of_the_old_map_are_deleted_after_its_time() {
    let mut world = Fixture::with(&["a"], 8);
    world.start(config("b", 16));
    world.run(S);
    world.cut.insert(0);
    let died = world.now;
    world.until("the new map", |world| world.serves(1).len() == 16);
    // Its lease, then its takeover delay.
    assert!(world.now - died > 8 * S && world.now - died < 20 * S);
}

#[test]
fn two_members_with_other_maps_come_to_rest_on_one_of_them() {
    let mut world = Fixture::with(&["a"], 8);
    world.start(config("b", 16));
    world.start(config("c", 32));
    world.event(0, Event::Terminate);
    world.run(60 * S);
    let writes = world.store.writes;
    world.run(60 * S);
    assert_eq!(world.store.writes, writes);
    let served = [world.serves(1).len(), world.serves(2).len()];
    assert!(served == [16, 0] || served == [0, 32], "{served:?}");
}
