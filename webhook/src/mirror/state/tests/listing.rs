//! Lists that come page by page.

use super::*;

/// A leader whose pods `u1` and `u2` show their claims.
fn two_claims(now: Instant) -> MirrorState {
    let mut state = state(&["u1", "u2"], now);
    state.update(put(claim("u1", "Denali", 7)), now);
    state.update(put(claim("u2", "MtLogan", 8)), now);
    while let Some(write) = state.next(now) {
        state.written(&write.pod, answer(&write, 2), now);
    }
    state
}

#[test]
fn nothing_is_concluded_from_a_list_that_is_not_complete() {
    let now = Instant::now();
    let mut state = two_claims(now);
    assert!(state.census().is_some());
    state.update(Update::Listing, now);
    state.update(Update::Page(claim("u1", "Denali", 7)), now);
    let later = now + LOST_AFTER * 2;
    state.watched(Event::Apply(pod("u3", 1)), later);
    assert_eq!((state.next(later), state.wake(), state.chores_wake()), (None, None, None));
    assert_eq!((state.census(), state.totals()), (None, None));
    state.update(Update::Page(claim("u2", "MtLogan", 8)), later);
    state.update(Update::Listed, later);
    assert_eq!(state.next(later), None, "both claims are there");
    assert_eq!(state.census().unwrap()[&mountains()].held, 2);
}

#[test]
fn a_claim_that_a_list_does_not_have_is_missed_from_its_end_on() {
    let now = Instant::now();
    let mut state = two_claims(now);
    list(&mut state, claim("u1", "Denali", 7), now);
    assert_eq!(state.next(now), None);
    let later = now + LOST_AFTER;
    let write = state.next(later).unwrap();
    assert_eq!(write.pod, id("u2"));
    assert!(matches!(write.news[..], [News::Lost { .. }]));
    assert_eq!(state.next(later), None);
}

#[test]
fn a_list_that_breaks_off_leaves_nothing_in_the_next_one() {
    let now = Instant::now();
    let mut state = two_claims(now);
    state.update(Update::Listing, now);
    state.update(Update::Page(claim("u3", "Elbert", 9)), now);
    state.update(Update::Disconnected, now);
    list(&mut state, [claim("u1", "Denali", 7), claim("u2", "MtLogan", 8)].concat(), now);
    assert_eq!(state.next(now), None);
    assert_eq!(state.census().unwrap()[&mountains()].held, 2);
}

#[test]
fn a_pod_that_a_list_of_pods_does_not_have_is_forgotten_once_it_is_complete() {
    let now = Instant::now();
    let mut state = state(&["u1", "u2"], now);
    let waiting =
        |state: &mut MirrorState| state.census().map(|census| census[&mountains()].waiting);
    assert_eq!(waiting(&mut state), Some(2));
    // A list that broke off, and another one.
    state.watched(Event::Init, now);
    state.watched(Event::InitApply(pod("u1", 9)), now);
    state.watched(Event::Init, now);
    state.watched(Event::InitApply(pod("u2", 9)), now);
    assert_eq!(waiting(&mut state), None, "nothing has changed");
    state.watched(Event::InitDone, now);
    assert_eq!(waiting(&mut state), Some(1));
}
