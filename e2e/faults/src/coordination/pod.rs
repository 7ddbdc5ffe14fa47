//! A pod of a group: a UID, a clock, an app, and one process after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::map::{KeyHash, ShardMap};
use cairn_core::coordination::member::Role;
use cairn_core::coordination::path::GroupPath;
use cairn_core::coordination::session::{Config, EndReason, Event};
use cairn_core::coordination::terms::Terms;
use cairn_core::coordination::validity::Validity;
use cairn_core::time::UnixMillis;
use cairn_store::etcd::{Etcd, Tls};
use cairn_store::{Coordination, Kv as _, Store};

use super::app::{App, Habit};
use super::bug::Bug;
use super::clock::MemberClock;
use super::journal::Journal;
use super::link::Link;
use super::process::{Ended, Process, Setup};
use super::slot::Slot;
use super::switches::{Switches, Way};
use crate::boottime;
use crate::failure::Failure;

/// Clocks that are too slow, right and too fast, by the most that coordination allows for.
const RATES: [u32; 4] = [990_000, 1_000_000, 1_010_000, 1_000_300];
/// A cluster that was silent for this long may be replaced by another one.
const SILENCE: Duration = Duration::from_secs(1);

/// What all pods of a group share.
#[derive(Clone, Debug)]
pub struct Common {
    /// etcd's members.
    pub urls: Vec<String>,
    /// The pods' certificate.
    pub tls: Tls,
    /// The group.
    pub path: GroupPath,
    /// V.
    pub validity: Validity,
    /// The journal of the group.
    pub journal: Journal,
    /// The planted bug.
    pub bug: Option<Bug>,
}

/// What a pod runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The generation of the workload.
    pub generation: String,
    /// The number of shards.
    pub shards: u32,
    /// Every process of it dies at one of its first so many steps, but the last ones.
    pub deaths: Option<u32>,
}

/// A pod.
#[derive(Debug)]
pub struct Pod {
    /// Its UID.
    pub uid: String,
    /// What it runs.
    pub template: Template,
    /// The place of its app.
    pub slot: Slot,
    clock: MemberClock,
    app: App,
    etcd: Arc<Etcd>,
    process: Option<Process>,
    /// A process that a younger one has taken the place of.
    older: Option<Process>,
    processes: u32,
    leaving: bool,
}

/// After so many deaths the next process of a pod lives.
const MOST_DEATHS: u32 = 2;

// === impl Pod ===

impl Pod {
    /// Starts the pod with this number.
    pub async fn start(
        common: &Common,
        number: usize,
        template: Template,
    ) -> Result<Self, Failure> {
        let uid = format!("pod-{number}");
        let timeout = common.validity.span() / 6;
        let etcd = Etcd::connect(&common.urls, Some(&common.tls), timeout)
            .await
            .map_err(|source| Failure::Store { what: "connecting", source })?;
        etcd.set_longest_lease(SILENCE);
        let rate = RATES.get(number % RATES.len()).copied().unwrap_or(RATES[1]);
        let (clock, slot) = (MemberClock::new(rate), Slot::default());
        let habit = match number % 3 {
            0 => Habit::Prompt,
            1 => Habit::Mute,
            _ => Habit::Slow,
        };
        let app = App::start(&uid, clock, habit, slot.clone(), common.journal.clone());
        let etcd = Arc::new(etcd);
        let (process, older) = (None, None);
        let mut pod = Self {
            uid,
            template,
            slot,
            clock,
            app,
            etcd,
            process,
            older,
            processes: 0,
            leaving: false,
        };
        pod.start_process(common, None);
        Ok(pod)
    }

