//! One etcd with several groups on it: plays them, lets them come to rest, and judges what they served.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::path::GroupPath;
use cairn_core::coordination::validity::{MARGIN, Validity};
use cairn_core::group::Group as GroupName;
use cairn_store::{Kv as _, Store};
use futures::future::try_join_all;
use tempfile::TempDir;
use tokio::time::sleep;

use super::bug::Bug;
use super::group::{Acts, Group};
use super::journal::Journal;
use super::judge::{self, Kind, Violation};
use super::manner::Manner;
use super::pod::{Common, Template};
use super::store_faults::{self, PlannedFault, Upheaval};
use super::switches::Way;
use crate::access::Access;
use crate::boottime::{self, Nanos};
use crate::cluster::{Cluster, MEMBERS};
use crate::failure::Failure;
use crate::net::{Net, in_new_network};
use crate::pools::NAMESPACE;

/// How long a request of the harness may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the groups may take to come to rest once all is healed.
const SETTLING: Duration = Duration::from_secs(45);
/// Nothing is written for so long when nothing happens.
const QUIET: Duration = Duration::from_secs(5);
/// How much later some members reach etcd after it was restored: they still serve what they had, and others have seen
/// that they are not there, and that the group is calm.
const LATER: Duration = Duration::from_secs(4);
/// How long apps that are busy do not look, and what this machine may be late.
const LATEST: Duration = Duration::from_millis(1_200 + 700);
/// How many violations of a group are printed.
const MOST_SHOWN: usize = 4;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// What is played.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The seed, to play it again.
    pub seed: u64,
    /// The groups.
    pub groups: Vec<GroupScene>,
    /// The faults of etcd in the first act.
    pub store_faults: Vec<PlannedFault>,
    /// What happens to the data of etcd after each act.
    pub upheavals: Vec<Upheaval>,
}

/// One group.
#[derive(Clone, Debug)]
pub struct GroupScene {
    /// Its name.
    pub name: &'static str,
    /// How many members it has.
    pub members: usize,
    /// What they run.
    pub template: Template,
    /// V.
    pub validity: Validity,
    /// One after the other.
    pub acts: Vec<Acts>,
    /// The time in which others serve what a lost node did; `None` when other faults may make it longer.
    pub gap: Option<Duration>,
    /// The longest time in which something has no server; `None` when faults may make it longer.
    pub pause: Option<Duration>,
    /// Nothing changes its owner in this last part of the acts.
    pub rest: Option<Duration>,
    /// How its pods take part.
    pub manner: Manner,
    /// The planted bug.
    pub bug: Option<Bug>,
}

/// What came of a group.
#[derive(Debug)]
pub struct Report {
    /// The group.
    pub name: &'static str,
    /// How often something was served by somebody, without a break.
    pub spans: usize,
    /// How often something went from one pod to another.
    pub moves: usize,
    /// How many faults its members had.
    pub faults: usize,
    /// How many pods served something.
    pub pods: usize,
    /// How many nodes were lost.
    pub losses: usize,
    /// The half steps of hand-overs at which processes died.
    pub deaths: BTreeSet<u32>,
    /// How many values the leader has put.
    pub values: usize,
    /// The longest time without a server.
    pub longest: Option<(Duration, Ownable)>,
    /// What was violated.
    pub violations: Vec<Violation>,
    /// What happened before the first violations.
    pub timelines: String,
}

/// Plays a scene, and judges each group.
pub fn run(scene: Scene) -> Result<Vec<Report>, Failure> {
    in_new_network(MEMBERS, move |net, dir| Box::pin(play(scene, net, dir)))
}

