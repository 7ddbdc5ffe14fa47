//! A machine on a clock of its own, and short ways to tell it what happened.

#![expect(clippy::unused_self, reason = "`test.view(…)` reads better than `MachineTest::view(…)`")]
#![expect(clippy::unnecessary_wraps, reason = "a slot is seen or not, as a renewal says it")]

use super::*;
use crate::claim::SlotRecord;
use crate::pool::Scope;

/// So many milliseconds on the test's clock, as wall time.
pub(super) fn at(millis: i64) -> UnixMillis {
    UnixMillis(1_795_230_000_000 + millis)
}

pub(super) struct MachineTest {
    pub(super) machine: Machine,
    millis: u64,
    /// How far the wall clock is off, in milliseconds.
    pub(super) skew: i64,
    /// When an [`arbitrary`] event last set the wall clock.
    pub(super) jumped_at: Option<BootInstant>,
    pub(super) last_good_send: Option<BootInstant>,
}

impl MachineTest {
    pub(super) fn new(pools: &[&str]) -> Self {
        Self::with(pools, Vec::new(), Vec::new())
    }

    pub(super) fn inheriting(pool: &str) -> Self {
        Self::with(&[pool], vec![Self::inherited(pool)], Vec::new())
    }

    /// The third name of a pool, which the app was told to give up.
    pub(super) fn inherited(pool: &str) -> Inherited {
        let name: PoolName = pool.parse().unwrap();
        let builtin = Pool::builtin(&name).unwrap();
        let key = builtin.names.key(2).unwrap().into_owned();
        Inherited {
            pool: name,
            on_loss: builtin.spec.on_loss,
            scope: builtin.spec.scope,
            name: key.clone(),
            index: Some(2),
            prefix: format!("as.before.{key}"),
            key,
            fence: Fence { epoch: 5, revision: 6 },
            since: UnixMillis(1),
            incarnation: 1,
            validity_ms: 30_000,
            quarantine_ms: 15_000,
            deadline: None,
            not_before: None,
            not_after: None,
        }
    }

    /// The same, believed for so many more seconds from the test's beginning.
    pub(super) fn believing(pool: &str, seconds: u64) -> Self {
        let now = Self::new(&[pool]).now();
        let left = Duration::from_secs(seconds);
        let deadline = Deadline { boot: now.boot.after(left), wall: now.wall.after(left) };
        let inherited = Inherited { deadline: Some(deadline), ..Self::inherited(pool) };
        Self::with(&[pool], vec![inherited], Vec::new())
    }

    /// The machine of a pod's sidecar.
    pub(super) fn in_pod(mut self) -> Self {
        self.machine.config.in_pod = true;
        self
    }

    /// What a look finds in the third name's quarantine.
    pub(super) fn rest(&self, pool: &str, uid: &str) -> Quarantine {
        let before = Self::inherited(pool);
        let holder = Holder { uid: uid.into(), ..Holder::default() };
        let record = QuarantineRecord {
            holder,
            fence: before.fence,
            since: before.since,
            waits_for: WaitsFor::Time,
        };
        Quarantine { key: before.key, revision: 25, record }
    }

    pub(super) fn with(
        pools: &[&str],
        inherited: Vec<Inherited>,
        mint_checkpoints: Vec<(PoolName, MintCheckpoint)>,
    ) -> Self {
        let config = Config {
            holder: Holder {
                namespace: "shop".into(),
                pod: "checkout-1".into(),
                uid: "u1".into(),
                node: "n".into(),
                incarnation: 0,
            },
            group: Some("checkout".parse().unwrap()),
            pools: pools.iter().map(|pool| pool.parse().unwrap()).collect(),
            prefix: None,
            nonce: "nonce".into(),
            inherited,
            mint_checkpoints,
            define_missing: true,
            in_pod: false,
            new_store: true,
        };
        Self {
            machine: Machine::new(config),
            millis: 100_000,
            skew: 0,
            jumped_at: None,
            last_good_send: None,
        }
    }

    /// A machine whose first attempt, at the first mountain, had no answer, and that asks again.
    pub(super) fn unanswered() -> Self {
        let mut test = Self::new(&[MOUNTAINS]);
        test.step(Event::Start);
        test.begun(test.view(&[]));
        let failure = Failure { lease_gone: false, message: "timeout".into() };
        test.step(Event::ClaimingFailed(failure));
        test.pass(2);
        test.step(Event::Tick);
        test
    }

    /// A machine that holds the first name of a pool since now, at revision 7 on lease 1.
    pub(super) fn held(pool: &str) -> Self {
        let mut test = Self::new(&[pool]);
        test.step(Event::Start);
        test.begun(test.view(&[]));
        test.step(Event::Claimed(Self::won(7)));
        test.step(Event::Reserved(ReserveAnswer::Reserved(8)));
        assert_eq!(test.state(pool), ClaimState::Held);
        test
    }

    pub(super) fn now(&self) -> Now {
        Now {
            boot: BootInstant::from_nanos(self.millis * 1_000_000),
            wall: at(i64::try_from(self.millis).unwrap() + self.skew),
        }
    }

    pub(super) fn pass_millis(&mut self, millis: u64) {
        self.millis += millis;
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.millis += seconds * 1000;
    }

