//! Which broken promises are etcd's own.
//!
//! PROTOCOL assumes that a lease is not revoked earlier than S after a renewal. A leader that was frozen,
//! replaced and goes on breaks that (etcd 3.6.14, seen in its log): its timers run first, so it takes
//! itself for active, skips the check of its leadership, and asks for the revocation of every lease
//! that it has not seen renewed. Sixteen of these requests go out at once; the others wait for them,
//! for up to their timeout, and are then sent without another look.
//!
//! A slot may end too early by that; it must not be given on too early, so an overlap is never excused.

use std::time::Duration;

use super::outlived::{self, End};
use super::{Kind, Violation};
use crate::boottime::{self, Nanos};
use crate::history::History;

/// etcd's timeout of a request, five seconds and two elections' time, after which the second batch is
/// sent; the rest is for a busy machine.
const MOMENT: Duration = Duration::from_secs(7 + 3);

/// Renames what a deposed leader explains.
pub fn attribute(found: &mut [Violation], thaws: &[Nanos], history: &History) {
    let ends = outlived::ends(history);
    for violation in found {
        if violation.kind == Kind::Outlived && explains(ends.get(&violation.fence), thaws) {
            violation.kind = Kind::Deposed;
        }
    }
}

/// The slots that ended in such a moment.
fn explains(end: Option<&End>, thaws: &[Nanos]) -> bool {
    let within =
        |end: &End, thaw: Nanos| end.seen >= thaw && boottime::between(thaw, end.seen) < MOMENT;
    end.is_some_and(|end| !end.released && thaws.iter().any(|thaw| within(end, *thaw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ran_out_right_after_a_thaw_is_a_deposed_leaders_doing() {
        const SECOND: u64 = 1_000_000_000;
        let end =
            |seen, released| Some(End { seen: seen * SECOND, released, rest: None, over: None });
        let thaws = [10 * SECOND];
        assert!(explains(end(11, false).as_ref(), &thaws));
        assert!(!explains(end(11, true).as_ref(), &thaws));
        assert!(!explains(end(21, false).as_ref(), &thaws));
        assert!(!explains(end(9, false).as_ref(), &thaws));
        assert!(!explains(None, &thaws));
    }
}
