//! One pod: its directory, its processes, and how they are started.

use std::fs;
use std::path::{Path, PathBuf};

use cairn_core::pool::OnLoss;
use cairn_core::stop_probe::ProbeTiming;

use super::{Leaving, Setup};
use crate::app::App;
use crate::boottime;
use crate::bug::Bug;
use crate::control::Control;
use crate::failure::Failure;
use crate::kubelet::{Kubelet, PodSpec};
use crate::pools::{GROUPS, NAMESPACE, NODES, PEAKS};
use crate::process::Process;
use crate::variable;

/// The first admin port; pods have consecutive ports, below those that the kernel assigns.
const FIRST_PORT: usize = 10_000;

/// A pod and its processes.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) uid: String,
    pub(super) pools: Vec<String>,
    pub(super) group: &'static str,
    pub(super) dir: PathBuf,
    control_file: PathBuf,
    pub(super) control: Control,
    /// The port of the sidecar's admin server. Only a kubelet uses it.
    port: u16,
    /// The sidecar.
    pub(super) process: Option<Process>,
    /// A sidecar that got SIGTERM while the pod goes on.
    pub(super) ending: Option<Leaving>,
    /// Whether a sidecar has to be started when none runs.
    pub(super) wanted: bool,
    pub(super) work: Work,
    /// The older one of two sidecars.
    pub(super) older: Option<Process>,
    /// How many directories it has had in addition to the first.
    pub(super) lives: u32,
}

/// The app that uses a pod's names.
#[derive(Debug)]
pub(super) enum Work {
    /// The pod is gone.
    Gone,
    /// An app that runs as long as the pod does.
    App(App),
    /// An app that a kubelet starts and stops.
    Managed(Kubelet),
}

// === impl Work ===

impl Work {
    /// Whether it holds a name in every pool of a list.
    pub(super) fn holds(&self, pools: &[String]) -> bool {
        match self {
            Self::Gone => false,
            Self::App(app) => app.holds(pools),
            Self::Managed(kubelet) => kubelet.holds(pools),
        }
    }
}

// === impl Pod ===

impl Pod {
    /// Starts the pod with this number at an index.
    pub(super) fn new(setup: &Setup, index: usize, number: usize) -> Result<Self, Failure> {
        let uid = format!("pod{index}-{number}");
        let both = [NODES.to_owned(), PEAKS.to_owned()];
        let pools = match index % 3 {
            0 => both.to_vec(),
            1 => vec![NODES.to_owned()],
            _ => vec![PEAKS.to_owned()],
        };
        let dir = setup.dir.join(&uid);
        make(&dir)?;
        let mut pod = Self {
            group: GROUPS.get(index / 3 % GROUPS.len()).copied().unwrap_or_default(),
            control_file: dir.with_extension("control"),
            dir,
            uid,
            pools,
            control: Control::default(),
            port: u16::try_from(FIRST_PORT + number).unwrap_or_default(),
            process: None,
            ending: None,
            wanted: false,
            work: Work::Gone,
            older: None,
            lives: 0,
        };
        if setup.bug == Some(Bug::SlowClock) {
            pod.control.slow_from = boottime::now();
            pod.control.rate = 300;
        }
        pod.write_control()?;
        setup.existing.insert(&pod.uid);
        pod.start_app(setup, number);
        pod.start_sidecar(setup)?;
        Ok(pod)
    }

    /// Whether the pod exists.
    pub(super) fn lives(&self) -> bool {
        !matches!(self.work, Work::Gone)
    }

    /// Replaces the control file.
    pub(super) fn write_control(&self) -> Result<(), Failure> {
        let file = &self.control_file;
        self.control
            .write(file)
            .map_err(|source| Failure::system(format!("writing {}", file.display()), source))
    }

    /// Starts a second sidecar in a new directory, because socket and files of the first one must not be shared.
    pub(super) fn move_on(&mut self, setup: &Setup) -> Result<(), Failure> {
        self.lives += 1;
        self.dir = setup.dir.join(format!("{}.{}", self.uid, self.lives));
        make(&self.dir)?;
        self.start_sidecar(setup)?;
        self.work = Work::App(self.app(setup));
        Ok(())
    }

    /// Returns the sidecar, so that the caller can end it.
    pub(super) fn take_sidecar(&mut self) -> Option<Process> {
        let process = self.process.take()?;
        self.sidecar_changed();
        Some(process)
    }

    /// Starts a sidecar in the pod's directory.
    pub(super) fn start_sidecar(&mut self, setup: &Setup) -> Result<(), Failure> {
        let (etcd, pools) = (setup.urls.join(","), self.pools.join(","));
        let patience = setup.layout.validity() / 4;
        let admin =
            if setup.kubelet { format!("127.0.0.1:{}", self.port) } else { "off".to_owned() };
        let process = Process::start(
            &[
                &setup.binary.to_string_lossy(),
                "--in-pod",
                "--api",
                "off",
                "--admin",
                &admin,
                "--etcd",
                &etcd,
                "--etcd-cacert",
                &setup.certificate.authorities.to_string_lossy(),
                "--etcd-cert",
                &setup.certificate.chain.to_string_lossy(),
                "--etcd-key",
                &setup.certificate.key.to_string_lossy(),
                "--pool",
                &pools,
                "--dir",
                &self.dir.to_string_lossy(),
                "--namespace",
                NAMESPACE,
                "--group",
                self.group,
                "--instance",
                &self.uid,
                "--pod",
                &self.uid,
            ],
            &[
                (variable::CONTROL, self.control_file.to_string_lossy().into_owned()),
                (variable::BUG, setup.bug.map(|bug| bug.to_string()).unwrap_or_default()),
                (variable::LEASE_MS, setup.layout.lease().as_millis().to_string()),
                (variable::PATIENCE_MS, patience.as_millis().to_string()),
            ],
            &self.control_file.with_extension("log"),
        )?;
        self.process = Some(process);
        self.wanted = false;
        self.sidecar_changed();
        Ok(())
    }

    fn sidecar_changed(&self) {
        if let Work::Managed(kubelet) = &self.work {
            kubelet.sidecar_changed();
        }
    }

    fn start_app(&mut self, setup: &Setup, number: usize) {
        if !setup.kubelet {
            self.work = Work::App(self.app(setup));
            return;
        }
        let stops = |name: &String| {
            let pool = setup.layout.pool(name)?;
            (pool.spec.on_loss == OnLoss::Stop).then(|| ProbeTiming::liveness(pool.spec.quarantine))
        };
        let pod = PodSpec {
            uid: self.uid.clone(),
            pools: self.pools.clone(),
            group: self.group,
            dir: self.dir.clone(),
            control: self.control_file.clone(),
            port: self.port,
            liveness: self.pools.iter().find_map(stops).filter(|_| setup.bug != Some(Bug::NoStop)),
            companion: number.is_multiple_of(2),
            stubborn: number % 4 < 2,
        };
        self.work = Work::Managed(Kubelet::start(pod, &setup.layout, &setup.journal));
    }

    fn app(&self, setup: &Setup) -> App {
        App::start(&self.uid, &self.dir, &self.control_file, &setup.layout, &setup.journal)
    }
}

fn make(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir)
        .map_err(|source| Failure::system(format!("making {}", dir.display()), source))
}