    /// When the machine wants to be woken, in whole milliseconds from now.
    pub(super) fn wakes_in(&self) -> u128 {
        let now = self.now();
        let nanos = self.machine.wake_at(now).map(|at| at.since(now.boot).as_nanos());
        nanos.map_or(u128::MAX, |nanos| nanos.div_ceil(1_000_000))
    }

    pub(super) fn step(&mut self, event: Event) -> Vec<Action> {
        if let Event::Renewed(renewal) = &event
            && !renewal.ttl.is_zero()
        {
            self.last_good_send = self.last_good_send.max(Some(renewal.sent));
        }
        self.machine.step(self.now(), event)
    }

    pub(super) fn begun(&mut self, view: PoolView) -> Vec<Action> {
        let sent = self.now().boot;
        self.last_good_send = self.last_good_send.max(Some(sent));
        let granted = Granted { sent, lease: 1, ttl: Duration::from_secs(61) };
        self.step(Event::Begun(granted, Box::new(view)))
    }

    /// A store with both built-in pools, in which these names are held.
    pub(super) fn view(&self, held: &[&str]) -> PoolView {
        let spec = |name: &str| {
            let name: PoolName = name.parse().unwrap();
            let json = Pool::builtin(&name).unwrap().to_json().into_bytes();
            (name, json, 3)
        };
        PoolView {
            specs: vec![spec(MOUNTAINS), spec(SNOWFLAKE)],
            revision: 30,
            epoch: Some(5),
            held: held.iter().map(|name| (*name).to_owned()).collect::<HashSet<_>>(),
            ..PoolView::default()
        }
    }

    /// The same, with our ticket on our lease and so many tickets ahead of it.
    pub(super) fn in_line(&self, held: &[&str], ticket: i64, rank: usize) -> PoolView {
        PoolView {
            queued: rank + 1,
            ticket: Some(Ticket { revision: ticket, lease: 1 }),
            ahead: Some(TicketsAhead { rank, watched_ticket: None }),
            ..self.view(held)
        }
    }

    pub(super) fn won(revision: i64) -> Won {
        Won { fence: Fence { epoch: 5, revision }, own_mod_revision: revision, clock: None }
    }

    pub(super) fn seen(create_revision: i64, mod_revision: i64) -> Option<SeenSlot> {
        Some(SeenSlot { create_revision, mod_revision, uid: "u1".into(), nonce: "nonce".into() })
    }

    pub(super) fn slot(&self, pool: &str, name: &str) -> String {
        let pool: PoolName = pool.parse().unwrap();
        let scope = Pool::builtin(&pool).map_or(Scope::Namespace, |pool| pool.spec.scope);
        keys::ClaimPath::new(pool, scope, "shop", Some("checkout".parse().unwrap())).slot(name)
    }

    /// A good renewal, sent now, of the first names of both pools.
    pub(super) fn renewal(&self, created: i64, modified: i64) -> Renewal {
        let slots = [(MOUNTAINS, "Denali"), (SNOWFLAKE, "0")];
        let slots =
            slots.map(|(pool, name)| (self.slot(pool, name), Self::seen(created, modified)));
        Renewal {
            lease: 1,
            sent: self.now().boot,
            ttl: Duration::from_secs(61),
            read: Some(SlotsRead {
                revision: 40,
                epoch: Some(5),
                slots: slots.to_vec(),
                frozen_pools: Vec::new(),
            }),
        }
    }

    /// The wall clock is set, by so many seconds.
    pub(super) fn set_clock(&mut self, seconds: i64) {
        self.skew += seconds * 1000;
    }

    pub(super) fn owner(&self, pool: &str, name: &str, nonce: &str) -> FoundOwner {
        FoundOwner {
            pool: pool.parse().unwrap(),
            record: OwnerRecord { slot: self.slot(pool, name), nonce: nonce.into() },
            create_revision: 7,
            mod_revision: 7,
            lease: 99,
        }
    }

    pub(super) fn resumed(&self, slots: &[(PoolName, String)], lease: LeaseId) -> Resumed {
        let found = slots.iter().map(|(pool, slot)| FoundSlot {
            pool: pool.clone(),
            slot: slot.clone(),
            record: SlotRecord {
                holder: Holder { uid: "u1".into(), incarnation: 1, ..Holder::default() },
                nonce: "older".into(),
                since: UnixMillis(1),
                validity_ms: 30_000,
                quarantine_ms: 15_000,
            },
            create_revision: 7,
            mod_revision: 7,
        });
        let granted = Granted { sent: self.now().boot, lease, ttl: Duration::from_secs(61) };
        Resumed { granted, found: found.collect(), epoch: 5, waiting: slots.is_empty() }
    }

    pub(super) fn all(&self) -> Vec<ClaimStatus> {
        self.machine.statuses(self.now())
    }

    pub(super) fn shown(&self, pool: &str) -> ClaimStatus {
        let found = self.all().into_iter().find(|shown| shown.identity.pool.as_str() == pool);
        found.expect("no such pool")
    }

    pub(super) fn state(&self, pool: &str) -> ClaimState {
        self.shown(pool).identity.state
    }
}

/// Short ways into a pair.
pub(super) trait Pair {
    fn proof(&mut self) -> &mut SlotsRead;

    fn slots(&mut self) -> &mut Vec<(String, Option<SeenSlot>)> {
        &mut self.proof().slots
    }
}

impl Pair for Renewal {
    fn proof(&mut self) -> &mut SlotsRead {
        self.read.as_mut().unwrap()
    }
}
