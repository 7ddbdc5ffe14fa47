use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What is done to a map: a key gets a value, or loses it.
type Step = (u16, Option<u8>);

fn carry_out(map: &mut SharedMap<u16, u8>, model: &mut BTreeMap<u16, u8>, (key, value): Step) {
    match value {
        Some(value) => assert_eq!(map.insert(key, value), model.insert(key, value)),
        None => assert_eq!(map.remove(&key), model.remove(&key)),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u16..400, proptest::option::weighted(0.7, any::<u8>()));
    proptest::collection::vec(step, 0..600)
}

proptest! {
    #[test]
    fn it_is_a_sorted_map_and_copies_stay_as_they_were(before in steps(), after in steps()) {
        let (mut map, mut model) = (SharedMap::default(), BTreeMap::new());
        for step in before {
            carry_out(&mut map, &mut model, step);
        }
        let (copy, model_of_copy) = (map.clone(), model.clone());
        prop_assert!(copy == map);
        for step in after {
            carry_out(&mut map, &mut model, step);
        }
        for (map, model) in [(&map, &model), (&copy, &model_of_copy)] {
            prop_assert!(map.iter().eq(model.iter()));
            prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            prop_assert!((0..400).all(|key| map.get(&key) == model.get(&key)));
            prop_assert!(map.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
        }
        prop_assert_eq!(copy == map, model_of_copy == model);
        // The same entries in other chunks.
        let anew: SharedMap<u16, u8> = model.iter().rev().map(|(key, value)| (*key, *value)).collect();
        prop_assert!(anew == map);
    }
}

#[test]
fn a_change_copies_one_chunk_and_leaves_the_others_shared() {
    let map: SharedMap<u32, u32> = (0..10_000).map(|key| (key, key)).collect();
    assert_eq!(map.chunks.len(), 10_000_usize.div_ceil(CHUNK), "keys in order fill chunks");
    let mut changed = map.clone();
    changed.insert(5_000, 1);
    let pairs = map.chunks.iter().zip(&changed.chunks);
    assert_eq!(pairs.filter(|(one, other)| !Arc::ptr_eq(one, other)).count(), 1);
    assert_eq!((map.get(&5_000), changed.get(&5_000)), (Some(&5_000), Some(&1)));
}

#[test]
fn values_are_changed_of_one_copy_only() {
    let map: SharedMap<u32, u32> = (0..200).map(|key| (key, 0)).collect();
    let mut changed = map.clone();
    changed.values_mut().for_each(|value| *value = 7);
    assert!(map.values().all(|value| *value == 0) && changed.values().all(|value| *value == 7));
    changed.clear();
    assert!(changed.is_empty() && changed.iter().next().is_none() && changed != map);
}
