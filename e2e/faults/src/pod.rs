//! The pods of a history: each a sidecar process, an app and a control file, under one UID.

use std::path::PathBuf;

use crate::boottime::{self, Nanos};
use crate::bug::Bug;
use crate::control::Control;
use crate::failure::Failure;
use crate::journal::Journal;
use crate::mirror::Existing;
use crate::pools::Layout;
use crate::process::Process;

mod place;

use place::{Pod, Work};

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
    /// The pods that exist.
    pub existing: Existing,
    /// The planted bug.
    pub bug: Option<Bug>,
    /// Whether a kubelet starts and stops the apps.
    pub kubelet: bool,
    /// Every pod's directory is below it.
    pub dir: PathBuf,
}

/// All pods; a place whose pod is gone gets another one.
#[derive(Debug)]
pub struct Pods {
    setup: Setup,
    places: Vec<Pod>,
    created: usize,
    leaving: Vec<Leaving>,
}

/// A process that has to end.
#[derive(Debug)]
struct Leaving {
    uid: String,
    process: Process,
    until: Nanos,
    /// It was not asked to: it must find that a younger one has taken over.
    fenced: bool,
}

// === impl Leaving ===

impl Leaving {
    fn asked(uid: String, process: Process) -> Self {
        Self { uid, process, until: boottime::now() + LEAVING, fenced: false }
    }
}

// === impl Pods ===

impl Pods {
    /// Starts so many.
    pub fn start(setup: Setup, count: usize) -> Result<Self, Failure> {
        let mut pods = Self { setup, places: Vec::new(), created: 0, leaving: Vec::new() };
        for place in 0..count {
            pods.created += 1;
            let pod = Pod::new(&pods.setup, place, pods.created)?;
            pods.places.push(pod);
        }
        Ok(pods)
    }

    /// The UIDs of the pods that live now.
    pub fn uids(&self) -> Vec<String> {
        self.places.iter().filter(|pod| pod.lives()).map(|pod| pod.uid.clone()).collect()
    }

    /// How many apps hold every name that their pod asks for.
    pub fn complete(&self) -> usize {
        self.places.iter().filter(|pod| pod.work.holds(&pod.pools)).count()
    }

    /// kill -9 of a sidecar.
    pub fn kill_sidecar(&mut self, place: usize) {
        if let Some(process) = self.pod(place).and_then(Pod::take_sidecar) {
            process.kill();
        }
    }

    /// SIGTERM of a sidecar; its app runs on.
    pub fn term_sidecar(&mut self, place: usize) {
        let Some(pod) = self.pod(place) else { return };
        if let Some(process) = pod.take_sidecar() {
            process.terminate();
            pod.ending = Some(Leaving::asked(pod.uid.clone(), process));
        }
    }

    /// Starts a sidecar again that was killed, or has been asked to stop and is about to end.
    pub fn restart_sidecar(&mut self, place: usize) -> Result<(), Failure> {
        let setup = self.setup.clone();
        let Some(pod) = self.pod(place).filter(|pod| pod.process.is_none()) else {
            return Ok(());
        };
        pod.wanted = true;
        if pod.ending.is_none() { pod.start_sidecar(&setup) } else { Ok(()) }
    }

    /// The app ends by itself; only a kubelet starts it again.
    pub fn crash(&mut self, place: usize) {
        if let Some(Work::Managed(kubelet)) = self.pod(place).map(|pod| &pod.work) {
            kubelet.crash();
        }
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
        pod.work = Work::Gone;
        let uid = pod.uid.clone();
        let mut ending = pod.ending.take();
        if let Some(process) = pod.process.take() {
            process.terminate();
            ending = Some(Leaving::asked(pod.uid.clone(), process));
        }
        self.leaving.extend(ending);
        self.setup.existing.remove(&uid);
    }

    /// App and sidecar are gone.
    pub fn lose(&mut self, place: usize) {
        let Some(pod) = self.pod(place) else { return };
        // The sidecar first: nothing of it may outlive the app's last use.
        let ending = pod.ending.take().map(|ending| ending.process);
        for process in pod.process.take().into_iter().chain(ending) {
            process.kill();
        }
        pod.work = Work::Gone;
        let uid = pod.uid.clone();
        self.setup.existing.remove(&uid);
    }

    /// Another pod takes the place of one that is gone.
    pub fn replace(&mut self, place: usize) -> Result<(), Failure> {
        self.created += 1;
        let pod = Pod::new(&self.setup, place, self.created)?;
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
        pod.write_control()
    }

    /// Freezes a pod's sidecar and starts a second one, in a directory of its own.
    pub fn twin(&mut self, place: usize) -> Result<(), Failure> {
        let setup = self.setup.clone();
        let Some(pod) = self.pod(place) else { return Ok(()) };
        let Some(elder) = pod.process.take() else { return Ok(()) };
        elder.freeze();
        pod.elder = Some(elder);
        pod.work = Work::Gone;
        pod.move_on(&setup)
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
            self.leaving.push(Leaving::asked(uid, elder));
        }
    }

    /// Lets the first sidecar go on beside the second: it must end by itself.
    pub fn meet(&mut self, place: usize) {
        let Some(pod) = self.pod(place) else { return };
        if let Some(elder) = pod.elder.take() {
            elder.thaw();
            let uid = pod.uid.clone();
            self.leaving.push(Leaving {
                uid,
                process: elder,
                until: boottime::now() + LEAVING,
                fenced: true,
            });
        }
    }

    /// Looks after processes that end. Answers with those that nobody had asked to, and starts them
    /// again.
    pub fn tend(&mut self) -> Result<Vec<String>, Failure> {
        let now = boottime::now();
        let mut odd = Vec::new();
        self.leaving.retain_mut(|leaving| {
            let ended = leaving.process.ended();
            if leaving.fenced && ended.is_some_and(|code| code != FENCED) {
                let uid = &leaving.uid;
                odd.push(format!("an older sidecar of {uid} was not fenced, but ended: {ended:?}"));
            }
            ended.is_none() && now < leaving.until
        });
        for place in 0..self.places.len() {
            let Some(pod) = self.pod(place) else { continue };
            // Past its grace period the kubelet kills it, as dropping it does.
            pod.ending.take_if(|ending| ending.process.ended().is_some() || now >= ending.until);
            if pod.wanted {
                self.restart_sidecar(place)?;
            }
            let Some(pod) = self.pod(place) else { continue };
            let Some(code) = pod.process.as_mut().and_then(Process::ended) else { continue };
            // Beside another one it may be the second to adopt, or the first: one of them has to go.
            if code != FENCED || pod.lives == 0 {
                odd.push(format!("the sidecar of {} ended by itself, exit code {code}", pod.uid));
            }
            pod.take_sidecar();
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
            if pod.lives() {
                self.restart_sidecar(place)?;
            } else {
                self.replace(place)?;
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
}
