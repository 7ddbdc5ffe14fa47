//! One suite for both stores: whatever the protocol relies on is asserted of the real etcd and of
//! its twin in memory, so that the twin cannot drift from it; and of the real etcd again below another
//! key prefix.

#[path = "suite/admin.rs"]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]
mod admin;
#[path = "suite/cases.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails"
)]
mod cases;
#[path = "suite/clock.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails"
)]
mod clock;
#[path = "suite/identity.rs"]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails")]
mod identity;
#[path = "suite/queue.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails"
)]
mod queue;
#[path = "suite/rest.rs"]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails")]
mod rest;
#[path = "suite/world.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails"
)]
mod world;

use cairn_store::etcd::{Connection, Etcd};
use cairn_store::memory::Memory;
use cairn_test_etcd::TestEtcd;
use world::{Compactor, World};

macro_rules! suite {
    ($($cases:ident { $($case:ident)+ })+) => {
        mod memory {
            use super::*;
            $($(
                #[tokio::test(start_paused = true)]
                async fn $case() {
                    let memory = Memory::default();
                    let compactor = Compactor::Memory(memory.clone());
                    $cases::$case(&World::new(memory, compactor)).await;
                }
            )+)+
        }

        mod etcd {
            use super::*;
            $($(
                #[tokio::test]
                async fn $case() {
                    let process = TestEtcd::start().unwrap();
                    let endpoints = [process.url().to_owned()];
                    let etcd = Etcd::connect(&endpoints, None, Etcd::PATIENCE).await.unwrap();
                    let compactor = Compactor::Etcd(process.url().to_owned());
                    $cases::$case(&World::new(etcd, compactor)).await;
                }
            )+)+
        }

        mod prefixed {
            use super::*;
            $($(
                #[tokio::test]
                async fn $case() {
                    let process = TestEtcd::start().unwrap();
                    let prefix = "/teams/shop/".parse().unwrap();
                    let endpoints = [process.url().to_owned()];
                    let connection = Connection { prefix, ..Connection::new(&endpoints) };
                    let etcd = Etcd::open(&connection).await.unwrap();
                    let compactor = Compactor::Etcd(process.url().to_owned());
                    $cases::$case(&World::new(etcd, compactor)).await;
                }
            )+)+
        }
    };
}

suite! {
    cases {
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
    admin {
        a_force_release_takes_slot_and_owner_and_the_name_rests_as_long_as_the_slot_says
        a_quarantine_without_an_end_is_shown_and_given_one
        a_name_claimed_ahead_of_the_queue_outdates_every_rank_behind_it
        only_whose_belief_has_not_ended_claims_its_name_again_during_a_hold
        a_hold_outdates_every_rank_that_was_found_before_it
        a_name_is_not_claimed_again_over_a_ticket_of_the_same_pod
        a_slot_that_was_lost_must_rest_before_it_is_given_on
        a_slot_that_was_lost_need_not_rest_for_its_own_holder
        after_a_restore_every_pool_is_held_and_the_epoch_is_greater
        a_slot_whose_owner_record_is_not_ours_is_not_released
    }
    clock {
        time_is_reserved_by_the_holder_of_the_slot_alone
        a_reservation_loses_to_another_one_and_learns_it
        an_older_incarnation_reserves_nothing_once_a_younger_one_has_adopted
        a_slot_and_an_owner_record_that_do_not_belong_together_reserve_nothing
        a_claim_a_redemption_and_an_adoption_learn_what_was_reserved
        a_reservation_outlives_its_holder_and_a_release_may_shorten_it
        a_release_that_is_refused_leaves_the_reservation_alone
        reservations_are_read_only_when_asked_for
        an_unreadable_reservation_is_learned_as_unknown_and_reported_by_the_next
        an_administrator_resets_the_reservation_of_a_slot_that_nobody_holds
    }
    rest {
        a_released_name_is_taken_back_by_its_own_pod_before_its_rest_is_over
        a_name_is_not_taken_back_when_anything_has_changed_since_it_was_seen
        a_name_that_is_taken_back_outdates_every_rank_behind_it
        a_rest_that_waits_for_its_pod_is_prolonged_and_shortened
        a_claim_that_goes_on_writes_what_it_had_reserved
    }
    identity {
        an_installation_is_recorded_once_and_another_one_is_refused
        data_of_another_cluster_are_refused_until_an_administrator_accepts_them
        a_cluster_accepted_before_any_installation_is_the_first_ones
        every_freeze_lasts_for_its_whole_span_from_after_it_was_laid
        a_freeze_without_an_end_is_given_one_by_the_first_in_the_queue
        every_freeze_without_an_end_is_found_among_many
        a_pool_defined_without_kubernetes_is_frozen_also_beside_another_one
        only_the_freeze_of_an_empty_store_is_lifted_by_a_user
    }
    queue {
        whoever_cannot_have_a_slot_joins_the_queue_behind_those_who_wait
        a_queue_that_somebody_joined_meanwhile_sends_a_claim_to_its_end
        a_repeated_request_finds_the_ticket_that_the_first_one_made
        a_late_duplicate_leaves_no_ticket_on_a_holder
        a_herd_takes_the_slots_that_its_ranks_give_it_without_one_lost_compare
        a_rank_counts_the_tickets_created_before_and_shrinks_when_they_go
        a_ticket_that_is_not_the_one_asked_about_has_no_rank
        a_ticket_is_redeemed_once
        a_ticket_is_not_redeemed_against_a_change_of_slot_quarantine_hold_or_spec
        a_withdrawn_ticket_is_gone_and_another_one_stays
        a_ticket_ends_with_its_lease
        the_slots_of_a_past_revision_are_known_until_it_is_compacted
        every_release_departure_edit_and_hold_wakes_the_front_of_the_queue
        a_put_of_a_slot_wakes_nobody
        those_behind_are_woken_by_the_departure_of_the_ticket_ahead
        the_end_of_a_lease_wakes_those_who_wait
    }
}
