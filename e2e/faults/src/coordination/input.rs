//! What a process hears: answers, orders, and its app.

use cairn_core::coordination::session::{Command, Event};

/// What a process is told.
#[derive(Debug)]
pub enum Input {
    /// An answer, or an order of the kubelet.
    Event(Event),
    /// From the watch with this number.
    Watched(u64, Event),
    /// From the app.
    Command(Command),
}
