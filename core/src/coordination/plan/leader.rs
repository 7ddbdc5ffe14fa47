//! Who should lead.

use std::cmp::Reverse;

use super::Candidate;
use super::generation::ranks;

/// The member that should lead, an index into `members`; `None` when nobody may.
///
/// `members` are those that may lead and the draining ones; `current` is the leader, `None` when its session has ended.
/// `passed_over` did not take the free leadership in time.
///
/// A leader stays until it drains or resigns, or its session ends. Then the youngest generation's oldest session
/// leads. Who has resigned comes last: a leader that resigns stays if nobody else can lead, or if all others have
/// resigned too, so that two of them do not hand the leadership back and forth.
pub fn leader(
    members: &[Candidate<'_>],
    current: Option<usize>,
    passed_over: &[usize],
) -> Option<usize> {
    let leads = current.and_then(|index| members.get(index)).filter(|leader| !leader.draining);
    if leads.is_some_and(|leader| !leader.resigned) {
        return current;
    }
    let ranks = ranks(members);
    let takers = members.iter().zip(ranks).enumerate().filter(|(_, (member, _))| !member.draining);
    let chosen = takers.min_by_key(|(index, (member, rank))| {
        // Rather one that was passed over or has resigned than nobody.
        let passed_over = passed_over.contains(index);
        let stays = leads.is_some() && Some(*index) == current;
        (passed_over, member.resigned, Reverse(stays), *rank, member.session, member.uid)
    });
    chosen.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::member::SessionId;
    use crate::time::UnixMillis;

    fn member(uid: &str, revision: i64) -> Candidate<'_> {
        Candidate {
            uid,
            weight: 100,
            generation: "1",
            admitted: UnixMillis(revision),
            session: SessionId { epoch: 1, revision },
            draining: false,
            resigned: false,
        }
    }

    #[test]
    fn a_leader_stays_whoever_else_comes() {
        let young = Candidate { generation: "2", ..member("c", 30) };
        assert_eq!(leader(&[member("a", 10), member("b", 20), young], Some(1), &[]), Some(1));
    }

    #[test]
    fn the_oldest_session_of_the_youngest_generation_leads_next() {
        let young = |uid, revision| Candidate { generation: "2", ..member(uid, revision) };
        let members = [member("a", 10), young("d", 40), young("c", 30), member("b", 20)];
        assert_eq!(leader(&members, None, &[]), Some(2));
        assert_eq!(leader(&members, None, &[2]), Some(1));
        assert_eq!(leader(&members, None, &[0, 1, 2, 3]), Some(2));
        assert_eq!(leader(&[], None, &[]), None);
    }

    #[test]
    fn a_draining_leader_hands_over_and_nobody_draining_is_chosen() {
        let draining = |uid, revision| Candidate { draining: true, ..member(uid, revision) };
        let members = [draining("a", 10), draining("b", 20), member("c", 30)];
        assert_eq!(leader(&members, Some(0), &[]), Some(2));
        assert_eq!(leader(&members[..2], Some(0), &[]), None);
    }

    #[test]
    fn who_resigned_leads_again_only_if_nobody_else_can() {
        let resigned = |uid, revision| Candidate { resigned: true, ..member(uid, revision) };
        let members = [resigned("a", 10), member("b", 20), resigned("c", 5)];
        assert_eq!(leader(&members, Some(0), &[]), Some(1));
        assert_eq!(leader(&members, None, &[]), Some(1));
        assert_eq!(leader(&members[..1], Some(0), &[]), Some(0));
        // All have resigned: the leadership rests.
        let all = [resigned("a", 10), resigned("c", 5)];
        assert_eq!(leader(&all, Some(0), &[]), Some(0));
        assert_eq!(leader(&all, Some(1), &[]), Some(1));
        assert_eq!(leader(&all, None, &[]), Some(1));
    }
}