async fn play(scene: Scene, net: Net, dir: TempDir) -> Result<Vec<Report>, Failure> {
    let access = Arc::new(Access::new(dir.path())?);
    let mut cluster = Cluster::start(net, dir.path(), Arc::clone(&access)).await?;
    let root = Arc::new(access.connect(&cluster.urls(), REQUEST_TIMEOUT).await?);
    store_faults::move_epoch(&root, None).await?;
    let mut groups = Vec::new();
    for cast in &scene.groups {
        let common = Common {
            urls: cluster.urls(),
            tls: access.pod_tls(),
            path: GroupPath { namespace: NAMESPACE.to_owned(), group: cast.name.parse()? },
            validity: cast.validity,
            manner: cast.manner.clone(),
            journal: Journal::default(),
            bug: cast.bug,
        };
        let root = access.connect(&cluster.urls(), REQUEST_TIMEOUT).await?;
        root.set_longest_lease(REQUEST_TIMEOUT);
        groups.push(Group::start(common, root, cast.template.clone(), cast.members).await?);
    }
    let planted = scene.groups.iter().any(|cast| cast.bug.is_some());
    let acts = scene.groups.iter().map(|cast| cast.acts.len()).max().unwrap_or_default();
    for act in 0..acts {
        let playing = scene.groups.iter().zip(&mut groups).map(|(cast, group)| async move {
            match cast.acts.get(act) {
                Some(acts) => group.play(acts).await,
                None => Ok(()),
            }
        });
        let faults = if act == 0 { scene.store_faults.as_slice() } else { &[] };
        let store = store_faults::carry_out(&mut cluster, faults);
        tokio::try_join!(try_join_all(playing), store)?;
        if let Some(upheaval) = scene.upheavals.get(act) {
            overturn(*upheaval, &scene, &mut cluster, &access, &groups).await?;
        }
    }
    let over = boottime::now();
    let mut ended = Vec::new();
    if planted {
        for group in &mut groups {
            let name = group.name().clone();
            ended.extend(group.unsettled().await?.map(|why| (name, why)));
        }
    } else {
        ended = settle(&mut cluster, &mut groups).await?;
    }
    note_ended_sessions(&scene, &groups, &cluster, &access).await?;
    let reports = scene.groups.iter().zip(&groups).map(|(cast, group)| {
        let mut report = report(cast, group, over, scene.upheavals.is_empty());
        report.violations.extend(
            ended
                .iter()
                .filter(|(name, _)| name.as_str() == cast.name)
                .map(|(_, violation)| violation.clone()),
        );
        report
    });
    Ok(reports.collect())
}

/// What the judge of confirmations needs, before etcd forgets it.
async fn note_ended_sessions(
    scene: &Scene,
    groups: &[Group],
    cluster: &Cluster,
    access: &Access,
) -> Result<(), Failure> {
    let root = &Store::new(access.connect(&cluster.urls(), REQUEST_TIMEOUT).await?);
    let judged = scene.groups.iter().zip(groups).filter(|(cast, _)| cast.manner.confirm_required);
    try_join_all(judged.map(|(_, group)| group.note_ended_sessions(root))).await.map(drop)
}

/// Does something to the data of etcd, and what an administrator then has to do, before members reach it again.
async fn overturn(
    upheaval: Upheaval,
    scene: &Scene,
    cluster: &mut Cluster,
    access: &Access,
    groups: &[Group],
) -> Result<(), Failure> {
    for group in groups {
        group.journal().note(format!("{upheaval:?}"));
        group.set_way(Way::Cut, |_| true);
    }
    note_ended_sessions(scene, groups, cluster, access).await?;
    match upheaval {
        Upheaval::Save => cluster.save().await?,
        Upheaval::Restore => cluster.restore().await?,
        Upheaval::Wipe => cluster.wipe().await?,
    }
    let restored = upheaval != Upheaval::Save;
    if restored {
        let root = Arc::new(access.connect(&cluster.urls(), REQUEST_TIMEOUT).await?);
        let holds = scene.groups.iter().filter(|cast| cast.bug != Some(Bug::LostHold));
        let hold = holds.map(|cast| cast.validity.takeover_delay()).max();
        store_faults::move_epoch(&root, hold).await?;
    }
    for group in groups {
        group.journal().note("members reach etcd again, every third later");
        group.set_way(Way::Open, |member| !restored || member % 3 != 0);
    }
    if restored {
        sleep(LATER).await;
        for group in groups {
            group.set_way(Way::Open, |_| true);
        }
    }
    Ok(())
}

