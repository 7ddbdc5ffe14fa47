//! One suite for both stores: whatever the protocol relies on is asserted of the real etcd and of
//! its twin in memory, so that the twin cannot drift from it.

#[path = "suite/cases.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails"
)]
mod cases;
#[path = "suite/world.rs"]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]
mod world;

use cairn_store::etcd::Etcd;
use cairn_store::memory::Memory;
use cairn_test_etcd::TestEtcd;
use world::World;

macro_rules! suite {
    ($($case:ident)+) => {
        mod memory {
            use super::*;
            $(
                #[tokio::test(start_paused = true)]
                async fn $case() {
                    cases::$case(&World::new(Memory::default())).await;
                }
            )+
        }

        mod etcd {
            use super::*;
            $(
                #[tokio::test]
                async fn $case() {
                    let process = TestEtcd::start().unwrap();
                    let endpoints = [process.url().to_owned()];
                    let etcd = Etcd::connect(&endpoints, None, Etcd::PATIENCE).await.unwrap();
                    cases::$case(&World::new(etcd)).await;
                }
            )+
        }
    };
}

suite! {
    a_slot_goes_to_one_claimant_and_owner_and_slot_share_their_revision
    a_claim_loses_to_a_change_of_the_spec_the_queue_or_a_hold
    one_pod_holds_one_slot_of_a_pool
    a_released_slot_rests_and_comes_back_with_a_greater_fence
    an_older_incarnation_cannot_release_the_younger_ones_slot
    a_restarted_holder_finds_its_lease_and_adopts_its_slot
    an_adoption_loses_to_another_adoption
    a_renewed_lease_outlives_its_ttl_and_an_unrenewed_one_takes_its_slots_with_it
    a_renewal_of_a_lease_that_is_gone_says_so
    a_claim_on_a_lease_that_is_gone_is_refused_and_leaves_nothing
    a_spec_is_put_only_when_it_differs
    the_epoch_and_the_hold_are_made_once
    an_empty_store_begins_once_with_every_hold
    a_nested_transaction_sees_the_keys_as_they_were_before_the_outer_one
}
