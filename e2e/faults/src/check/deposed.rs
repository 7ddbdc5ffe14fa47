//! Violations that a deposed leader of etcd has caused.
//!
//! Usually a lease is not revoked earlier than S after a renewal. A leader that was frozen, replaced and then continued
//! breaks that (etcd 3.6.14, seen in its log). Its timers run first, so it believes that it is still the leader, skips
//! the check of its leadership, and requests the revocation of every lease whose renewal it has not seen. Sixteen of
//! these requests are sent at once. The others wait for them, up to their timeout, and are then sent without another
//! check.
//!
//! Then a slot may end too early. Its name must still not be granted too early, so an overlap is never excused.

use std::time::Duration;

use super::outlived::{self, End};
use super::{Kind, Violation};
use crate::boottime::{self, Nanos};
use crate::history::History;

/// etcd's timeout of a request (five seconds and twice the election timeout), after which the second batch is sent; and
/// three seconds for a busy machine.
const MOMENT: Duration = Duration::from_secs(7 + 3);

/// Changes the kind of the violations that a deposed leader explains.
pub fn attribute(found: &mut [Violation], thaws: &[Nanos], history: &History) {
    let ends = outlived::ends(history);
    for violation in found {
        if violation.kind == Kind::Outlived && explains(ends.get(&violation.fence), thaws) {
            violation.kind = Kind::Deposed;
        }
    }
}

/// Whether a slot ran out shortly after a frozen member was continued.
fn explains(end: Option<&End>, thaws: &[Nanos]) -> bool {
    let within =
        |end: &End, thaw: Nanos| end.seen >= thaw && boottime::between(thaw, end.seen) < MOMENT;
    end.is_some_and(|end| !end.released && thaws.iter().any(|thaw| within(end, *thaw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deposed_leader_explains_only_slots_that_ran_out_shortly_after_a_thaw() {
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
