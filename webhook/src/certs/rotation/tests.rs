//! Replicas, a Secret and two configurations, in any interleaving of their reads and writes.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use world::World;

mod world;

const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

/// What is done to the Secret by hand.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Deleted,
    Garbage,
    Bundle,
    Foreign,
    Older,
    /// Somebody else's, which claims to be the successor of ours.
    Newer,
}

/// What is done to a `caBundle` by hand.
#[derive(Clone, Copy, Debug)]
enum Change {
    Emptied,
    Foreign,
    More,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    /// One read or write of a replica.
    Advance(usize),
    /// Milliseconds.
    Pass(u64),
    /// A replica stands still, at whatever it is doing.
    Pause(usize),
    Wake(usize),
    Restart(usize),
    /// A configuration is deleted.
    Remove(usize),
    /// It is created again.
    Create(usize),
    Hurt(Fault),
    Bundle(usize, Change),
}

fn lives() -> Lives {
    Lives::parse("authority=36s,leaf=12s,announce=4s,retain=12s,settle=2s,linger=8s").unwrap()
}

fn after(seconds: u64) -> UnixMillis {
    NOW.after(Duration::from_secs(seconds))
}

fn kind(step: &Step) -> &'static str {
    match step {
        Step::Write { .. } => "write",
        Step::Mint(_) => "mint",
        Step::Publish(_) => "publish",
        Step::Serve(_) => "serve",
        Step::Rest(_) => "rest",
    }
}

#[test]
fn a_first_replica_makes_an_authority_publishes_it_and_then_serves() {
    let mut world = World::new(lives(), 1);
    let mut seen = Vec::new();
    while let Some(step) = world.cycle(0) {
        seen.push(kind(&step));
    }
    assert_eq!(seen, ["mint", "publish", "serve"]);
    world.check_converged();
}

#[test]
fn a_rotation_announces_then_signs_then_drops() {
    let mut world = World::new(lives(), 2);
    world.settle();
    let first = world.record().signer.clone();

    world.pass(Duration::from_secs(24));
    world.settle();
    let announced = world.record();
    assert_eq!(announced.signer, first, "the successor has only been announced");
    assert!(announced.next.is_some());

    world.pass(lives().announce);
    world.settle();
    let promoted = world.record();
    assert_ne!(promoted.signer, first);
    assert!(promoted.trusts(first.certificate()));
    world.check_converged();

    world.pass(lives().retain);
    world.settle();
    assert!(!world.record().trusts(first.certificate()));
    world.check_converged();
}

#[test]
fn a_successor_does_not_sign_while_one_configuration_does_not_carry_it() {
    let mut rotation = Rotation::new(lives());
    let [one, two] = [(); 2].map(|()| mint::authority(&lives(), NOW).unwrap());
    let record = Record::first(one.clone(), 0).introducing(two, NOW);
    let stored = Stored::Whole(record.clone());
    let live = |bundles: [&str; 2]| {
        let mut live = Live::default();
        for bundle in bundles {
            live.push(String::new(), bundle.as_bytes().to_vec());
        }
        live
    };
    let (whole, half) = (record.bundle(), one.certificate().pem());
    let complete = live([&whole, &whole]);
    assert_eq!(rotation.step(&complete, &stored, NOW), Step::Serve(one.clone()));
    rotation.serve(&one, NOW, after(36));
    assert!(matches!(rotation.step(&complete, &stored, NOW), Step::Rest(_)));
    let late = after(5);
    let step = rotation.step(&live([&whole, &half]), &stored, late);
    assert_eq!(step, Step::Publish(whole.clone()));
    // It has to settle again, because one API server may still use the bundle without it.
    assert!(matches!(rotation.step(&complete, &stored, late), Step::Rest(_)));
    let settled = rotation.step(&complete, &stored, after(7));
    assert!(matches!(settled, Step::Write { record, .. } if record.next.is_none()));
}

#[test]
fn a_signer_that_no_configuration_carries_is_published_before_it_is_served() {
    let mut world = World::new(lives(), 1);
    world.settle();
    world.hurt(Fault::Newer);
    let mut seen = Vec::new();
    while let Some(step) = world.cycle(0) {
        seen.push(kind(&step));
        world.check_trusted();
    }
    assert_eq!(seen, ["write", "publish"], "our own authority is added before");
    world.pass(lives().settle);
    world.settle();
    world.check_converged();
}

#[test]
fn a_configuration_that_does_not_exist_stops_neither_rotation_nor_renewal() {
    let mut world = World::new(lives(), 2);
    world.configurations[1] = None;
    world.settle();
    let first = world.record().signer.clone();
    for _ in 0..40 {
        world.pass(Duration::from_secs(1));
        world.settle();
        world.check_trusted();
    }
    assert_ne!(world.record().signer, first);
    world.check_converged();
}

#[test]
fn a_cluster_that_stood_still_past_the_life_of_its_authority_gets_a_new_one() {
    let mut world = World::new(lives(), 2);
    world.settle();
    let first = world.record().signer.clone();
    world.now = world.now.after(Duration::from_secs(3600));
    world.settle();
    assert_ne!(world.record().signer, first);
    world.check_converged();
}

