//! The pods of a history. Each has a UID, a sidecar process, an app and a control file.

use std::path::PathBuf;

use cairn_test_etcd::pki;

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

/// Exit code of a sidecar that a newer sidecar of its pod has fenced.
const FENCED: i32 = 3;
/// How long a sidecar may take to end after SIGTERM. It takes less than a second, but the machine is busy.
const LEAVING: Nanos = 5_000_000_000;

/// The settings that all pods share.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The sidecar under test.
    pub binary: PathBuf,
    /// etcd's members.
    pub urls: Vec<String>,
    /// The pods' certificate for etcd.
    pub certificate: pki::Files,
    /// The pools.
    pub layout: Layout,
    /// The journal that the apps write.
    pub journal: Journal,
    /// The UIDs of the pods that exist.
    pub existing: Existing,
    /// The planted bug.
    pub bug: Option<Bug>,
    /// Whether a kubelet starts and stops the apps.
    pub kubelet: bool,
    /// The parent of every pod's directory.
    pub dir: PathBuf,
}

/// All pods. A pod that is gone is replaced by another pod with the same index.
#[derive(Debug)]
pub struct Pods {
    setup: Setup,
    by_index: Vec<Pod>,
    created: usize,
    leaving: Vec<Leaving>,
}

/// A process that has to end.
#[derive(Debug)]
struct Leaving {
    uid: String,
    process: Process,
    until: Nanos,
    /// It got no SIGTERM: it must notice that a newer sidecar has taken over.
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
    /// Starts `count` pods.
    pub fn start(setup: Setup, count: usize) -> Result<Self, Failure> {
        let mut pods = Self { setup, by_index: Vec::new(), created: 0, leaving: Vec::new() };
        for index in 0..count {
            pods.created += 1;
            let pod = Pod::new(&pods.setup, index, pods.created)?;
            pods.by_index.push(pod);
        }
        Ok(pods)
    }

    /// The UIDs of the pods that live now.
    pub fn uids(&self) -> Vec<String> {
        self.by_index.iter().filter(|pod| pod.lives()).map(|pod| pod.uid.clone()).collect()
    }

    /// How many pods hold a name in every one of their pools.
    pub fn complete(&self) -> usize {
        self.by_index.iter().filter(|pod| pod.work.holds(&pod.pools)).count()
    }

    /// kill -9 of a sidecar.
    pub fn kill_sidecar(&mut self, index: usize) {
        if let Some(process) = self.pod(index).and_then(Pod::take_sidecar) {
            process.kill();
        }
    }

    /// SIGTERM of a sidecar while its app runs on.
    pub fn term_sidecar(&mut self, index: usize) {
        let Some(pod) = self.pod(index) else { return };
        if let Some(process) = pod.take_sidecar() {
            process.terminate();
            pod.ending = Some(Leaving::asked(pod.uid.clone(), process));
        }
    }

    /// Starts a sidecar again that was killed. After SIGTERM it is started as soon as the old process has ended.
    pub fn restart_sidecar(&mut self, index: usize) -> Result<(), Failure> {
        let setup = self.setup.clone();
        let Some(pod) = self.pod(index).filter(|pod| pod.process.is_none()) else {
            return Ok(());
        };
        pod.wanted = true;
        if pod.ending.is_none() { pod.start_sidecar(&setup) } else { Ok(()) }
    }

    /// Lets the app end by itself. Only a kubelet starts it again.
    pub fn crash(&mut self, index: usize) {
        if let Some(Work::Managed(kubelet)) = self.pod(index).map(|pod| &pod.work) {
            kubelet.crash();
        }
    }

    /// SIGSTOP of a sidecar.
    pub fn freeze(&mut self, index: usize) {
        if let Some(process) = self.pod(index).and_then(|pod| pod.process.as_ref()) {
            process.freeze();
        }
    }

    /// SIGCONT of a sidecar.
    pub fn thaw(&mut self, index: usize) {
        if let Some(process) = self.pod(index).and_then(|pod| pod.process.as_ref()) {
            process.thaw();
        }
    }

