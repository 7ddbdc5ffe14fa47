//! Sentences about reserved time. The script's clock starts at 100 s.

use super::script::at;
use super::*;
use crate::clock::{AHEAD, CATCH_UP, PERIOD};
use crate::clock::{ClockRecord, Reservation};

const HOUR: i64 = 3_600_000;

fn reservation(until: i64, revision: i64, found_at: i64) -> Reservation {
    let record = ClockRecord { reserved_until: at(until), fence: Fence { epoch: 5, revision } };
    Reservation { record, revision: found_at }
}

/// A machine whose claim of a node ID has been won, and what it did next.
fn won(clock: Option<Reservation>) -> (Script, Vec<Action>) {
    let mut script = Script::new(&[SNOWFLAKE]);
    script.step(Event::Start);
    script.begun(script.view(&[]));
    let actions = script.step(Event::Claimed(Won { clock, ..Script::won(7) }));
    (script, actions)
}

/// The one reservation among these actions.
fn reserve(actions: &[Action]) -> ReserveRequest {
    let mut found = actions.iter().filter_map(|action| match action {
        Action::Reserve(extension) => Some(ReserveRequest::clone(extension)),
        _ => None,
    });
    let first = found.next().unwrap_or_else(|| panic!("nothing is reserved: {actions:?}"));
    assert!(found.next().is_none(), "{actions:?}");
    first
}

fn reserves(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Reserve(_)))
}

/// Seconds pass, in which renewals go well; what is reserved at the end of them.
fn later(script: &mut Script, seconds: u64) -> Vec<Action> {
    script.pass(seconds);
    script.step(Event::Renewed(script.renewal(7, 7)))
}

fn bounds(script: &Script) -> (i64, i64) {
    let slot = script.shown(SNOWFLAKE).identity.slot.unwrap();
    (slot.not_before.unwrap().0 - at(0).0, slot.not_after.unwrap().0 - at(0).0)
}

#[test]
fn a_node_id_is_held_once_time_is_reserved_under_it() {
    let (mut script, actions) = won(None);
    let extension = reserve(&actions);
    assert_eq!((extension.key.as_str(), extension.own_mod_revision, extension.seen), ("0", 7, 0));
    assert_eq!(extension.record.reserved_until, at(160_000));
    assert_eq!(extension.record.fence, Fence { epoch: 5, revision: 7 });
    let shown = script.shown(SNOWFLAKE);
    assert_eq!((shown.identity.state, shown.minting), (ClaimState::Waiting, None));
    script.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    assert_eq!(script.state(SNOWFLAKE), ClaimState::Held);
    assert_eq!(bounds(&script), (100_000, 160_000));
}

#[test]
fn no_time_is_reserved_under_a_name_that_needs_none() {
    let mut script = Script::new(&[MOUNTAINS]);
    script.step(Event::Start);
    script.begun(script.view(&[]));
    assert_eq!(script.step(Event::Claimed(Script::won(7))), []);
    let shown = script.shown(MOUNTAINS);
    assert_eq!((shown.minting, shown.clock), (None, Some(crate::pool::ClockRule::None)));
}

#[test]
fn a_successor_begins_after_the_last_timestamp_of_its_predecessor() {
    let (mut script, actions) = won(Some(reservation(104_000, 3, 6)));
    assert!(!reserves(&actions));
    let reason = script.shown(SNOWFLAKE).identity.reason.unwrap();
    assert!(reason.contains("cairn admin reset-clock snowflake 0"), "{reason}");
    assert_eq!(script.wakes_in(), 4001);
    script.pass_millis(4000);
    assert!(!reserves(&script.step(Event::Tick)));
    script.pass_millis(1);
    let extension = reserve(&script.step(Event::Tick));
    assert_eq!((extension.seen, extension.record.reserved_until), (6, at(164_001)));
    assert_eq!(script.state(SNOWFLAKE), ClaimState::Waiting);
    script.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    assert_eq!(bounds(&script), (104_001, 164_001));
    assert_eq!(script.state(SNOWFLAKE), ClaimState::Held);
}

#[test]
fn time_is_reserved_again_every_half_minute_by_one_request_at_a_time() {
    let (mut script, _) = won(None);
    assert!(!reserves(&later(&mut script, 60)), "one is under way");
    script.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    assert_eq!(bounds(&script), (100_000, 160_000));
    let mut script = won(None).0;
    script.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    assert!(!reserves(&later(&mut script, 29)));
    let extension = reserve(&later(&mut script, 1));
    assert_eq!((extension.seen, extension.record.reserved_until), (8, at(190_000)));
    assert_eq!(bounds(&script), (100_000, 160_000), "not before it is in the store");
    script.step(Event::Reserved(ReserveAnswer::Reserved(9)));
    assert_eq!(bounds(&script), (100_000, 190_000));
}

