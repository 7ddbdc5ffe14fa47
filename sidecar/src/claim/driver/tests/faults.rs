//! Lost responses, requests that are applied late or twice, and pods that start and stop at random.

use super::*;

/// More requests than a claim through the queue takes, with those of a pod that releases meanwhile: grant, read,
/// T1, slots at the ticket, read, read of the watch, T2.
const POSITIONS: usize = 16;

#[tokio::test(start_paused = true)]
async fn no_lost_late_or_repeated_request_costs_a_second_name_or_leaves_a_ticket_on_a_holder() {
    for fault in [Fault::LoseAnswer, Fault::Late, Fault::Repeat, Fault::Refuse(Class::NotApplied)] {
        for position in 0..POSITIONS {
            local(async {
                let case = format!("{fault:?} at {position}");
                let memory = MemoryKv::default();
                let store = Store::new(memory.clone());
                define(&store, 2, "Wait").await;
                memory.set_latency(Duration::from_millis(4));
                let mut holders = Vec::new();
                for uid in ["holder0", "holder1"] {
                    let mut holder = Sidecar::start(&memory, uid, &[TEA]);
                    holder.reaches(ClaimState::Held).await;
                    holders.push(holder);
                }
                memory.inject_after(position, fault);
                let mut waiters = Vec::new();
                for uid in ["waiter0", "waiter1"] {
                    let mut waiter = Sidecar::start(&memory, uid, &[TEA]);
                    waiter.waits().await;
                    waiters.push(waiter);
                }
                memory.land();
                let stopping = holders.into_iter().map(Sidecar::stop);
                futures::future::join_all(stopping).await;
                for waiter in &mut waiters {
                    waiter.reaches(ClaimState::Held).await;
                }
                memory.land();
                let seen = view(&store, "nobody").await;
                assert_eq!((seen.held.len(), seen.queued), (2, 0), "{case}");
                let held = waiters.iter().filter_map(Sidecar::holds).collect::<Vec<_>>();
                assert!(held.len() == 2 && held[0] != held[1], "{case}: {held:?}");
                // A request that is applied even later is refused too.
                for waiter in waiters {
                    waiter.stop().await;
                }
                memory.land();
                let seen = view(&store, "nobody").await;
                assert_eq!((seen.held.len(), seen.queued), (0, 0), "{case}");
            })
            .await;
        }
    }
}

/// A deterministic generator, so that a run can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// Pods start, crash, restart and stop. Responses are lost, requests are applied late or twice, and the store
/// fails for a while. No two pods hold one name, and once there are as many pods as names, every pod holds one.
#[tokio::test(start_paused = true)]
async fn whatever_fails_no_name_is_held_twice_and_every_pod_gets_a_name() {
    const NAMES: usize = 4;
    for seed in 0..25 {
        local(async {
            let mut dice = Dice(seed);
            let memory = MemoryKv::default();
            let store = Store::new(memory.clone());
            define(&store, NAMES, "Wait").await;
            memory.set_latency(Duration::from_millis(4));
            let mut pods: Vec<(String, Sidecar)> = Vec::new();
            for step in 0..60 {
                match dice.roll(10) {
                    0..=3 if pods.len() < 3 * NAMES => {
                        let uid = format!("u{step}");
                        pods.push((uid.clone(), Sidecar::start(&memory, &uid, &[TEA])));
                    }
                    4 if !pods.is_empty() => {
                        pods.swap_remove(dice.roll(pods.len())).1.crash().await;
                    }
                    5 if !pods.is_empty() => {
                        let (uid, pod) = pods.swap_remove(dice.roll(pods.len()));
                        pod.crash().await;
                        pods.push((uid.clone(), Sidecar::start(&memory, &uid, &[TEA])));
                    }
                    6 if !pods.is_empty() => {
                        drop(pods.swap_remove(dice.roll(pods.len())).1.stop().await);
                    }
                    7 => {
                        let faults = [Fault::LoseAnswer, Fault::Late, Fault::Repeat];
                        memory.inject_after(dice.roll(5), faults[dice.roll(3)]);
                    }
                    8 => memory.land(),
                    9 if dice.roll(4) == 0 => {
                        memory.set_down(true);
                        tokio::time::sleep(Duration::from_secs(3)).await;
                        memory.set_down(false);
                    }
                    _ => {}
                }
                let pause = [5, 40, 700, 4000][dice.roll(4)];
                tokio::time::sleep(Duration::from_millis(pause)).await;
                let mut held: Vec<_> = pods.iter().filter_map(|(_, pod)| pod.holds()).collect();
                held.sort_unstable();
                assert!(held.is_sorted_by(|a, b| a < b), "seed {seed}, step {step}: {held:?}");
            }
            for (_, pod) in pods.drain(NAMES.min(pods.len())..) {
                pod.stop().await;
            }
            for (uid, pod) in &mut pods {
                let reached =
                    tokio::time::timeout(Duration::from_secs(120), pod.reaches(ClaimState::Held));
                assert!(reached.await.is_ok(), "seed {seed}: {uid} waits for ever");
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
            let seen = view(&store, "nobody").await;
            assert_eq!((seen.held.len(), seen.queued), (pods.len(), 0), "seed {seed}");
        })
        .await;
    }
}
