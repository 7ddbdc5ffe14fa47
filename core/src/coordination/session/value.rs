//! The leader's value: one put at a time, under our own fence.

use super::command::Refusal;
use crate::coordination::picture::Revised;
use crate::coordination::write::WriteKind;

/// Puts of the leader's value.
#[derive(Clone, Debug, Default)]
pub(super) struct ValuePuts {
    request: Option<Request>,
    /// How many have ended.
    pub(super) count: u64,
    pub(super) last: Option<Result<i64, Refusal>>,
}

#[derive(Clone, Debug)]
struct Request {
    value: Vec<u8>,
    expected: Option<i64>,
    fence: i64,
}

// === impl ValuePuts ===

impl ValuePuts {
    /// A put under the fence that was owned when it was asked for.
    pub(super) fn request(
        &mut self,
        value: Vec<u8>,
        expected: Option<i64>,
        fence: i64,
    ) -> Result<(), Refusal> {
        if self.request.is_some() {
            return Err(Refusal::PutUnderWay);
        }
        self.request = Some(Request { value, expected, fence });
        Ok(())
    }

    /// The next write. `fence` is the one that we lead under, `seen` what is known of the value.
    pub(super) fn next(
        &mut self,
        fence: Option<i64>,
        seen: Option<&Revised<Vec<u8>>>,
    ) -> Option<WriteKind> {
        let request = self.request.as_ref()?;
        if fence != Some(request.fence) {
            self.end(Err(Refusal::PutLost));
            return None;
        }
        let seen = seen.map_or(0, |value| value.revision);
        let seen = match request.expected {
            Some(expected) if expected != seen => {
                self.end(Err(Refusal::ValueChanged(seen)));
                return None;
            }
            Some(_) | None => seen,
        };
        Some(WriteKind::LeaderValue { fence: request.fence, seen, value: request.value.clone() })
    }

    pub(super) fn on_committed(&mut self, revision: i64) {
        self.end(Ok(revision));
    }

    /// A put that was unclear before may have been done: then the value that is there is ours, and newer.
    pub(super) fn on_refused(&mut self, seen: i64, now: Option<&Revised<Vec<u8>>>) {
        let Some(request) = &self.request else { return };
        let done = now.filter(|now| now.revision > seen && now.value == request.value);
        if let Some(revision) = done.map(|now| now.revision) {
            self.end(Ok(revision));
        }
    }

    /// The session is over.
    pub(super) fn lose(&mut self) {
        if self.request.is_some() {
            self.end(Err(Refusal::PutLost));
        }
    }

    fn end(&mut self, result: Result<i64, Refusal>) {
        self.request = None;
        self.count += 1;
        self.last = Some(result);
    }
}
