//! The health of one app container: when to run its own probes, and what their results change.
//!
//! The rules are the kubelet's (pkg/kubelet/prober). Until the startup probe has passed, no other probe runs. After
//! a failure threshold is reached, the container counts as failed until it is started again. Pure: time and results
//! come in as values.

use std::time::Duration;

use cairn_core::app_probe::{AppProbe, AppProbes};
use cairn_core::time::BootInstant;

/// The health of one container.
#[derive(Debug)]
pub struct Health {
    probes: AppProbes,
    /// The current run of the container; `None` before this process knows of one.
    run: Option<Run>,
    /// Counts the runs, so that a late result of an earlier run is ignored.
    runs: u64,
}

/// One of the container's own probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `livenessProbe`
    Liveness,
    /// `startupProbe`
    Startup,
}

/// The next probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which probe.
    pub kind: Kind,
    /// When to run it.
    pub at: BootInstant,
    /// The run of the container that it belongs to.
    pub run: u64,
}

/// What a result has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The startup probe has passed.
    Started,
    /// A failure threshold is reached: the container has to be restarted.
    Failed(String),
}

/// The time from one start of the container to the next.
#[derive(Debug)]
struct Run {
    begun: BootInstant,
    /// Whether the startup probe has passed; true where there is none.
    started: bool,
    failures: u32,
    next: BootInstant,
    failed: Option<String>,
}

// === impl Health ===

impl Health {
    /// A container whose start this process has not seen.
    pub fn new(probes: AppProbes) -> Self {
        Self { probes, run: None, runs: 0 }
    }

    /// The container's probes.
    pub fn probes(&self) -> &AppProbes {
        &self.probes
    }

    /// Records a start of the container: a new run begins.
    pub fn container_started(&mut self, now: BootInstant) {
        self.begin(now, self.probes.startup.is_none());
    }

    /// Records that the container runs. An earlier process has seen its start and, if `started`, a pass of its startup
    /// probe.
    pub fn container_runs(&mut self, now: BootInstant, started: bool) {
        if self.run.is_none() {
            self.begin(now, started || self.probes.startup.is_none());
        }
    }

    /// Whether a run of the container is known.
    pub fn is_known(&self) -> bool {
        self.run.is_some()
    }

    /// The next probe; `None` before the first start and after a failure.
    pub fn due(&self) -> Option<Due> {
        let run = self.run.as_ref().filter(|run| run.failed.is_none())?;
        let kind = run.kind();
        self.probe(kind)?;
        Some(Due { kind, at: run.next, run: self.runs })
    }

    /// The probe of a kind.
    pub fn probe(&self, kind: Kind) -> Option<&AppProbe> {
        match kind {
            Kind::Liveness => self.probes.liveness.as_ref(),
            Kind::Startup => self.probes.startup.as_ref(),
        }
    }

    /// Records the result of a probe that was sent at `asked` and ended at `now`.
    pub fn observe(
        &mut self,
        due: &Due,
        asked: BootInstant,
        now: BootInstant,
        answer: Result<(), String>,
    ) -> Option<Change> {
        let current = self.runs == due.run;
        let probe = self.probe(due.kind)?.clone();
        let liveness_delay = self.probes.liveness.as_ref().map(delay).unwrap_or_default();
        let run = self.run.as_mut().filter(|run| current && run.kind() == due.kind)?;
        run.next = asked.after(seconds(probe.period)).max(now);
        match (answer, due.kind) {
            (Ok(()), Kind::Liveness) => {
                run.failures = 0;
                None
            }
            (Ok(()), Kind::Startup) => {
                run.failures = 0;
                run.started = true;
                run.next = run.begun.after(liveness_delay).max(now);
                Some(Change::Started)
            }
            (Err(reason), kind) => {
                run.failures += 1;
                if run.failures < probe.failure_threshold {
                    return None;
                }
                let failed =
                    format!("{} failed {} times in a row: {reason}", kind.as_str(), run.failures);
                run.failed = Some(failed.clone());
                Some(Change::Failed(failed))
            }
        }
    }

    /// Whether the container has not failed its own probes.
    pub fn alive(&self) -> Result<(), String> {
        match self.run.as_ref().and_then(|run| run.failed.as_ref()) {
            Some(failed) => Err(format!("container {}: its own {failed}", self.probes.container)),
            None => Ok(()),
        }
    }

    /// Whether the container's startup probe has passed.
    pub fn ready(&self) -> Result<(), String> {
        if self.run.as_ref().is_some_and(|run| run.started) {
            return self.alive();
        }
        Err(format!("container {}: its own startupProbe has not passed", self.probes.container))
    }

    fn begin(&mut self, now: BootInstant, started: bool) {
        self.runs += 1;
        let first = if started { &self.probes.liveness } else { &self.probes.startup };
        self.run = Some(Run {
            begun: now,
            started,
            failures: 0,
            next: now.after(first.as_ref().map(delay).unwrap_or_default()),
            failed: None,
        });
    }
}

// === impl Run ===

impl Run {
    fn kind(&self) -> Kind {
        if self.started { Kind::Liveness } else { Kind::Startup }
    }
}

// === impl Kind ===

impl Kind {
    /// Its field in a pod spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Liveness => "livenessProbe",
            Self::Startup => "startupProbe",
        }
    }
}

fn delay(probe: &AppProbe) -> Duration {
    seconds(probe.initial_delay)
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

#[cfg(test)]
mod tests;
