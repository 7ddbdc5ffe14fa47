//! Named bounds, for scenarios and for rules that are left out.

use crate::config::{Config, Faults};

pub(crate) const NONE: Faults = Faults {
    crashes: 0,
    twins: 0,
    expiries: 0,
    lost: 0,
    copies: 0,
    wipes: 0,
    restores: 0,
    epochs: 0,
    slow: 0,
    fast: 0,
    late_reads: 0,
    late_confirmations: 0,
    drains: 0,
    leaves: 0,
    drops: 0,
    values: 0,
};

/// Two pods and one shard, with the shortest V.
pub(crate) fn short(faults: Faults) -> Config {
    Config::new(2, 1, 1).with(faults)
}

/// The same with a V in which a renewal can be late.
pub(crate) fn plain(faults: Faults) -> Config {
    Config::new(2, 1, 2).with(faults)
}

/// A process dies, a write is doubled.
pub(crate) fn crash() -> Config {
    short(Faults { crashes: 1, copies: 1, ..NONE })
}

/// A process dies, and a record vanishes early.
pub(crate) fn crash_expire() -> Config {
    short(Faults { crashes: 1, expiries: 1, ..NONE })
}

/// A record vanishes early.
pub(crate) fn expire() -> Config {
    plain(Faults { expiries: 1, ..NONE })
}

/// A record vanishes early, a write is doubled.
pub(crate) fn expire_copy() -> Config {
    short(Faults { expiries: 1, copies: 1, ..NONE })
}

/// A pod has two processes, and a record vanishes early.
pub(crate) fn twin() -> Config {
    short(Faults { twins: 1, expiries: 1, ..NONE })
}

/// An answer is lost, and two records vanish early.
pub(crate) fn lost() -> Config {
    plain(Faults { lost: 1, expiries: 2, ..NONE })
}

/// The store is wiped.
pub(crate) fn wipe() -> Config {
    plain(Faults { wipes: 1, ..NONE })
}

/// The store is restored.
pub(crate) fn restore() -> Config {
    short(Faults { restores: 1, ..NONE })
}

/// The epoch moves, a record vanishes early, a write is doubled.
pub(crate) fn epoch() -> Config {
    short(Faults { epochs: 1, expiries: 1, copies: 1, ..NONE })
}

/// A record vanishes early, and clocks differ.
pub(crate) fn drift() -> Config {
    Config { drift: 1, ..plain(Faults { expiries: 1, slow: 1, fast: 1, ..NONE }) }
}

/// A member drains, one leaves, a write is doubled.
pub(crate) fn drain() -> Config {
    plain(Faults { drains: 1, leaves: 1, copies: 1, ..NONE })
}

/// A member drains, a process dies.
pub(crate) fn drain_crash() -> Config {
    short(Faults { drains: 1, crashes: 1, ..NONE })
}

/// The pods have two maps.
pub(crate) fn resize(faults: Faults) -> Config {
    Config { maps: [1, 2, 1], frees: true, ..short(faults) }
}

/// The pods have two maps of two shards.
pub(crate) fn maps(faults: Faults) -> Config {
    Config { shards: 2, ..resize(faults) }
}

/// A confirmation arrives again, late.
pub(crate) fn confirmation() -> Config {
    plain(Faults { late_confirmations: 1, ..NONE })
}

/// A confirmation arrives again, late, and a process dies.
pub(crate) fn confirmation_crash() -> Config {
    short(Faults { late_confirmations: 1, crashes: 1, ..NONE })
}

/// A read is answered late, and a process dies.
pub(crate) fn late_read() -> Config {
    short(Faults { late_reads: 1, crashes: 1, ..NONE })
}

/// A read is answered late, and a record vanishes early.
pub(crate) fn late_read_expire() -> Config {
    short(Faults { late_reads: 1, expiries: 1, ..NONE })
}

/// Renewals take time, and a record vanishes early.
pub(crate) fn split() -> Config {
    Config { split_renewals: true, ..expire() }
}

/// The epoch moves, and its hold is put in two steps.
pub(crate) fn two_steps() -> Config {
    Config { two_step_hold: true, ..plain(Faults { epochs: 1, ..NONE }) }
}

/// Apps promise heartbeats.
pub(crate) fn heartbeat(faults: Faults) -> Config {
    Config { heartbeat: 1, ..plain(faults) }
}

/// Two shards, and a plan that decides who takes and gives what.
pub(crate) fn plan(pods: u8, faults: Faults) -> Config {
    Config { pods, shards: 2, plans: true, ..short(faults) }
}

/// The leader puts values, a write is doubled.
pub(crate) fn values(faults: Faults) -> Config {
    short(Faults { values: 2, copies: 1, ..faults })
}

/// The same bounds, in which it is looked for states that nobody leaves.
pub(crate) fn stuck(config: Config) -> Config {
    Config { recovers: true, ..config }
}