#[test]
fn a_secret_of_somebody_elses_is_replaced_with_what_the_replicas_know() {
    let mut world = World::new(lives(), 2);
    world.settle();
    let before = world.record();
    for fault in [Fault::Deleted, Fault::Foreign, Fault::Garbage, Fault::Bundle, Fault::Older] {
        world.hurt(fault);
        world.settle();
        assert_eq!(world.record().signer, before.signer, "{fault:?}");
        world.check_trusted();
        world.check_converged();
    }
}

#[test]
fn authorities_of_the_default_life_are_replaced_when_the_settings_become_shorter() {
    let mut world = World::new(Lives::default(), 2);
    world.settle();
    let first = world.record().signer.clone();
    world.relive(lives());
    world.pass(Duration::from_secs(30));
    for _ in 0..20 {
        world.pass(Duration::from_secs(1));
        world.settle();
        world.check_trusted();
    }
    assert_ne!(world.record().signer, first);
}

#[test]
fn a_replica_that_stood_still_in_the_middle_of_a_write_overwrites_nothing() {
    for stale in ["mint", "publish"] {
        let mut world = World::new(lives(), 2);
        world.settle();
        world.act(Action::Pause(1));
        world.pass(Duration::from_millis(23_500));
        world.act(Action::Wake(1));
        while world.cycle(1).is_some() {}
        world.now = after(24);
        if stale == "publish" {
            while world.cycle(0).as_ref().map(kind) != Some("mint") {}
        }
        // Two configurations and the Secret are read, and the write is decided on.
        (0..3).for_each(|_| world.act(Action::Advance(1)));
        world.act(Action::Pause(1));
        world.pass(Duration::from_secs(40));
        world.check_trusted();
        let before = world.record();
        assert!(before.generation > 4, "the other has gone on");

        world.act(Action::Wake(1));
        assert_eq!(world.cycle(1).as_ref().map(kind), Some(stale));
        world.check_trusted();
        assert_eq!(world.record(), before);
        world.calm_down();
        world.check_converged();
    }
}

/// Without faults: time, pauses, restarts, and configurations that come and go.
fn quiet() -> impl Strategy<Value = Action> {
    prop_oneof![
        30 => (0..3_usize).prop_map(Action::Advance),
        6 => (200..1500_u64).prop_map(Action::Pass),
        1 => (0..3_usize).prop_map(Action::Pause),
        1 => (0..3_usize).prop_map(Action::Wake),
        1 => (0..3_usize).prop_map(Action::Restart),
        1 => (0..2_usize).prop_map(Action::Remove),
        2 => (0..2_usize).prop_map(Action::Create),
    ]
}

/// Faults of the Secret alone, also while a replica starts. Those that know better repair it, and nobody notices.
fn secret_faults() -> impl Strategy<Value = Action> {
    let fault = prop_oneof![
        Just(Fault::Deleted),
        Just(Fault::Garbage),
        Just(Fault::Bundle),
        Just(Fault::Foreign),
        Just(Fault::Older),
        Just(Fault::Newer),
    ];
    prop_oneof![
        30 => (0..3_usize).prop_map(Action::Advance),
        6 => (200..1500_u64).prop_map(Action::Pass),
        1 => fault.prop_map(Action::Hurt),
        1 => (0..3_usize).prop_map(Action::Restart),
    ]
}

/// Everything, also bundles that are replaced by hand.
fn any_fault() -> impl Strategy<Value = Action> {
    let change = prop_oneof![Just(Change::Emptied), Just(Change::Foreign), Just(Change::More)];
    prop_oneof![
        20 => quiet(),
        4 => secret_faults(),
        2 => (0..2_usize, change).prop_map(|(index, change)| Action::Bundle(index, change)),
    ]
}

/// After each action every live bundle verifies every served leaf, and in the end the replicas agree.
fn no_served_leaf_is_refused(replicas: usize, actions: Vec<Action>) {
    let mut world = World::new(lives(), replicas);
    world.settle();
    for action in actions {
        world.act(action);
        world.check_trusted();
    }
    world.calm_down();
    world.check_converged();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_live_bundle_ever_refuses_a_served_leaf(
        replicas in 2..=3_usize,
        actions in proptest::collection::vec(quiet(), 400..900),
    ) {
        no_served_leaf_is_refused(replicas, actions);
    }

    #[test]
    fn no_live_bundle_ever_refuses_a_served_leaf_whatever_is_done_to_the_secret(
        replicas in 2..=3_usize,
        actions in proptest::collection::vec(secret_faults(), 300..600),
    ) {
        no_served_leaf_is_refused(replicas, actions);
    }

    #[test]
    fn the_replicas_converge_whatever_was_done(
        replicas in 2..=3_usize,
        actions in proptest::collection::vec(any_fault(), 100..400),
    ) {
        let mut world = World::new(lives(), replicas);
        for action in actions {
            world.act(action);
        }
        world.calm_down();
        world.check_converged();
    }
}
