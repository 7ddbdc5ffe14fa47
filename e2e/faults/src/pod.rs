//! The pods of a history: each a sidecar process, an app and a control file, under one UID.

use std::fs;
use std::path::{Path, PathBuf};

use crate::app::App;
use crate::boottime::{self, Nanos};
use crate::bug::Bug;
use crate::control::Control;
use crate::failure::Failure;
use crate::journal::Journal;
use crate::pools::{GROUPS, Layout, NAMESPACE, NODES, PEAKS};
use crate::process::Process;
use crate::variable;

/// Exit code of a sidecar that a younger one of its pod has fenced.
const FENCED: i32 = 3;
/// A sidecar that was asked to stop is gone within a second; this is for a busy machine.
const LEAVING: Nanos = 5_000_000_000;

/// What all pods have in common.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The sidecar under test.
    pub binary: PathBuf,
    /// etcd's members.
    pub urls: Vec<String>,
    /// The pools.
    pub layout: Layout,
    /// Where the apps write.
    pub journal: Journal,
    /// The planted bug.
    pub bug: Option<Bug>,
    /// Every pod's directory is below it.
    pub dir: PathBuf,
}

/// All pods; a place whose pod is gone gets another one.
#[derive(Debug)]
pub struct Pods {
    setup: Setup,
    places: Vec<Pod>,
    created: usize,
    leaving: Vec<(String, Process, Nanos)>,
}

#[derive(Debug)]
struct Pod {
    uid: String,
    pools: Vec<String>,
    group: &'static str,
    dir: PathBuf,
    control_file: PathBuf,
    control: Control,
    process: Option<Process>,
    app: Option<App>,
    /// The first of two sidecars.
    elder: Option<Process>,
}

// === impl Pods ===

impl Pods {
    /// Starts so many.
    pub fn start(setup: Setup, count: usize) -> Result<Self, Failure> {
        let mut pods = Self { setup, places: Vec::new(), created: 0, leaving: Vec::new() };
        for place in 0..count {
            let pod = pods.create(place)?;
            pods.places.push(pod);
        }
        Ok(pods)
    }

    /// The UIDs of the pods that live now.
    pub fn uids(&self) -> Vec<String> {
        self.places.iter().filter(|pod| pod.app.is_some()).map(|pod| pod.uid.clone()).collect()
    }

    /// How many apps hold every name that their pod asks for.
    pub fn complete(&self) -> usize {
        self.places
            .iter()
            .filter(|pod| pod.app.as_ref().is_some_and(|app| app.holds(&pod.pools)))
            .count()
    }

    /// kill -9 of a sidecar.
    pub fn kill_sidecar(&mut self, place: usize) {
        if let Some(process) = self.pod(place).and_then(|pod| pod.process.take()) {
            process.kill();
        }
    }

    /// Starts a sidecar again that was killed.
    pub fn restart_sidecar(&mut self, place: usize) -> Result<(), Failure> {
        let setup = self.setup.clone();
        if let Some(pod) = self.pod(place).filter(|pod| pod.process.is_none()) {
            pod.process = Some(sidecar(&setup, pod)?);
        }
        Ok(())
    }

    /// SIGSTOP of a sidecar.
    pub fn freeze(&mut self, place: usize) {
        if let Some(process) = self.pod(place).and_then(|pod| pod.process.as_ref()) {
            process.freeze();
        }
    }

    /// SIGCONT of a sidecar.
    pub fn thaw(&mut self, place: usize) {
        if let Some(process) = self.pod(place).and_then(|pod| pod.process.as_ref()) {
            process.thaw();
        }
    }

    /// Ends the app, and then asks the sidecar to stop, as the kubelet does.
    pub fn delete(&mut self, place: usize) {
        let Some(pod) = self.pod(place) else { return };
        pod.app = None;
        if let Some(process) = pod.process.take() {
            process.terminate();
            let uid = pod.uid.clone();
            self.leaving.push((uid, process, boottime::now() + LEAVING));
        }
    }

    /// App and sidecar are gone.
    pub fn lose(&mut self, place: usize) {
        let Some(pod) = self.pod(place) else { return };
        let process = pod.process.take();
        // The sidecar first: nothing of it may outlive the app's last use.
        if let Some(process) = process {
            process.kill();
        }
        pod.app = None;
    }

    /// Another pod takes the place of one that is gone.
    pub fn replace(&mut self, place: usize) -> Result<(), Failure> {
        let pod = self.create(place)?;
        if let Some(old) = self.places.get_mut(place) {
            *old = pod;
        }
        Ok(())
    }

    /// Changes a pod's clocks or its way to etcd.
    pub fn control(
        &mut self,
        place: usize,
        change: impl FnOnce(&mut Control),
    ) -> Result<(), Failure> {
        let Some(pod) = self.pod(place) else { return Ok(()) };
        change(&mut pod.control);
        write(&pod.control, &pod.control_file)
    }

