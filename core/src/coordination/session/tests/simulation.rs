//! The promises, in many random histories.

use proptest::prelude::*;

use super::faults::Fault;
use super::fixture::S;
use super::world::World;

/// Faults happen in this time.
const FAULTY: u64 = 120 * S;

/// When the faults have ended, this is enough for a hold, takeover delays, calm and balance.
const RECOVERY: u64 = 240 * S;

fn faults() -> impl Strategy<Value = Vec<(u64, Fault, usize)>> {
    let fault = prop_oneof![
        4 => Just(Fault::Crash),
        2 => Just(Fault::Twin),
        4 => Just(Fault::Vanish),
        1 => Just(Fault::Epoch),
        1 => Just(Fault::Wipe),
        2 => Just(Fault::Drain),
        1 => Just(Fault::Terminate),
        2 => Just(Fault::Break),
        2 => Just(Fault::Silence),
        2 => Just(Fault::Cut),
        4 => Just(Fault::Lost),
    ];
    prop::collection::vec((0..FAULTY, fault, 0..3_usize), 0..12).prop_map(|mut faults| {
        faults.sort_by_key(|(at, ..)| *at);
        faults
    })
}

fn rate() -> impl Strategy<Value = i64> {
    prop_oneof![Just(-10_000_i64), Just(0), Just(10_000), -10_000..10_000_i64]
}

fn simulate(seed: u64, rates: &[i64], faults: &[(u64, Fault, usize)]) -> Result<(), TestCaseError> {
    let shards = 6;
    let mut world = World::new(seed, rates, shards);
    let start = world.now;
    for (at, fault, pod) in faults {
        let until = (start + at).saturating_sub(world.now);
        world.run(until);
        world.fault(*fault, *pod);
    }
    world.run((start + FAULTY).saturating_sub(world.now));
    world.faulty = false;
    world.run(RECOVERY);
    prop_assert_eq!(&world.judge.broken, &Vec::<String>::new());
    prop_assert_eq!(&world.store.broken, &Vec::<String>::new());
    let relied: Vec<_> = world.pods.iter().map(|pod| pod.relied(world.now)).collect();
    let served: usize = relied.iter().map(std::collections::BTreeMap::len).sum();
    prop_assert_eq!(served, 7, "P4: not everything is served: {:?}", relied);
    let writes = world.store.writes;
    world.run(60 * S);
    prop_assert_eq!(world.store.writes, writes, "P4: writes go on");
    Ok(())
}

#[test]
fn a_history_without_faults_comes_to_rest() {
    simulate(1, &[0, 0, 0], &[]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_promises_hold_in_every_history(
        seed in any::<u64>(),
        rates in prop::collection::vec(rate(), 3),
        faults in faults(),
    ) {
        simulate(seed, &rates, &faults)?;
    }
}