#[test]
fn a_reservation_without_an_answer_is_asked_for_again() {
    let (mut script, _) = won(None);
    assert!(!reserves(&script.step(Event::ReservingFailed)));
    script.pass(2);
    let again = reserve(&script.step(Event::Tick));
    assert_eq!(again.seen, 0);
    // It had landed: the store has one under our own fence, which is no predecessor's.
    let found = Some(reservation(160_000, 7, 8));
    let third = reserve(&script.step(Event::Reserved(ReserveAnswer::Refused(found))));
    assert_eq!((third.seen, third.record.reserved_until), (8, at(162_000)));
    script.step(Event::Reserved(ReserveAnswer::Reserved(9)));
    assert_eq!(bounds(&script), (100_000, 162_000));
}

#[test]
fn a_lost_compare_looks_again_and_leaves_the_verdict_to_the_renew_pair() {
    let (mut script, _) = won(None);
    // The reservation was another one.
    let found = Some(reservation(130_000, 3, 6));
    assert!(!reserves(&script.step(Event::Reserved(ReserveAnswer::Refused(found)))));
    script.pass_millis(30_001);
    assert_eq!(reserve(&script.step(Event::Tick)).seen, 6);
    // It was that one, so the slot is not ours any more.
    script.step(Event::Renewed(script.renewal(7, 7)));
    let actions = script.step(Event::Reserved(ReserveAnswer::Refused(found)));
    assert!(matches!(actions.as_slice(), [Action::Renew { .. }]), "{actions:?}");
    let fenced = script.step(Event::Renewed(script.renewal(7, 9)));
    assert!(matches!(fenced.as_slice(), [Action::Finish(EndReason::Fenced(_))]), "{fenced:?}");
}

#[test]
fn what_is_reserved_never_shrinks_and_goes_on_when_the_wall_clock_is_set_back() {
    let (mut script, _) = won(None);
    script.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    script.skew = -HOUR;
    let extension = reserve(&later(&mut script, 30));
    assert_eq!(extension.record.reserved_until, at(190_000));
    script.step(Event::Reserved(ReserveAnswer::Reserved(9)));
    let minting = script.shown(SNOWFLAKE).minting.unwrap();
    assert_eq!(minting.steady.at(script.now().boot), at(130_000));
}

#[test]
fn a_wall_clock_that_jumps_ahead_by_years_spoils_a_minute_per_reservation() {
    let (mut script, _) = won(None);
    script.step(Event::Reserved(ReserveAnswer::Reserved(8)));
    script.skew = 100_000 * HOUR;
    let extension = reserve(&later(&mut script, 30));
    assert_eq!(extension.record.reserved_until, at(250_000));
}

#[test]
fn a_clock_that_is_plainly_wrong_claims_nothing() {
    let mut script = Script::new(&[SNOWFLAKE]);
    script.step(Event::Start);
    let mut view = script.view(&["0"]);
    view.clocks.insert("0".into(), at(160_000));
    // Left behind by one that is gone: says nothing about what time it is.
    view.clocks.insert("1".into(), at(100_000 * HOUR));
    script.skew = 25 * HOUR;
    assert_eq!(script.begun(view.clone()), []);
    let reason = script.shown(SNOWFLAKE).identity.reason.unwrap();
    assert!(reason.contains("set the clock"), "{reason}");
    script.skew = 0;
    script.pass(2);
    script.step(Event::Tick);
    let claim = script.step(Event::Viewed(Box::new(view)));
    assert!(matches!(claim.as_slice(), [Action::Claim(_), ..]), "{claim:?}");

    let mut early = Script::new(&[SNOWFLAKE]);
    early.step(Event::Start);
    early.skew = -at(0).0;
    assert_eq!(early.begun(early.view(&[])), []);
    let reason = early.shown(SNOWFLAKE).identity.reason.unwrap();
    assert!(reason.contains("reads 1970-01-01T00:01:40Z"), "{reason}");
}