    /// Starts a process instead of the present one, which dies at once.
    pub fn start_process(&mut self, common: &Common, dies_at: Option<u32>) {
        self.processes += 1;
        let deaths = self.template.deaths.filter(|_| self.processes <= MOST_DEATHS);
        let dies_at = dies_at.or_else(|| deaths.map(|most| fastrand::u32(1..most)));
        let switches = Arc::new(Switches::default());
        let link = Link::new(Arc::clone(&self.etcd), Arc::clone(&switches));
        let store = Arc::new(Store::new(link));
        let process = Process::start(Setup {
            config: self.config(common.validity),
            coordination: Coordination::new(store, common.path.clone(), &self.uid),
            clock: self.clock,
            slot: self.slot.clone(),
            switches,
            dies_at,
            bug: common.bug,
        });
        if self.leaving {
            process.tell(Event::Drain);
        }
        self.process = Some(process);
    }

    /// Starts a process beside the present one.
    pub fn start_twin(&mut self, common: &Common) {
        self.older = self.process.take();
        self.start_process(common, None);
    }

    /// Stops the processes while time goes on, or lets them go on.
    pub fn freeze(&self, frozen: bool) {
        self.switches().for_each(|switches| switches.freeze(frozen));
    }

    /// Sets how far requests get.
    pub fn set_way(&self, way: Way) {
        self.switches().for_each(|switches| switches.set_way(way));
    }

    /// The pod is being deleted: it gives everything away, and then it leaves.
    pub fn drain(&mut self) {
        self.leaving = true;
        self.tell(&Event::Drain);
    }

    /// SIGTERM of a pod whose app has ended.
    pub fn terminate(&mut self) {
        self.leaving = true;
        self.app.end();
        self.tell(&Event::Terminate);
    }

    /// The node is lost, with app and processes.
    pub fn lose(&mut self, journal: &Journal) {
        (self.process, self.older) = (None, None);
        self.app.end();
        journal.lost(&self.uid);
    }

    /// Looks after the processes. False when the pod has left. Answers with what nobody has asked for.
    pub async fn tend(&mut self, common: &Common) -> Result<bool, String> {
        if let Some(ended) = ended(&mut self.older).await {
            self.older = None;
            if let Ended::Finished(EndReason::Failed(why)) = ended {
                return Err(format!("an older process of {} has failed: {why}", self.uid));
            }
        }
        let Some(ended) = ended(&mut self.process).await else { return Ok(true) };
        self.process = None;
        match ended {
            Ended::Finished(EndReason::Left) if self.leaving => {
                self.app.end();
                Ok(false)
            }
            // Of two processes, either may be the younger one for etcd.
            Ended::Died | Ended::Finished(EndReason::Fenced(_)) => {
                self.start_process(common, None);
                Ok(true)
            }
            Ended::Finished(reason) => {
                self.start_process(common, None);
                Err(format!("the process of {} ended by itself: {reason:?}", self.uid))
            }
        }
    }

    /// What may be served now, as the app was told.
    pub fn serves(&self) -> usize {
        let told = self.slot.told();
        let may = self.clock.shown(boottime::now()) < told.valid_until;
        if may { told.serving.len() } else { 0 }
    }

    fn tell(&self, event: &Event) {
        if let Some(process) = &self.process {
            process.tell(event.clone());
        }
    }

    fn switches(&self) -> impl Iterator<Item = &Switches> {
        self.process.iter().chain(self.older.iter()).map(Process::switches)
    }

    fn config(&self, validity: Validity) -> Config {
        Config {
            uid: self.uid.clone(),
            pod: self.uid.clone(),
            node: String::new(),
            terms: Terms {
                roles: BTreeSet::from([Role::Peers, Role::Leader, Role::Shards]),
                map: Some(ShardMap { shards: self.template.shards, hash: KeyHash::Xxh64 }),
                validity,
                participate: true,
                ..Terms::default()
            },
            endpoints: [].into(),
            generation: self.template.generation.clone(),
            admitted: UnixMillis(boottime::unix_seconds() * 1000),
            nonce: format!("{}-{}", self.uid, self.processes),
            seed: fastrand::u64(..),
            define_missing: false,
        }
    }
}

async fn ended(process: &mut Option<Process>) -> Option<Ended> {
    process.as_mut()?.ended().await
}
