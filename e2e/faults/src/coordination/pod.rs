//! A pod of a group: a UID, a clock, an app, and one process after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::map::{KeyHash, ShardMap};
use cairn_core::coordination::member::Role;
use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::path::GroupPath;
use cairn_core::coordination::session::{Config, EndReason, Event};
use cairn_core::coordination::terms::Terms;
use cairn_core::coordination::validity::Validity;
use cairn_core::time::UnixMillis;
use cairn_store::etcd::{Etcd, Tls};
use cairn_store::{Coordination, Kv as _, Store};

use super::app::{App, Duties, Habit};
use super::bug::Bug;
use super::clock::MemberClock;
use super::journal::Journal;
use super::link::Link;
use super::manner::{Manner, PLAIN_WEIGHT};
use super::newer::Newer;
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
    /// How its pods take part.
    pub manner: Manner,
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
    number: usize,
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
        let Manner { confirm_required, heartbeat, values, .. } = common.manner;
        let habit = match number % 3 {
            0 => Habit::Prompt,
            1 if confirm_required => Habit::Late,
            1 => Habit::Mute,
            _ => Habit::Slow,
        };
        let duties = Duties { heartbeat, values };
        let app = App::start(&uid, clock, habit, duties, slot.clone(), common.journal.clone());
        let etcd = Arc::new(etcd);
        let (process, older) = (None, None);
        let mut pod = Self {
            uid,
            template,
            slot,
            number,
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
        let link = Link::new(Arc::clone(&self.etcd), Arc::clone(&switches), common.bug);
        let store = Arc::new(Store::new(link));
        let dies_handing_over = common.manner.dies_at(self.number);
        let newer = common.manner.is_newer(self.number).then(|| self.newer(common));
        let process = Process::start(Setup {
            config: self.config(common),
            coordination: Coordination::new(store, common.path.clone(), &self.uid),
            clock: self.clock,
            slot: self.slot.clone(),
            switches,
            dies_at,
            dies_handing_over: dies_handing_over.filter(|_| self.processes == 1),
            newer,
            journal: common.journal.clone(),
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
        // First, so that what is served at this instant is lost with it.
        journal.lost(&self.uid);
        self.app.end();
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
            // A member whose app does not call leaves. It comes back when the app calls again.
            Ended::Finished(EndReason::Left) if common.manner.heartbeat.is_some() => {
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
    pub fn serves(&self) -> Vec<Ownable> {
        let told = self.slot.told();
        let may = self.clock.shown(boottime::now()) < told.valid_until;
        told.serving.into_iter().map(|(of, _)| of).filter(|_| may).collect()
    }

    /// Its number in the order of creation.
    pub fn number(&self) -> usize {
        self.number
    }

    fn tell(&self, event: &Event) {
        if let Some(process) = &self.process {
            process.tell(event.clone());
        }
    }

    fn switches(&self) -> impl Iterator<Item = &Switches> {
        self.process.iter().chain(self.older.iter()).map(Process::switches)
    }

    fn newer(&self, common: &Common) -> Newer {
        Newer::new(&self.uid, common.bug == Some(Bug::OwnPlan))
    }

    fn config(&self, common: &Common) -> Config {
        let manner = &common.manner;
        Config {
            uid: self.uid.clone(),
            pod: self.uid.clone(),
            node: String::new(),
            terms: Terms {
                roles: BTreeSet::from([Role::Peers, Role::Leader, Role::Shards]),
                map: Some(ShardMap { shards: self.template.shards, hash: KeyHash::Xxh64 }),
                validity: common.validity,
                heartbeat: manner.heartbeat,
                confirm_required: manner.confirm_required && common.bug != Some(Bug::NotRequired),
                weight: match common.bug {
                    Some(Bug::NoWeights) => PLAIN_WEIGHT,
                    _ => manner.weight(self.number),
                },
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