#[test]
fn a_free_id_that_needs_no_wait_is_preferred_and_else_the_one_that_needs_the_shortest() {
    let choice = |clocks: &[(&str, i64)]| {
        let mut script = Script::new(&["ids"]);
        let spec = br#"{"names":{"range":{"from":0,"to":3}},"clock":"Reserve"}"#;
        let specs = vec![("ids".parse().unwrap(), spec.to_vec(), 3)];
        let clocks = clocks.iter().map(|(key, until)| ((*key).to_owned(), at(*until))).collect();
        let view = PoolView { specs, clocks, ..script.view(&["0"]) };
        script.step(Event::Start);
        // The first look did not ask for reservations, because nothing was known of the pool.
        let again =
            script.begun(PoolView { clocks: std::collections::HashMap::new(), ..view.clone() });
        let [Action::Read(ReadRequest { clocks: true, .. })] = again.as_slice() else {
            panic!("{again:?}")
        };
        let actions = script.step(Event::Viewed(Box::new(view)));
        let [Action::Claim(order)] = actions.as_slice() else { panic!("{actions:?}") };
        order.key.clone().unwrap()
    };
    assert_eq!(choice(&[]), "1");
    assert_eq!(choice(&[("1", 100_000), ("2", 99_999)]), "2");
    assert_eq!(choice(&[("1", 400_000), ("2", 300_000), ("3", 350_000)]), "2");
    assert_eq!(choice(&[("0", 1), ("1", 99_000), ("2", 300_000)]), "1");
}

/// A machine that has taken up its slot after a restart, and what it did next.
fn restarted(
    mint_checkpoints: &[MintCheckpoint],
    skew: i64,
    clock: Option<Reservation>,
) -> (Script, Vec<Action>) {
    let mint_checkpoints =
        mint_checkpoints.iter().map(|mark| (SNOWFLAKE.parse().unwrap(), *mark)).collect();
    let mut script = Script::with(&[SNOWFLAKE], Vec::new(), mint_checkpoints);
    script.skew = skew;
    script.step(Event::Start);
    let view =
        PoolView { owners: vec![script.owner(SNOWFLAKE, "0", "older")], ..script.view(&["0"]) };
    let resume = script.begun(view);
    let [Action::Resume { slots, .. }] = resume.as_slice() else { panic!("{resume:?}") };
    script.step(Event::Resumed(script.resumed(slots, 99)));
    let mut actions = script.step(Event::Adopted(Adopted { own_mod_revision: 12, clock }));
    let renewal = Renewal { lease: 99, ..script.renewal(7, 12) };
    actions.extend(script.step(Event::Renewed(renewal)));
    (script, actions)
}

fn mark(revision: i64, minted_until: Option<i64>) -> MintCheckpoint {
    MintCheckpoint {
        fence: Fence { epoch: 5, revision },
        not_before: at(50_000),
        minted_until: minted_until.map(at),
    }
}

#[test]
fn a_restart_goes_on_at_once_after_what_was_minted() {
    let own = Some(reservation(150_000, 7, 9));
    let (mut script, actions) = restarted(&[mark(7, Some(100_700))], 0, own);
    let extension = reserve(&actions);
    assert_eq!((extension.own_mod_revision, extension.seen), (12, 9));
    assert_eq!(extension.record.reserved_until, at(160_701));
    script.step(Event::Reserved(ReserveAnswer::Reserved(13)));
    assert_eq!(bounds(&script), (50_000, 160_701));
    let minting = script.shown(SNOWFLAKE).minting.unwrap();
    assert_eq!(minting.from, at(100_701));
    assert_eq!(minting.steady.at(script.now().boot), at(100_701));
}

#[test]
fn a_restart_goes_on_at_once_also_when_the_clock_was_set_back_or_far_ahead_meanwhile() {
    let own = Some(reservation(150_000, 7, 9));
    let (_, actions) = restarted(&[mark(7, Some(100_700))], -HOUR, own);
    assert_eq!(reserve(&actions).record.reserved_until, at(160_701));
    // The lease bounds how long it was away.
    let (_, actions) = restarted(&[mark(7, None)], 100_000 * HOUR, own);
    assert_eq!(reserve(&actions).record.reserved_until, at(150_000 + 61_000 + 60_000));
}

#[test]
fn a_restart_without_its_mark_waits_for_all_that_was_reserved() {
    let own = Some(reservation(110_000, 7, 9));
    for mint_checkpoints in [vec![], vec![mark(6, Some(90_000))]] {
        let (mut script, actions) = restarted(&mint_checkpoints, 0, own);
        assert!(!reserves(&actions), "{actions:?}");
        script.pass_millis(10_001);
        assert!(reserves(&script.step(Event::Tick)));
        script.step(Event::Reserved(ReserveAnswer::Reserved(13)));
        assert_eq!(bounds(&script).0, 110_001);
    }
}

