//! One suite for both stores: what the protocol relies on is asserted of the key-value store in memory and of a real
//! etcd, so that both stay equal; of a real etcd again with another key prefix; and of one with authentication, where
//! the pods have the rights of their namespace. The last shows that a namespace's role permits every transaction.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails"
)]

#[path = "suite/admin.rs"]
mod admin;
#[path = "suite/claims.rs"]
mod claims;
#[path = "suite/fixture.rs"]
mod fixture;
#[path = "suite/freezes.rs"]
mod freezes;
#[path = "suite/group.rs"]
mod group;
#[path = "suite/group_watch.rs"]
mod group_watch;
#[path = "suite/holds.rs"]
mod holds;
#[path = "suite/installation.rs"]
mod installation;
#[path = "suite/interfering.rs"]
mod interfering;
#[path = "suite/maps.rs"]
mod maps;
#[path = "suite/owners.rs"]
mod owners;
#[path = "suite/pages.rs"]
mod pages;
#[path = "suite/quarantine.rs"]
mod quarantine;
#[path = "suite/queue.rs"]
mod queue;
#[path = "suite/renewals.rs"]
mod renewals;
#[path = "suite/reservations.rs"]
mod reservations;
#[path = "suite/sessions.rs"]
mod sessions;
#[path = "suite/users.rs"]
mod users;

use std::sync::Arc;

use cairn_store::UserName;
use cairn_store::etcd::{Connection, Etcd};
use cairn_store::memory::MemoryKv;
use cairn_test_etcd::TestEtcd;
use etcd_client::Client;
use fixture::{Compactor, Fixture};

/// A fixture on an etcd without authentication: pods and administrators have the same rights.
async fn plain(process: &TestEtcd, prefix: &str) -> Fixture<Arc<Etcd>> {
    let endpoints = [process.url().to_owned()];
    let prefix = prefix.parse().unwrap();
    let connection = Connection { prefix, ..Connection::new(&endpoints) };
    let etcd = Arc::new(Etcd::open(&connection).await.unwrap());
    let client = Client::connect(endpoints, None).await.unwrap();
    Fixture::new(Arc::clone(&etcd), etcd, Compactor::Etcd(Box::new(client)))
}

/// A fixture on an etcd with authentication: the pods use the certificate of their namespace.
async fn secured(process: &TestEtcd) -> Fixture<Arc<Etcd>> {
    let root = users::user(process, UserName::root().as_str()).await;
    root.enable_auth().await.unwrap();
    root.grant_namespace("shop", &[]).await.unwrap();
    let pods = users::user(process, UserName::of(root.key_prefix(), "shop").as_str()).await;
    let client = users::raw(process, UserName::root().as_str()).await;
    Fixture::new(pods, root, Compactor::Etcd(Box::new(client)))
}

macro_rules! suite {
    ($($cases:ident { $($case:ident)+ })+) => {
        mod memory {
            use super::*;
            $($(
                #[tokio::test(start_paused = true)]
                async fn $case() {
                    let memory = MemoryKv::default();
                    let compactor = Compactor::Memory(memory.clone());
                    $cases::$case(&Fixture::new(memory.clone(), memory, compactor)).await;
                }
            )+)+
        }

        mod etcd {
            use super::*;
            $($(
                #[tokio::test]
                async fn $case() {
                    let process = TestEtcd::start().unwrap();
                    $cases::$case(&plain(&process, "/cairn/v1/").await).await;
                }
            )+)+
        }

        mod prefixed {
            use super::*;
            $($(
                #[tokio::test]
                async fn $case() {
                    let process = TestEtcd::start().unwrap();
                    $cases::$case(&plain(&process, "/teams/shop/").await).await;
                }
            )+)+
        }

        mod with_authentication {
            use super::*;
            $($(
                #[tokio::test]
                async fn $case() {
                    let process = TestEtcd::start_secure().unwrap();
                    $cases::$case(&secured(&process).await).await;
                }
            )+)+
        }
    };
}

