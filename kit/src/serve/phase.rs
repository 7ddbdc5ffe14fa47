//! How far a connection has come with its request, and until when it has to go on.

use std::time::Duration;

use super::limits::Limits;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// The TLS handshake is not done.
    Handshake,
    /// The headers of a request are incomplete.
    Header,
    /// The body of a request is incomplete.
    Body,
    /// A complete request is being answered.
    Answer,
    /// A declared stream is being sent.
    Stream,
    /// The last request is answered and the next has not begun.
    Idle,
}

impl Phase {
    /// Whether the peer has no complete request here: such a connection is evicted first.
    pub(super) fn waits_for_peer(self) -> bool {
        match self {
            Self::Handshake | Self::Header | Self::Body | Self::Idle => true,
            Self::Answer | Self::Stream => false,
        }
    }

    /// How long it may last. A stream may last for ever.
    pub(super) fn allowed(self, limits: &Limits) -> Option<Duration> {
        match self {
            Self::Handshake => Some(limits.handshake),
            Self::Header => Some(limits.header),
            Self::Body => Some(limits.body),
            Self::Answer => Some(limits.answer),
            Self::Idle => Some(limits.idle),
            Self::Stream => None,
        }
    }

    /// Its name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Header => "header",
            Self::Body => "body",
            Self::Answer => "answer",
            Self::Stream => "stream",
            Self::Idle => "idle",
        }
    }
}