#[test]
fn a_claim_anew_of_the_same_id_begins_after_the_one_before_also_when_the_store_was_wiped() {
    for (key, begins) in [("0", 160_001), ("1", 131_000)] {
        let (mut script, _) = won(None);
        script.step(Event::Reserved(ReserveAnswer::Reserved(8)));
        script.pass(31);
        let gone = Renewal { ttl: Duration::ZERO, ..script.renewal(7, 7) };
        script.step(Event::Renewed(gone));
        let taken: &[&str] = if key == "0" { &[] } else { &["0"] };
        let claim = script.begun(script.view(taken));
        let [Action::Claim(order)] = claim.as_slice() else { panic!("{claim:?}") };
        assert_eq!(order.key.as_deref(), Some(key));
        // Nobody has reserved anything, says the store.
        script.step(Event::Claimed(Script::won(9)));
        script.pass_millis(begins - 131_000);
        script.step(Event::Renewed(script.renewal(9, 9)));
        script.step(Event::Reserved(ReserveAnswer::Reserved(10)));
        assert_eq!(bounds(&script).0, i64::try_from(begins).unwrap(), "{key}");
    }
}

#[test]
fn a_release_says_how_far_it_went_when_that_is_known() {
    let surrender = |minted: Option<i64>| {
        let (mut script, _) = won(None);
        script.step(Event::Reserved(ReserveAnswer::Reserved(8)));
        let fence = Fence { epoch: 5, revision: 7 };
        if let Some(until) = minted {
            let pool = SNOWFLAKE.parse().unwrap();
            script.machine.note_minted(&pool, Fence { revision: 6, ..fence }, at(159_999));
            script.machine.note_minted(&pool, fence, at(until));
        }
        script.pass(5);
        let actions = script.step(Event::Terminate);
        let [Action::Release(surrender)] = actions.as_slice() else { panic!("{actions:?}") };
        surrender.clock.map(|clock| (clock.reserved_until.0 - at(0).0, clock.fence))
    };
    let fence = Fence { epoch: 5, revision: 7 };
    assert_eq!(surrender(None), None);
    assert_eq!(surrender(Some(103_000)), Some((105_000, fence)));
    assert_eq!(surrender(Some(107_000)), Some((107_000, fence)));
}

proptest! {
    /// Whatever the wall clock does and whichever requests get through: what may be emitted was
    /// reserved before, begins after all that others reserved, never shrinks, and grows from one
    /// reservation to the next by at most what has passed and a minute.
    #[test]
    fn nothing_may_be_emitted_that_is_not_reserved(
        before in proptest::option::of(50_000_i64..140_000),
        script in proptest::collection::vec((0_u8..6, 0_u64..40, -HOUR..HOUR), 1..60)
    ) {
        let (mut run, mut actions) = won(before.map(|until| reservation(until, 3, 6)));
        let mut stored = before.map(|until| reservation(until, 3, 6));
        let mut revision = 20;
        let mut flying: Option<(BootInstant, ReserveRequest)> = None;
        let mut highest = i64::MIN;
        let mut reserved: Option<(BootInstant, UnixMillis)> = None;
        for (kind, seconds, skew) in script {
            if reserves(&actions) {
                prop_assert!(flying.is_none());
                flying = Some((run.now().boot, reserve(&actions)));
            }
            run.pass(seconds);
            run.skew = skew;
            let seen = stored.map_or(0, |stored| stored.revision);
            let event = match (&flying, kind) {
                // It arrives; kind 1 loses the answer.
                (Some((asked, extension)), 0 | 1) if extension.seen == seen => {
                    let until = extension.record.reserved_until;
                    prop_assert!(stored.is_none_or(|stored| until >= stored.record.reserved_until));
                    if let Some((at, old)) = reserved {
                        prop_assert!(until <= old.after(asked.since(at) + CATCH_UP));
                    }
                    if kind == 0 {
                        reserved = Some((*asked, until));
                    }
                    revision += 1;
                    stored = Some(Reservation { record: extension.record, revision });
                    flying = None;
                    if kind == 0 { Event::Reserved(ReserveAnswer::Reserved(revision)) }
                    else { Event::ReservingFailed }
                }
                (Some(_), 0 | 1) => {
                    flying = None;
                    Event::Reserved(ReserveAnswer::Refused(stored))
                }
                (Some(_), 2) => {
                    flying = None;
                    Event::ReservingFailed
                }
                _ => Event::Renewed(run.renewal(7, 7)),
            };
            actions = run.step(event);
            if let Some(minting) = run.shown(SNOWFLAKE).minting {
                let stored = stored.unwrap().record.reserved_until.0;
                prop_assert!(minting.not_after.0 <= stored);
                prop_assert!(minting.not_after.0 >= highest);
                highest = minting.not_after.0;
                prop_assert!(before.is_none_or(|before| minting.not_before > at(before)));
                prop_assert!(minting.from >= minting.not_before);
            }
        }
    }
}

#[test]
fn a_reservation_outlasts_one_that_is_lost() {
    assert!(PERIOD * 2 <= AHEAD);
}