/// Undoes all faults, and waits until everything is served and nothing is written.
async fn settle(
    cluster: &mut Cluster,
    groups: &mut [Group],
) -> Result<Vec<(GroupName, Violation)>, Failure> {
    cluster.heal().await?;
    for group in &mut *groups {
        group.heal().await?;
    }
    let began = boottime::now();
    let over = || boottime::between(began, boottime::now()) > SETTLING;
    let (mut index, mut since) = (0, boottime::now());
    loop {
        let mut unsettled = Vec::new();
        for group in &mut *groups {
            if let Some(why) = group.unsettled().await? {
                unsettled.push((group.name().clone(), why));
            }
        }
        let now = cluster.raft_index().await?;
        if now != index {
            (index, since) = (now, boottime::now());
        }
        let quiet = boottime::between(since, boottime::now()) > QUIET;
        if unsettled.is_empty() && quiet {
            let took = boottime::between(began, since);
            println!("came to rest in {took:.1?}, at Raft index {index}");
            return Ok(Vec::new());
        }
        if over() {
            if unsettled.is_empty() {
                let why = format!("etcd is written to still, Raft index {index}");
                let all = groups.iter().map(|group| group.name().clone());
                unsettled
                    .extend(all.map(|name| (name, Violation::now(Kind::NotQuiet, why.clone()))));
            }
            return Ok(unsettled);
        }
        sleep(PAUSE).await;
    }
}

/// `calm`: etcd has kept its data.
fn report(cast: &GroupScene, group: &Group, over: Nanos, calm: bool) -> Report {
    let evidence = group.journal().evidence();
    let mut violations = judge::judge(&evidence.spans);
    if let Some(limit) = cast.gap {
        violations.extend(judge::gaps(&evidence.spans, &evidence.losses, limit));
    }
    let longest = judge::longest_gap(&evidence.spans);
    if let Some((gap, of)) = longest.filter(|(gap, _)| cast.pause.is_some_and(|most| *gap > most)) {
        let why = format!("{of} had no server for {gap:.2?}");
        violations.push(Violation::now(Kind::Gap, why));
    }
    if let Some(heartbeat) = cast.manner.heartbeat.filter(|_| calm) {
        // It is missed, its deadline has passed, and what it served is handed over after the margin.
        let limit = heartbeat + MARGIN + LATEST;
        violations.extend(judge::gaps(&evidence.spans, &evidence.hangs, limit));
    }
    violations.extend(judge::overruns(&evidence));
    if cast.manner.confirm_required {
        violations.extend(judge::unconfirmed(&evidence));
    }
    if let Some(rest) = cast.rest {
        let since = over.saturating_sub(boottime::nanos(rest));
        violations.extend(judge::restless(&evidence.spans, since));
    }
    violations.extend(judge::values(&evidence));
    violations.extend(group.odd().iter().cloned());
    let uids: BTreeSet<_> = evidence.spans.iter().map(|span| &span.uid).collect();
    let first = violations.iter().take(2);
    let timelines = first.map(|violation| violation.timeline(&evidence)).collect();
    Report {
        name: cast.name,
        spans: evidence.spans.len(),
        moves: judge::moves(&evidence.spans),
        faults: cast.acts.iter().map(|acts| acts.script.0.len()).sum(),
        pods: uids.len(),
        losses: evidence.losses.len(),
        deaths: evidence.deaths,
        values: evidence.values.len(),
        longest,
        violations,
        timelines,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, spans, moves, faults, pods, losses, values, violations, .. } = self;
        let (longest, of) = self.longest.unwrap_or((Duration::ZERO, Ownable::Leader));
        write!(
            f,
            "group {name}: {faults} faults, {spans} spans of {pods} pods, {moves} moves, {losses} nodes lost, \
             {values} values, longest gap {longest:.1?} ({of}), {} violations",
            violations.len()
        )?;
        if !self.deaths.is_empty() {
            write!(f, "\n  died at half steps of hand-overs: {:?}", self.deaths)?;
        }
        for violation in violations.iter().take(MOST_SHOWN) {
            write!(f, "\n  {violation}")?;
        }
        if !violations.is_empty() {
            write!(f, "\n{}", self.timelines)?;
        }
        Ok(())
    }
}
