//! The transactions T0 to T7 of `docs/protocol.md` and the renew pair, one file each.
//!
//! Each is a method of [`Store`](crate::Store). It builds the compares and operations, sends them, and parses the
//! answer. It decides nothing: `cairn_core::lease` has chosen the name and knows what a failed compare means.
//!
//! | | file |
//! |---|---|
//! | T0: read; the read at a ticket's revision | `read.rs` |
//! | names in use, as T0 lists them | `lists.rs` |
//! | T1: claim a free name or join the queue; T7: re-claim the own name | `claim.rs` |
//! | T2: turn a ticket into a slot | `redeem.rs` |
//! | T3: adopt after a restart | `adopt.rs` |
//! | T4: reserve time | `reserve.rs` |
//! | T5: release | `release.rs` |
//! | T6: force release | `force.rs` |
//! | join, watch and leave the queue | `queue.rs` |
//! | put slot and owner record, and quarantine notes | `slot.rs` |
//! | quarantines: read, prolong, shorten, settle | `quarantine.rs` |
//! | the renew pair | `renew.rs` |

mod adopt;
mod claim;
mod force;
mod lists;
mod quarantine;
mod queue;
mod read;
mod redeem;
mod release;
mod renew;
mod reserve;
mod slot;

pub use force::Forced;
