//! The bounds that are checked: one scenario per kind of trouble, small for every run, larger by flag.

use crate::config::{Config, Faults};
use crate::spec::Spec;

/// A named pair of bounds.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is let go wrong.
    pub about: &'static str,
    /// Bounds that take seconds.
    pub small: Config,
    /// Bounds that take minutes.
    pub large: Config,
}

/// The shortest times that keep the protocol's proportions: S = V + Q, and two renewals fit into V.
pub const SPEC: Spec = Spec { names: 1, width: 0, validity: 2, quarantine: 1, ttl: 3 };

/// The same for clocks that differ by a tick on either side: S = V + Q + 2 · drift.
pub const DRIFTING: Spec = Spec { ttl: 5, ..SPEC };

pub(crate) const NONE: Faults = Faults {
    crashes: 0,
    restarts: 0,
    stalls: 0,
    twins: 0,
    timeouts: 0,
    duplicates: 0,
    releases: 0,
    forces: 0,
    edits: 0,
    reputs: 0,
    holds: 0,
    wipes: 0,
    restores: 0,
    deaf: 0,
    slow: 0,
    fast: 0,
    sleeps: 0,
};

/// All of them.
pub fn all() -> Vec<Scenario> {
    vec![
        queue(),
        names(),
        messages(),
        restart(),
        twin(),
        stall(),
        force(),
        hold(),
        edit(),
        wipe(),
        regress(),
        restore(),
        drift(),
        keep(),
        pools(),
        far(),
        clock(),
        split(),
    ]
}

/// So many pods want a name of a pool with so many.
pub fn pods(pods: usize, names: u8) -> Config {
    Config::new(pods, Spec { names, ..SPEC })
}

fn queue() -> Scenario {
    Scenario {
        name: "queue",
        about: "three pods, one name, a release",
        small: pods(3, 1).with(Faults { releases: 1, ..NONE }),
        large: pods(3, 1).with(Faults { releases: 2, crashes: 1, ..NONE }),
    }
}

fn names() -> Scenario {
    Scenario {
        name: "names",
        about: "three pods, two names, a pod that dies and does not come back",
        small: pods(3, 2).with(Faults { crashes: 1, ..NONE }),
        large: pods(3, 2).with(Faults { crashes: 1, releases: 1, timeouts: 1, ..NONE }),
    }
}

fn messages() -> Scenario {
    Scenario {
        name: "messages",
        about: "lost, late and duplicated messages, ambiguous commits, a release",
        small: pods(2, 1).with(Faults { timeouts: 1, duplicates: 1, releases: 1, ..NONE }),
        large: pods(2, 1).with(Faults {
            timeouts: 2,
            duplicates: 1,
            releases: 2,
            stalls: 1,
            ..NONE
        }),
    }
}

fn restart() -> Scenario {
    Scenario {
        name: "restart",
        about: "a process dies and another one adopts, a message goes astray",
        small: pods(2, 1).with(Faults { crashes: 1, restarts: 1, timeouts: 1, ..NONE }),
        large: pods(2, 1).with(Faults {
            crashes: 1,
            restarts: 1,
            timeouts: 1,
            releases: 2,
            ..NONE
        }),
    }
}

fn twin() -> Scenario {
    Scenario {
        name: "twin",
        about: "two processes of one pod, a release",
        small: pods(2, 1).with(Faults { twins: 1, releases: 1, ..NONE }),
        large: pods(2, 1).with(Faults { twins: 1, releases: 2, timeouts: 1, ..NONE }),
    }
}

fn stall() -> Scenario {
    Scenario {
        name: "stall",
        about: "a process is paused until its lease runs out, a message goes astray",
        small: pods(2, 1).with(Faults { stalls: 1, timeouts: 1, ..NONE }),
        large: pods(3, 1).with(Faults { stalls: 1, ..NONE }),
    }
}

fn force() -> Scenario {
    Scenario {
        name: "force",
        about: "a force release, which may land late",
        small: pods(2, 1).with(Faults { forces: 1, ..NONE }),
        large: pods(2, 1).with(Faults { forces: 1, crashes: 1, restarts: 1, ..NONE }),
    }
}

fn hold() -> Scenario {
    Scenario {
        name: "hold",
        about: "a hold, a release",
        small: pods(2, 1).with(Faults { holds: 1, releases: 1, ..NONE }),
        large: pods(3, 1).with(Faults { holds: 1, releases: 1, ..NONE }),
    }
}

