//! Stands in for the kubelet of the app container of one pod: starts it with the variables that the env file has at
//! that moment, runs its probes, stops it, and starts it again. The journal gets the identity in the variables: later
//! changes of the files do not change a running app's variables.
//!
//! It follows these rules of Kubernetes:
//! - the first start waits for the sidecar's startup probe. So does a later start while no container of the pod runs. A
//!   pod with a companion container restarts its app in any state of its sidecar;
//! - without the env file, or without one of its variables, the container is not started;
//! - in a Stop pool the startup probe runs first, then the liveness probe. When one fails, the container gets SIGTERM,
//!   and SIGKILL after the grace period.
//!
//! The back-off between restarts is one second instead of ten to three hundred, so that there are more restarts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_core::stop_probe::ProbeTiming;
use cairn_sidecar::probe as startup;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::app::App;
use crate::boottime;
use crate::journal::{Identity, Journal, Run};
use crate::pools::Layout;

pub mod environment;
pub mod probe;

use probe::{Count, Probe};

/// Between two checks whether a container can be started.
const LOOK: Duration = Duration::from_millis(200);
/// From reading the env file to the container's first instruction.
const CREATING: Duration = Duration::from_millis(300);
/// Between the end of a container and its next start.
const BACKOFF: Duration = Duration::from_secs(1);
/// How long the startup probe waits for the sidecar, as in a pod.
const STARTUP_WAIT: Duration = Duration::from_millis(900);

/// The spec of one pod.
#[derive(Clone, Debug)]
pub struct PodSpec {
    /// The pod.
    pub uid: String,
    /// Its pools.
    pub pools: Vec<String>,
    /// Its group.
    pub group: &'static str,
    /// The shared volume.
    pub dir: PathBuf,
    /// The control file of the pod.
    pub control: PathBuf,
    /// The sidecar's admin port.
    pub port: u16,
    /// The app's liveness probe; `None` in a pod without Stop pools.
    pub liveness: Option<ProbeTiming>,
    /// Whether another container of the pod always runs.
    pub companion: bool,
    /// Whether the app ignores SIGTERM.
    pub stubborn: bool,
}

/// The kubelet of one pod.
#[derive(Debug)]
pub struct Kubelet {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    pod: PodSpec,
    layout: Layout,
    journal: Journal,
    crash: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts starts and ends of the sidecar.
    sidecar: u64,
    /// The sidecar whose startup probe has passed.
    started: Option<u64>,
    /// The running app and its entry in the journal.
    running: Option<(App, usize)>,
    /// The pod is gone.
    ended: bool,
}

// === impl Kubelet ===

impl Kubelet {
    /// Starts and stops a pod's app from now on.
    pub fn start(pod: PodSpec, layout: &Layout, journal: &Journal) -> Self {
        let shared = Arc::new(Shared {
            pod,
            layout: layout.clone(),
            journal: journal.clone(),
            crash: Notify::new(),
            state: Mutex::default(),
        });
        let task = tokio::spawn(look_after(Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Whether the running app holds a name in every pool of a list.
    pub fn holds(&self, pools: &[String]) -> bool {
        self.shared.lock().running.as_ref().is_some_and(|(app, _)| app.holds(pools))
    }

    /// Records that the sidecar was started or has ended: its startup probe must pass again.
    pub fn sidecar_changed(&self) {
        self.shared.lock().sidecar += 1;
    }

    /// Lets the app end by itself.
    pub fn crash(&self) {
        if self.shared.lock().running.is_some() {
            self.shared.crash.notify_one();
        }
    }
}

/// Ends the app with the pod.
impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
        let mut state = self.shared.lock();
        state.ended = true;
        self.shared.stop(&mut state);
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the container can be started, and returns its variables.
    async fn startable(&self, restart: bool) -> Vec<Identity> {
        loop {
            let free = restart && self.pod.companion;
            if free || self.sidecar_started().await {
                let PodSpec { dir, pools, group, .. } = &self.pod;
                if let Some(environment) = environment::read(dir, pools, group, &self.layout) {
                    sleep(CREATING).await;
                    return environment;
                }
            }
            sleep(LOOK).await;
        }
    }

    async fn sidecar_started(&self) -> bool {
        let (sidecar, started) = {
            let state = self.lock();
            (state.sidecar, state.started)
        };
        if started == Some(sidecar) {
            return true;
        }
        let passed = startup::ask(&self.pod.dir, STARTUP_WAIT).await.is_ok();
        let mut state = self.lock();
        if passed && state.sidecar == sidecar {
            state.started = Some(sidecar);
        }
        state.started == Some(state.sidecar)
    }

    fn start(&self, environment: Vec<Identity>, restart: bool) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        let PodSpec { uid, dir, control, .. } = &self.pod;
        let app = App::start(uid, dir, control, &self.layout, &self.journal);
        let run = self.journal.started(Run {
            uid: uid.clone(),
            environment,
            restart,
            started: boottime::now(),
            ended: None,
            answered: false,
        });
        state.running = Some((app, run));
    }

    fn stop(&self, state: &mut State) {
        if let Some((app, run)) = state.running.take() {
            self.journal.stopped(run, boottime::now());
            drop(app);
        }
    }

    /// Waits until the container has to be stopped, and returns the probe that failed. `None` when the container has
    /// ended by itself.
    async fn watch_over(&self) -> Option<(Probe, ProbeTiming)> {
        tokio::select! {
            () = self.crash.notified() => None,
            failed = self.probe() => Some(failed),
        }
    }

    async fn probe(&self) -> (Probe, ProbeTiming) {
        let Some(liveness) = self.pod.liveness else {
            return std::future::pending().await;
        };
        for (probe, timing) in [(Probe::Startup, ProbeTiming::STARTUP), (Probe::Liveness, liveness)]
        {
            let mut count = Count::new(timing);
            let mut ticks = interval(timing.period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                let healthy = probe::ask(self.pod.port, probe).await;
                if healthy && let Some((_, run)) = &self.lock().running {
                    self.journal.answered(*run);
                }
                if healthy && probe == Probe::Startup {
                    break;
                }
                if count.fails(healthy) {
                    return (probe, timing);
                }
            }
        }
        std::future::pending().await
    }
}

async fn look_after(shared: Arc<Shared>) {
    let mut restart = false;
    loop {
        let environment = shared.startable(restart).await;
        shared.start(environment, restart);
        let failed = shared.watch_over().await;
        if let (Some((_, timing)), true) = (failed, shared.pod.stubborn) {
            sleep(timing.grace).await;
        }
        shared.stop(&mut shared.lock());
        let how = match failed {
            None => "crashed",
            Some((Probe::Startup, _)) => "was stopped by its startup probe",
            Some((Probe::Liveness, _)) => "was stopped by its liveness probe",
        };
        shared.journal.note(format!("app of {} {how}", shared.pod.uid));
        restart = true;
        sleep(BACKOFF).await;
    }
}
