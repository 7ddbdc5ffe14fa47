//! One group of pods, and what a script does to it.

mod hurt;

use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::coordination::owner::Ownable;
use cairn_core::group::Group as GroupName;
use cairn_store::etcd::Etcd;
use cairn_store::kv::prefix_end;
use cairn_store::{Change, Delta, Follow, Kv as _, Span, Store};
use futures::StreamExt as _;
use futures::channel::mpsc;
use tokio::time::sleep;

use super::journal::Journal;
use super::judge::{self, Kind, Violation};
use super::manner::PLAIN_WEIGHT;
use super::pod::{Common, Pod, Template};
use super::script::{Planned, SLOWLY, Script};
use super::switches::Way;
use crate::boottime::{self, Nanos};
use crate::failure::Failure;

/// Between two looks at the processes.
const TENDING: Duration = Duration::from_millis(50);

/// A rollout: every pod is replaced by one with another template, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// When it begins.
    pub at: Duration,
    /// What the new pods run.
    pub template: Template,
    /// Between a new pod's start and the old one's deletion.
    pub pause: Duration,
}

/// What is done to a group.
#[derive(Clone, Debug, Default)]
pub struct Acts {
    /// Faults of members.
    pub script: Script,
    /// Rollouts.
    pub rollouts: Vec<Rollout>,
    /// How long it takes in all.
    pub span: Duration,
}

/// A group.
#[derive(Debug)]
pub struct Group {
    common: Common,
    root: Store<Etcd>,
    template: Template,
    /// By index; a pod that is gone is replaced by another one with its index.
    pods: Vec<Option<Pod>>,
    /// Pods that a rollout replaces, while they drain.
    leaving: Vec<Pod>,
    created: usize,
    odd: Vec<Violation>,
}

/// One instant of a fault or a rollout.
#[derive(Clone, Debug)]
enum Step {
    Begin(Planned),
    Middle(Planned),
    End(Planned),
    Surge(usize, Template),
    Retire,
}

// === impl Group ===

impl Group {
    /// Starts a group. `root` is the harness's own connection.
    pub async fn start(
        common: Common,
        root: Etcd,
        template: Template,
        members: usize,
    ) -> Result<Self, Failure> {
        let mut group = Self {
            common,
            root: Store::new(root),
            template,
            pods: Vec::new(),
            leaving: Vec::new(),
            created: 0,
            odd: Vec::new(),
        };
        for _ in 0..members {
            let pod = group.create().await?;
            group.pods.push(Some(pod));
        }
        Ok(group)
    }

    /// Its name.
    pub fn name(&self) -> &GroupName {
        &self.common.path.group
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.common.journal
    }

    /// What ended although nothing asked it to.
    pub fn odd(&self) -> &[Violation] {
        &self.odd
    }

    /// Sets how far the requests of some members get.
    pub fn set_way(&self, way: Way, of: impl Fn(usize) -> bool) {
        for (index, pod) in self.pods.iter().enumerate() {
            if let Some(pod) = pod.as_ref().filter(|_| of(index)) {
                pod.set_way(way);
            }
        }
    }

    /// Carries the acts out.
    pub async fn play(&mut self, acts: &Acts) -> Result<(), Failure> {
        let began = boottime::now();
        for (at, step) in self.steps(acts) {
            self.tend_until(began, at).await?;
            self.take(step).await?;
        }
        self.tend_until(began, acts.span).await
    }

    /// Undoes every fault.
    pub async fn heal(&mut self) -> Result<(), Failure> {
        for index in 0..self.pods.len() {
            self.mend(index).await?;
        }
        self.pods.iter().flatten().for_each(|pod| pod.slot.rest_app());
        Ok(())
    }

    /// What is not as it should be in the end; `None` when every shard and the leadership have a server, and each
    /// member has as many as its weight says.
    pub async fn unsettled(&mut self) -> Result<Option<Violation>, Failure> {
        self.tend().await?;
        let serving = |pod: &Pod| (pod.number(), pod.serves());
        let members: Vec<_> =
            self.pods.iter().flatten().chain(&self.leaving).map(serving).collect();
        let all: usize = members.iter().map(|(_, serves)| serves.len()).sum();
        let wanted = usize::try_from(self.template.shards).unwrap_or(usize::MAX) + 1;
        if all != wanted {
            let why = format!("{all} of {wanted} things are served");
            return Ok(Some(Violation::now(Kind::Starved, why)));
        }
        let manner = &self.common.manner;
        if manner.weights.is_empty() {
            return Ok(None);
        }
        // The plan of the next release, by which all weights are equal, is in force when nobody is of the present one.
        let equal = members.iter().all(|(number, _)| manner.is_newer(*number));
        let shares = members.iter().map(|(number, serves)| {
            let shards = serves.iter().filter(|of| **of != Ownable::Leader).count();
            (if equal { PLAIN_WEIGHT } else { manner.weight(*number) }, shards)
        });
        let uneven = judge::uneven(&shares.collect::<Vec<_>>());
        let numbers: Vec<_> = members.iter().map(|(number, _)| number).collect();
        let why = |why| Violation::now(Kind::Uneven, format!("{why}, of the pods {numbers:?}"));
        Ok(uneven.map(why))
    }