    /// Freezes a pod's sidecar and starts a second one, in a directory of its own.
    pub fn twin(&mut self, place: usize) -> Result<(), Failure> {
        let setup = self.setup.clone();
        let Some(pod) = self.pod(place) else { return Ok(()) };
        let Some(elder) = pod.process.take() else { return Ok(()) };
        elder.freeze();
        pod.elder = Some(elder);
        pod.app = None;
        pod.dir = pod.dir.with_extension("twin");
        make(&pod.dir)?;
        pod.process = Some(sidecar(&setup, pod)?);
        pod.app = Some(app(&setup, pod));
        Ok(())
    }

    /// Freezes the second sidecar, and lets the first go on to find that it was asked to stop.
    pub fn part(&mut self, place: usize) {
        let Some(pod) = self.pod(place) else { return };
        if let Some(elder) = pod.elder.take() {
            if let Some(younger) = &pod.process {
                younger.freeze();
            }
            elder.terminate();
            elder.thaw();
            let uid = pod.uid.clone();
            self.leaving.push((uid, elder, boottime::now() + LEAVING));
        }
    }

    /// Looks after processes that end. Answers with those that nobody had asked to, and starts them
    /// again.
    pub fn tend(&mut self) -> Result<Vec<String>, Failure> {
        let now = boottime::now();
        self.leaving.retain_mut(|(_, process, until)| process.ended().is_none() && now < *until);
        let mut odd = Vec::new();
        for place in 0..self.places.len() {
            let Some(pod) = self.pod(place) else { continue };
            let Some(code) = pod.process.as_mut().and_then(Process::ended) else { continue };
            let how = if code == FENCED { "was fenced" } else { "ended by itself" };
            odd.push(format!("the sidecar of {} {how}, exit code {code}", pod.uid));
            pod.process = None;
            self.restart_sidecar(place)?;
        }
        Ok(odd)
    }

    /// Undoes every fault, and fills every place.
    pub fn heal(&mut self) -> Result<(), Failure> {
        for place in 0..self.places.len() {
            self.part(place);
            self.thaw(place);
            self.control(place, |control| *control = Control::default())?;
            let Some(pod) = self.pod(place) else { continue };
            if pod.app.is_none() {
                self.replace(place)?;
            } else {
                self.restart_sidecar(place)?;
            }
        }
        Ok(())
    }

    /// Ends every app and asks every sidecar to stop.
    pub fn delete_all(&mut self) {
        for place in 0..self.places.len() {
            self.delete(place);
        }
    }

    /// How many processes that were asked to stop still run.
    pub fn leaving(&self) -> usize {
        self.leaving.len()
    }

    fn pod(&mut self, place: usize) -> Option<&mut Pod> {
        self.places.get_mut(place)
    }

    fn create(&mut self, place: usize) -> Result<Pod, Failure> {
        self.created += 1;
        let uid = format!("pod{place}-{}", self.created);
        let both = [NODES.to_owned(), PEAKS.to_owned()];
        let pools = match place % 3 {
            0 => both.to_vec(),
            1 => vec![NODES.to_owned()],
            _ => vec![PEAKS.to_owned()],
        };
        let dir = self.setup.dir.join(&uid);
        make(&dir)?;
        let mut pod = Pod {
            group: GROUPS.get(place / 3 % GROUPS.len()).copied().unwrap_or_default(),
            control_file: dir.with_extension("control"),
            dir,
            uid,
            pools,
            control: Control::default(),
            process: None,
            app: None,
            elder: None,
        };
        if self.setup.bug == Some(Bug::SlowClock) {
            pod.control.slow_from = boottime::now();
            pod.control.rate = 300;
        }
        write(&pod.control, &pod.control_file)?;
        pod.process = Some(sidecar(&self.setup, &pod)?);
        pod.app = Some(app(&self.setup, &pod));
        Ok(pod)
    }
}

fn app(setup: &Setup, pod: &Pod) -> App {
    App::start(&pod.uid, &pod.dir, &pod.control_file, &setup.layout, &setup.journal)
}

fn sidecar(setup: &Setup, pod: &Pod) -> Result<Process, Failure> {
    let (etcd, pools) = (setup.urls.join(","), pod.pools.join(","));
    let patience = setup.layout.validity() / 4;
    Process::start(
        &[
            &setup.binary.to_string_lossy(),
            "--in-pod",
            "--api",
            "off",
            "--admin",
            "off",
            "--etcd",
            &etcd,
            "--pool",
            &pools,
            "--dir",
            &pod.dir.to_string_lossy(),
            "--namespace",
            NAMESPACE,
            "--group",
            pod.group,
            "--instance",
            &pod.uid,
            "--pod",
            &pod.uid,
        ],
        &[
            (variable::CONTROL, pod.control_file.to_string_lossy().into_owned()),
            (variable::BUG, setup.bug.map(|bug| bug.to_string()).unwrap_or_default()),
            (variable::LEASE_MS, setup.layout.lease().as_millis().to_string()),
            (variable::PATIENCE_MS, patience.as_millis().to_string()),
        ],
        &pod.control_file.with_extension("log"),
    )
}

fn make(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir)
        .map_err(|source| Failure::system(format!("making {}", dir.display()), source))
}

fn write(control: &Control, file: &Path) -> Result<(), Failure> {
    control
        .write(file)
        .map_err(|source| Failure::system(format!("writing {}", file.display()), source))
}