    /// Ends the app and then sends SIGTERM to the sidecar, as the kubelet does.
    pub fn delete(&mut self, index: usize) {
        let Some(pod) = self.pod(index) else { return };
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

    /// Kills app and sidecar, as when the node is lost.
    pub fn lose(&mut self, index: usize) {
        let Some(pod) = self.pod(index) else { return };
        // The sidecar is killed first, so that it does nothing after the app's last use.
        let ending = pod.ending.take().map(|ending| ending.process);
        for process in pod.process.take().into_iter().chain(ending) {
            process.kill();
        }
        pod.work = Work::Gone;
        let uid = pod.uid.clone();
        self.setup.existing.remove(&uid);
    }

    /// Creates another pod with the index of a pod that is gone.
    pub fn replace(&mut self, index: usize) -> Result<(), Failure> {
        self.created += 1;
        let pod = Pod::new(&self.setup, index, self.created)?;
        if let Some(old) = self.by_index.get_mut(index) {
            *old = pod;
        }
        Ok(())
    }

    /// Changes the errors of a pod's clocks, or how far its requests get.
    pub fn control(
        &mut self,
        index: usize,
        change: impl FnOnce(&mut Control),
    ) -> Result<(), Failure> {
        let Some(pod) = self.pod(index) else { return Ok(()) };
        change(&mut pod.control);
        pod.write_control()
    }

    /// Freezes a pod's sidecar and starts a second one, in a directory of its own.
    pub fn twin(&mut self, index: usize) -> Result<(), Failure> {
        let setup = self.setup.clone();
        let Some(pod) = self.pod(index) else { return Ok(()) };
        let Some(older) = pod.process.take() else { return Ok(()) };
        older.freeze();
        pod.older = Some(older);
        pod.work = Work::Gone;
        pod.move_on(&setup)
    }

    /// Freezes the second sidecar, and continues the first one with a SIGTERM.
    pub fn part(&mut self, index: usize) {
        let Some(pod) = self.pod(index) else { return };
        if let Some(older) = pod.older.take() {
            if let Some(newer) = &pod.process {
                newer.freeze();
            }
            older.terminate();
            older.thaw();
            let uid = pod.uid.clone();
            self.leaving.push(Leaving::asked(uid, older));
        }
    }

    /// Continues the first sidecar beside the second. It must notice that it is fenced, and end.
    pub fn meet(&mut self, index: usize) {
        let Some(pod) = self.pod(index) else { return };
        if let Some(older) = pod.older.take() {
            older.thaw();
            let uid = pod.uid.clone();
            self.leaving.push(Leaving {
                uid,
                process: older,
                until: boottime::now() + LEAVING,
                fenced: true,
            });
        }
    }

    /// Checks for processes that have ended. Returns a description of those that ended unexpectedly, and restarts their
    /// sidecars.
    pub fn tend(&mut self) -> Result<Vec<String>, Failure> {
        let now = boottime::now();
        let mut odd = Vec::new();
        self.leaving.retain_mut(|leaving| {
            let ended = leaving.process.ended();
            if leaving.fenced && ended.is_some_and(|code| code != FENCED) {
                let uid = &leaving.uid;
                odd.push(format!(
                    "an older sidecar of {uid} was not fenced, but ended with {ended:?}"
                ));
            }
            ended.is_none() && now < leaving.until
        });
        for index in 0..self.by_index.len() {
            let Some(pod) = self.pod(index) else { continue };
            // After the grace period the kubelet kills the process. Dropping it kills it here.
            pod.ending.take_if(|ending| ending.process.ended().is_some() || now >= ending.until);
            if pod.wanted {
                self.restart_sidecar(index)?;
            }
            let Some(pod) = self.pod(index) else { continue };
            let Some(code) = pod.process.as_mut().and_then(Process::ended) else { continue };
            // Of two sidecars of one pod, either may be the one that is fenced.
            if code != FENCED || pod.lives == 0 {
                odd.push(format!("the sidecar of {} ended by itself, exit code {code}", pod.uid));
            }
            pod.take_sidecar();
            self.restart_sidecar(index)?;
        }
        Ok(odd)
    }

    /// Undoes every fault, and replaces every pod that is gone.
    pub fn heal(&mut self) -> Result<(), Failure> {
        for index in 0..self.by_index.len() {
            self.part(index);
            self.thaw(index);
            self.control(index, |control| *control = Control::default())?;
            let Some(pod) = self.pod(index) else { continue };
            if pod.lives() {
                self.restart_sidecar(index)?;
            } else {
                self.replace(index)?;
            }
        }
        Ok(())
    }

    /// Deletes every pod.
    pub fn delete_all(&mut self) {
        for index in 0..self.by_index.len() {
            self.delete(index);
        }
    }

    /// How many processes still have to end.
    pub fn leaving(&self) -> usize {
        self.leaving.len()
    }

    fn pod(&mut self, index: usize) -> Option<&mut Pod> {
        self.by_index.get_mut(index)
    }
}
