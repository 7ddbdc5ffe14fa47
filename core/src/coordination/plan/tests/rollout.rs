//! Rollouts, as controllers do them. `cargo test -p cairn-core rollout -- --nocapture` prints the moves per shard.

use super::group::{Group, Pod};

/// A rollout of a group's pods.
#[derive(Clone, Copy, Debug)]
struct Rollout {
    pods: usize,
    shards: usize,
    /// So many pods more than wanted.
    surge: usize,
    /// So many pods fewer than wanted.
    unavailable: usize,
    /// Halfway, the youngest pod of the old generation is lost and recreated in the old generation.
    recreated: bool,
    /// Halfway, the rollout is undone.
    undone: bool,
}

// === impl Rollout ===

impl Rollout {
    const CALM: Self =
        Self { pods: 10, shards: 1000, surge: 1, unavailable: 0, recreated: false, undone: false };

    /// Moves per shard.
    fn run(self) -> f64 {
        let pods = (0..self.pods).map(|index| Pod::new(&format!("old-{index}"), 1, 10));
        let mut group = Group::new(pods.collect(), self.shards);
        group.settle();
        group.may_balance = false;
        let (mut moves, mut created, mut target) = (0, 0, 2);
        for step in 1_i64.. {
            let current = group.pods.iter().filter(|pod| pod.generation == target).count();
            if current == self.pods && group.pods.len() == self.pods {
                break;
            }
            if self.undone && target == 2 && current == self.pods / 2 {
                target = 1;
            }
            // Pods are created up to the surge; they participate a step later.
            let missing =
                self.pods - group.pods.iter().filter(|pod| pod.generation == target).count();
            let room = (self.pods + self.surge).saturating_sub(group.pods.len());
            let starting = missing.min(room);
            // Pods of other generations go while enough are there.
            let may_go = group.pods.len().saturating_sub(self.pods - self.unavailable);
            let others = group.pods.iter_mut().filter(|pod| pod.generation != target);
            for pod in others.take(may_go) {
                pod.draining = true;
            }
            moves += group.settle().0;
            remove_drained(&mut group);
            for _ in 0..starting {
                created += 1;
                let name = format!("new-{created}");
                group.pods.push(Pod::new(&name, target, 100 * step));
            }
            if self.recreated && created == self.pods / 2 {
                moves += recreate(&mut group, 100 * step + 50);
            }
            moves += group.settle().0;
        }
        group.may_balance = true;
        moves += group.settle().0;
        assert_eq!(group.held(), group.quotas());
        f64::from(u32::try_from(moves).unwrap()) / f64::from(u32::try_from(self.shards).unwrap())
    }
}

fn remove_drained(group: &mut Group) {
    while let Some(gone) = group.pods.iter().position(|pod| pod.draining) {
        remove(group, gone);
    }
}

/// Removes a pod; its shards are free.
fn remove(group: &mut Group, gone: usize) {
    group.pods.remove(gone);
    for owner in &mut group.owners {
        *owner = match *owner {
            Some(pod) if pod == gone => None,
            Some(pod) if pod > gone => Some(pod - 1),
            other => other,
        };
    }
}

/// The last pod of generation 1 is lost, its shards are taken over, and it is created again.
fn recreate(group: &mut Group, admitted: i64) -> usize {
    let Some(lost) = group.pods.iter().rposition(|pod| pod.generation == 1) else { return 0 };
    let uid = format!("{}-again", group.pods[lost].uid);
    if group.pods.iter().any(|pod| pod.uid.ends_with("-again")) {
        return 0;
    }
    remove(group, lost);
    let moves = group.settle().0;
    group.pods.push(Pod::new(&uid, 1, admitted));
    moves
}

#[test]
fn a_rollout_with_a_surge_moves_every_shard_once() {
    let moves = Rollout::CALM.run();
    println!("surge 1, unavailable 0: {moves:.3} moves per shard");
    assert!((moves - 1.0).abs() < f64::EPSILON);
    let moves = Rollout { surge: 10, ..Rollout::CALM }.run();
    println!("surge 10, unavailable 0: {moves:.3} moves per shard");
    assert!((moves - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_rollout_without_a_surge_moves_a_shard_up_to_1_4_times() {
    for (surge, unavailable) in [(0, 1), (3, 2)] {
        let moves = Rollout { surge, unavailable, ..Rollout::CALM }.run();
        println!("surge {surge}, unavailable {unavailable}: {moves:.3} moves per shard");
        assert!((1.0..=1.4).contains(&moves), "{moves}");
    }
}

/// Its own shards move once more, and those that others have to give it.
#[test]
fn an_old_pod_that_is_recreated_during_a_rollout_attracts_nothing() {
    let moves = Rollout { recreated: true, ..Rollout::CALM }.run();
    println!("surge 1, unavailable 0, an old pod recreated: {moves:.3} moves per shard");
    assert!(moves <= 1.2, "{moves}");
}

#[test]
fn a_rollout_that_is_undone_ends_too() {
    let moves = Rollout { undone: true, ..Rollout::CALM }.run();
    println!("surge 1, unavailable 0, undone halfway: {moves:.3} moves per shard");
    assert!(moves <= 2.0, "{moves}");
}