suite! {
    claims {
        a_slot_goes_to_one_claimant_and_owner_and_slot_share_their_revision
        a_claim_conflicts_with_a_freeze_and_a_change_of_spec_or_queue
        one_pod_holds_one_slot_of_a_pool
        a_released_slot_is_quarantined_and_granted_again_with_a_greater_fence
        an_older_incarnation_cannot_release_the_slot_of_a_younger_one
        a_restarted_holder_finds_its_lease_and_adopts_its_slot
        a_second_adoption_of_one_slot_conflicts
        a_renewed_lease_outlives_its_ttl_and_the_slots_of_an_expired_one_are_deleted
        the_renewal_of_a_revoked_lease_answers_a_ttl_of_zero
        a_claim_on_a_revoked_lease_is_refused_and_puts_no_key
        a_spec_is_put_only_when_it_differs
        epoch_and_freeze_are_created_once
        an_empty_store_gets_its_epoch_once_with_a_freeze_of_every_pool
        a_nested_transaction_compares_the_keys_as_they_were_before_the_outer_one
    }
    admin {
        a_force_release_deletes_slot_and_owner_and_quarantines_the_name_as_the_slot_records
        a_quarantine_without_a_lease_is_read_as_unsettled_and_settled_once
        as_many_quarantines_as_a_request_may_name_are_settled_at_once
        a_reclaim_invalidates_every_rank
        during_a_freeze_only_a_reclaim_that_ignores_it_succeeds
        a_freeze_invalidates_every_earlier_rank
        a_reclaim_conflicts_with_a_ticket_of_the_same_pod
        a_slot_whose_lease_ended_is_quarantined_before_it_is_granted_again
        a_slot_whose_lease_ended_is_reclaimed_by_its_own_holder_at_once
        after_a_restore_every_pool_is_frozen_and_the_epoch_is_greater
        a_slot_whose_owner_record_is_not_ours_is_not_released
    }
    reservations {
        only_the_holder_of_a_slot_reserves_time
        a_reservation_conflicts_with_a_newer_one_and_reads_it
        an_older_incarnation_reserves_nothing_after_a_younger_one_has_adopted
        nothing_is_reserved_when_slot_and_owner_record_differ_in_revision
        claim_redeem_and_adopt_read_the_reservation
        a_reservation_outlives_its_holder_and_a_release_may_shorten_it
        a_refused_release_does_not_change_the_reservation
        reservations_are_read_only_on_request
        a_reservation_that_cannot_be_parsed_is_unknown_to_a_claim_and_an_error_of_t4
        an_administrator_resets_the_reservation_of_a_slot_that_nobody_holds
    }
    quarantine {
        a_pod_reclaims_its_released_name_out_of_the_quarantine
        a_reclaim_conflicts_with_any_change_since_the_read
        a_reclaim_out_of_the_quarantine_invalidates_every_rank
        a_quarantine_that_waits_for_the_end_of_its_pod_is_prolonged_and_shortened
        a_reclaim_writes_back_the_reservation_of_its_holder
    }
    installation {
        an_installation_is_recorded_once_and_another_one_is_refused
        data_of_another_cluster_are_refused_until_an_administrator_accepts_them
        a_cluster_accepted_before_any_installation_belongs_to_the_first_one
    }
    freezes {
        every_freeze_lasts_for_its_whole_span_from_after_it_was_laid
        the_first_in_the_queue_starts_a_freeze_that_has_no_lease
        every_freeze_without_a_lease_is_started_among_many
        a_pool_defined_without_kubernetes_is_frozen_also_beside_another_one
        a_user_lifts_only_the_freeze_of_an_empty_store
    }
    queue {
        a_claim_of_a_taken_slot_joins_the_end_of_the_queue
        a_claim_joins_a_queue_that_was_created_after_its_read
        a_repeated_join_finds_its_first_ticket
        a_late_copy_of_a_claim_puts_no_ticket_of_a_holder
        waiters_redeem_the_slots_of_their_ranks_without_a_conflict
        a_rank_counts_older_tickets_and_falls_when_they_are_deleted
        a_ticket_of_another_revision_than_the_request_has_no_rank
        a_ticket_is_redeemed_once
        redeem_conflicts_with_a_change_of_slot_quarantine_owner_freeze_or_spec
        leaving_deletes_the_ticket_of_the_request_and_no_other
        a_ticket_ends_with_its_lease
        a_past_revision_is_read_until_it_is_compacted
        every_release_deleted_ticket_edit_and_freeze_wakes_the_front_of_the_queue
        puts_of_slots_quarantines_and_tickets_wake_no_waiter
        a_waiter_behind_the_front_is_woken_by_the_deletion_of_its_watched_ticket
        the_end_of_a_lease_wakes_the_waiters
    }
    pages {
        pages_join_without_a_gap_at_the_revision_of_the_first_one
        a_page_of_exactly_all_keys_is_the_last_one
        a_page_whose_revision_is_compacted_is_refused
    }
    sessions {
        a_session_begins_with_its_record_and_the_first_map
        c1_is_refused_by_a_record_a_drop_and_another_epoch
        a_record_on_a_lease_that_is_gone_is_not_put
        c2_changes_only_what_this_process_has_put
        c3_takes_a_record_onto_another_lease_and_keeps_the_session
        c8_deletes_only_the_record_that_this_process_has_put
        a_dropped_member_is_kept_out_and_keeps_its_shards_until_they_are_taken_over
        a_renewal_reads_record_epoch_and_hold_and_then_renews_the_lease
    }
    owners {
        c4_takes_only_a_free_shard_of_the_map_that_was_seen
        c5_gives_only_what_is_still_ours_to_a_session_that_lives
        c6_takes_only_the_grant_that_was_seen_from_an_ended_session
        c7_frees_only_the_grant_that_was_seen
        sixty_owners_change_in_one_transaction_or_none
        only_the_leader_puts_its_value_over_the_one_it_has_seen
        a_session_that_etcd_ends_early_loses_its_record_and_no_shard
        a_repeated_write_lands_once_and_is_refused_with_what_it_did
    }
    maps {
        an_empty_group_and_an_empty_store_are_read
        a_read_without_shards_has_everything_else
        a_record_of_another_version_is_a_viewer_and_a_grant_is_an_error
        a_read_begins_again_when_its_revision_is_compacted
        c9_puts_a_map_only_over_the_one_seen_while_no_shard_has_an_owner
        a_dead_group_leaves_nothing
        a_group_that_comes_back_while_it_is_removed_stays
        a_member_that_joins_again_while_it_is_dropped_is_dropped
    }
    group_watch {
        a_watch_shows_records_and_owners_in_one_order
        a_watch_without_shards_has_members_leader_and_its_value
        a_watch_reports_progress_after_everything_before_it
        a_watch_shows_a_hold_and_ends_with_the_epoch
        a_watch_from_a_compacted_revision_ends
    }
    holds {
        whoever_makes_the_epoch_holds_owners_for_the_longest_takeover_delay
        nobody_is_held_in_a_store_that_is_known_to_be_new
        a_restored_store_is_held_not_later_than_its_epoch_moves
        a_hold_whose_author_died_is_started_for_its_own_time
        without_kubernetes_the_first_sidecar_makes_epoch_and_hold
    }
}