fn edit() -> Scenario {
    let mut config = pods(2, 1);
    config.pools = vec![vec![
        SPEC,
        Spec { names: 2, width: 1, ..SPEC },
        Spec { names: 2, width: 1, validity: 1, quarantine: 0, ttl: 1 },
    ]];
    let mut more = pods(3, 1);
    more.pools = vec![vec![SPEC, Spec { names: 2, ..SPEC }]];
    Scenario {
        name: "edit",
        about: "spec edits: another name, another width, shorter times",
        small: config.with(Faults { edits: 2, ..NONE }),
        large: more.with(Faults { edits: 1, releases: 1, ..NONE }),
    }
}

fn wipe() -> Scenario {
    Scenario {
        name: "wipe",
        about: "the store comes back empty, its revisions go on",
        small: pods(2, 1).with(Faults { wipes: 1, ..NONE }),
        large: pods(2, 1).with(Faults { wipes: 1, stalls: 2, releases: 1, ..NONE }),
    }
}

fn regress() -> Scenario {
    let base = Config { revisions_regress: true, ..pods(2, 1) };
    Scenario {
        name: "regress",
        about: "the store comes back empty, and its revisions meet old ones",
        small: base.clone().with(Faults { wipes: 1, stalls: 1, ..NONE }),
        large: base.with(Faults { wipes: 1, stalls: 1, releases: 1, ..NONE }),
    }
}

fn restore() -> Scenario {
    Scenario {
        name: "restore",
        about: "the store comes back as it was",
        small: pods(2, 1).with(Faults { restores: 1, ..NONE }),
        large: pods(2, 1).with(Faults { restores: 1, stalls: 1, ..NONE }),
    }
}

fn drift() -> Scenario {
    let base = Config::new(2, DRIFTING);
    Scenario {
        name: "drift",
        about: "a pod's clock is slow, the store's is fast, a process is paused",
        small: base.clone().with(Faults { slow: 1, fast: 1, stalls: 1, ..NONE }),
        large: base.with(Faults { slow: 1, fast: 1, stalls: 1, crashes: 1, restarts: 1, ..NONE }),
    }
}

fn keep() -> Scenario {
    let with = |pods: Config| Config { keep: true, ..pods };
    Scenario {
        name: "keep",
        about: "lost names are claimed again, ahead of the queue",
        small: with(pods(2, 1)).with(Faults { stalls: 1, timeouts: 1, ..NONE }),
        large: with(pods(3, 2)).with(Faults { stalls: 1, ..NONE }),
    }
}

fn pools() -> Scenario {
    let base = Config {
        pods: vec![vec![0, 1], vec![1, 0]],
        pools: vec![vec![SPEC], vec![SPEC]],
        ..pods(2, 1)
    };
    Scenario {
        name: "pools",
        about: "two pods, two pools of one name each, annotations in opposite order",
        small: base.clone().with(Faults { forces: 1, ..NONE }),
        large: base.with(Faults { crashes: 1, restarts: 1, ..NONE }),
    }
}

fn far() -> Scenario {
    let with = |pods: Config| Config { near: 1, ..pods };
    Scenario {
        name: "far",
        about: "waiters too far behind to watch the queue, a broken watch, a message goes astray",
        small: with(pods(2, 1)).with(Faults { deaf: 1, timeouts: 1, ..NONE }),
        large: with(pods(3, 1)).with(Faults { deaf: 1, crashes: 1, ..NONE }),
    }
}

fn clock() -> Scenario {
    let base = clocks();
    Scenario {
        name: "clock",
        about: "clock reservations of pods whose clocks differ, a release",
        small: base.clone().with(Faults { releases: 1, ..NONE }),
        large: base.with(Faults { crashes: 1, restarts: 1, releases: 1, ..NONE }),
    }
}

/// Two pods whose clocks differ by two ticks.
pub(crate) fn clocks() -> Config {
    Config { clock: true, skew: vec![2, 0], ..pods(2, 1) }
}

fn split() -> Scenario {
    let base = Config { split: true, ..pods(2, 1) };
    Scenario {
        name: "split",
        about: "grants and both halves of renewals take their time, a force release",
        small: Config { ..base.clone() },
        large: base.with(Faults { forces: 1, ..NONE }),
    }
}
