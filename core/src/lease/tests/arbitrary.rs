//! Any event at all, whether or not the machine has asked for it.

use super::queue::origin;
use super::*;

/// What may happen to a machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyEvent {
    Begun,
    Viewed,
    ViewedInQueue,
    ViewedInFreeze,
    Claimed,
    Conflict,
    Renewed,
    RenewedInFreeze,
    RenewedFromSnapshot,
    RenewedByAnother,
    RenewingFailed,
    Overloaded,
    LeaseGone,
    ClaimingFailed,
    Adopted,
    Queued,
    Past,
    PastUnknown,
    LeftQueue,
    Woken,
    WatchEnded,
    Reserved,
    ReservationRefused,
    ReservingFailed,
    Settled,
    ReleaseRefused,
    ClockSet,
    Silent,
    Back,
    Tick,
}

/// Events with the seconds before each of them.
pub(super) fn histories() -> impl Strategy<Value = Vec<(AnyEvent, u64)>> {
    let rare = proptest::sample::select(vec![
        AnyEvent::Begun,
        AnyEvent::Viewed,
        AnyEvent::ViewedInQueue,
        AnyEvent::ViewedInFreeze,
        AnyEvent::Conflict,
        AnyEvent::RenewedInFreeze,
        AnyEvent::RenewedFromSnapshot,
        AnyEvent::RenewedByAnother,
        AnyEvent::RenewingFailed,
        AnyEvent::Overloaded,
        AnyEvent::LeaseGone,
        AnyEvent::ClaimingFailed,
        AnyEvent::Adopted,
        AnyEvent::Queued,
        AnyEvent::Past,
        AnyEvent::PastUnknown,
        AnyEvent::LeftQueue,
        AnyEvent::Woken,
        AnyEvent::WatchEnded,
        AnyEvent::ReservationRefused,
        AnyEvent::ReservingFailed,
        AnyEvent::Settled,
        AnyEvent::ReleaseRefused,
        AnyEvent::ClockSet,
        AnyEvent::Silent,
        AnyEvent::Back,
    ]);
    let event = prop_oneof![
        2 => Just(AnyEvent::Claimed),
        2 => Just(AnyEvent::Renewed),
        2 => Just(AnyEvent::Reserved),
        3 => Just(AnyEvent::Tick),
        25 => rare,
    ];
    proptest::collection::vec((event, 0_u64..25), 1..60)
}

impl MachineTest {
    pub(super) fn happens(&mut self, event: AnyEvent) -> Vec<Action> {
        let failure = |lease_gone| Failure { lease_gone, message: "failure".into() };
        let event = match event {
            AnyEvent::Begun => return self.begun(self.view(&[])),
            AnyEvent::Viewed => Event::Viewed(Box::new(self.view(&["Denali"]))),
            AnyEvent::ViewedInQueue => Event::Viewed(Box::new(self.in_line(&["Denali"], 20, 1))),
            AnyEvent::ViewedInFreeze => {
                let view = PoolView { frozen: true, epoch: Some(6), revision: 4, ..self.view(&[]) };
                Event::Viewed(Box::new(view))
            }
            AnyEvent::Claimed => Event::Claimed(Self::won(7)),
            AnyEvent::Conflict => Event::Conflict,
            AnyEvent::Renewed => Event::Renewed(self.renewal(7, 7)),
            AnyEvent::RenewedInFreeze => self.changed_pair(|read| {
                read.frozen_pools.push(SNOWFLAKE.parse().unwrap());
            }),
            AnyEvent::RenewedFromSnapshot => self.changed_pair(|read| read.revision = 3),
            AnyEvent::RenewedByAnother => self.changed_pair(|read| {
                read.slots.iter_mut().flat_map(|(_, seen)| seen).for_each(|s| s.uid.clear());
            }),
            AnyEvent::RenewingFailed => Event::RenewingFailed { overloaded: false },
            AnyEvent::Overloaded => Event::RenewingFailed { overloaded: true },
            AnyEvent::Silent => Event::Silent(true),
            AnyEvent::Back => Event::Silent(false),
            AnyEvent::LeaseGone => Event::ClaimingFailed(failure(true)),
            AnyEvent::ClaimingFailed => Event::ClaimingFailed(failure(false)),
            AnyEvent::Adopted => Event::Adopted(Adopted { own_mod_revision: 12, clock: None }),
            AnyEvent::Queued => Event::Queued(Queued { revision: 20, origin: Some(origin(0)) }),
            AnyEvent::Past => Event::Past(Some(PastView::default())),
            AnyEvent::PastUnknown => Event::Past(None),
            AnyEvent::LeftQueue => Event::LeftQueue,
            AnyEvent::Woken => Event::Woken,
            AnyEvent::WatchEnded => Event::WatchEnded,
            AnyEvent::Reserved => Event::Reserved(ReserveAnswer::Reserved(20)),
            AnyEvent::ReservationRefused => Event::Reserved(ReserveAnswer::Refused(None)),
            AnyEvent::ReservingFailed => Event::ReservingFailed,
            AnyEvent::Settled => Event::Settled,
            AnyEvent::ReleaseRefused => Event::Released(false),
            AnyEvent::ClockSet => {
                self.set_clock(100);
                self.jumped_at = Some(self.now().boot);
                Event::Tick
            }
            AnyEvent::Tick => Event::Tick,
        };
        self.step(event)
    }

    /// A pair, sent now, that saw something else.
    fn changed_pair(&self, change: impl Fn(&mut SlotsRead)) -> Event {
        let mut renewal = self.renewal(7, 7);
        change(renewal.proof());
        Event::Renewed(renewal)
    }
}