    /// Notes in the journal which sessions have ended. etcd must still have all revisions of this epoch. `root` was
    /// connected in this epoch.
    pub async fn note_ended_sessions(&self, root: &Store<Etcd>) -> Result<(), Failure> {
        let failure = |what| move |source| Failure::Store { what, source };
        let path = &self.common.path;
        let now = root.read_group(path, false).await.map_err(failure("reading a group"))?;
        let epoch = now.epoch.unwrap_or_default();
        let (deltas, mut coming) = mpsc::unbounded();
        let members = path.members();
        let follow = Follow {
            spans: vec![Span::deletions(members.clone(), prefix_end(&members))],
            from: 1,
            progress: TENDING,
            elsewhere: false,
        };
        let reading = async {
            while let Some(Delta { revision, changes }) = coming.next().await {
                let ended = |change| match change {
                    Change::Delete(key) => key.strip_prefix(&members).map(str::to_owned),
                    Change::Put(_) => None,
                };
                let ends = changes.into_iter().filter_map(ended);
                let ends = ends.map(|uid| (Fence { epoch, revision }, uid));
                self.common.journal.with(|evidence| evidence.sessions_ended.extend(ends));
                if revision >= now.revision {
                    break;
                }
            }
        };
        tokio::select! {
            error = root.kv().follow(follow, deltas) => {
                Err(failure("reading the past of a group")(error))
            }
            () = reading => Ok(()),
        }
    }

    fn steps(&self, acts: &Acts) -> Vec<(Duration, Step)> {
        let mut steps = Vec::new();
        for planned in acts.script.0.iter().copied() {
            steps.push((planned.at, Step::Begin(planned)));
            steps.push((planned.at + SLOWLY, Step::Middle(planned)));
            steps.push((planned.at + planned.lasts, Step::End(planned)));
        }
        for rollout in &acts.rollouts {
            let mut at = rollout.at;
            for index in 0..self.pods.len() {
                steps.push((at, Step::Surge(index, rollout.template.clone())));
                at += rollout.pause;
                steps.push((at, Step::Retire));
            }
        }
        steps.sort_by_key(|(at, _)| *at);
        steps
    }

    async fn take(&mut self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Begin(planned) => {
                let uid = self.pod(planned.member).map(|pod| pod.uid.clone()).unwrap_or_default();
                self.journal().note(format!("{:?} of {uid}", planned.fault));
                self.begin(planned).await?;
            }
            Step::Middle(planned) => self.middle(planned).await,
            Step::End(planned) => {
                self.mend(planned.member).await?;
                self.journal().note(format!("over: {:?}", planned.fault));
            }
            Step::Surge(index, template) => {
                self.template = template;
                let pod = self.create().await?;
                self.journal().note(format!("{} is created", pod.uid));
                let old = self.pods.get_mut(index).and_then(|place| place.replace(pod));
                self.leaving.extend(old);
            }
            Step::Retire => {
                for pod in &mut self.leaving {
                    self.common.journal.note(format!("{} is deleted", pod.uid));
                    pod.drain();
                }
            }
        }
        Ok(())
    }

    async fn tend_until(&mut self, began: Nanos, at: Duration) -> Result<(), Failure> {
        loop {
            self.tend().await?;
            let left = at.saturating_sub(boottime::between(began, boottime::now()));
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(TENDING)).await;
        }
    }

    async fn tend(&mut self) -> Result<(), Failure> {
        for index in 0..self.pods.len() {
            let common = self.common.clone();
            let Some(pod) = self.pod(index) else { continue };
            match pod.tend(&common).await {
                Ok(true) => {}
                Ok(false) => {
                    self.journal().note(format!("member {index} has left"));
                    let pod = self.create().await?;
                    if let Some(place) = self.pods.get_mut(index) {
                        *place = Some(pod);
                    }
                }
                Err(why) => self.odd.push(Violation::now(Kind::Died, why)),
            }
        }
        for mut pod in std::mem::take(&mut self.leaving) {
            match pod.tend(&self.common).await {
                Ok(true) => self.leaving.push(pod),
                Ok(false) => self.journal().note(format!("{} has left", pod.uid)),
                Err(why) => self.odd.push(Violation::now(Kind::Died, why)),
            }
        }
        Ok(())
    }

    async fn create(&mut self) -> Result<Pod, Failure> {
        self.created += 1;
        Pod::start(&self.common, self.created, self.template.clone()).await
    }

    fn pod(&mut self, index: usize) -> Option<&mut Pod> {
        self.pods.get_mut(index)?.as_mut()
    }
}
