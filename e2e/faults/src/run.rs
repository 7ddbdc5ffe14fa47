//! Runs one history, from its start to the report.
//!
//! A history runs in a network of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::sleep;

use crate::access::Access;
use crate::boottime;
use crate::bug::Bug;
use crate::check::environment::{self, Accepted};
use crate::check::{self, Kind, Violation, timeline};
use crate::cluster::{Cluster, MEMBERS};
use crate::failure::Failure;
use crate::history::{History, Recorder};
use crate::journal::{Evidence, Journal};
use crate::mirror::{Existing, Mirror};
use crate::net::{Net, in_new_network};
use crate::plan::{Menu, Plan};
use crate::pod::{Pods, Setup};
use crate::pools::Layout;
use crate::wait::until;

mod settle;
mod tracks;

/// How often a history with a planted bug is checked before its end.
const CHECK_PERIOD: Duration = Duration::from_secs(2);
/// How often the harness measures whether it is scheduled in time.
const STALL_PERIOD: Duration = Duration::from_millis(50);
/// A delay that is longer than this is a stall.
const STALL: Duration = Duration::from_millis(150);
/// How long the first claims may take: all pods start at once, and the machine is busy.
const BEGINNING: Duration = Duration::from_mins(2);

/// The settings of a history.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed of the plan.
    pub seed: u64,
    /// The size of the pool of numbers.
    pub numbers: u32,
    /// The size of the pool of names.
    pub names: usize,
    /// V.
    pub validity: Duration,
    /// Q.
    pub quarantine: Duration,
    /// Whether the numbers reserve time, and apps mint IDs.
    pub minting: bool,
    /// Whether a kubelet starts and stops the apps.
    pub kubelet: bool,
    /// The faults that the plan may contain.
    pub menu: Menu,
    /// The planted bug, and the kinds of violations that show it.
    pub bug: Option<(Bug, Vec<Kind>)>,
}

/// The result of a history.
#[derive(Debug)]
pub struct Report {
    /// The seed of the plan.
    pub seed: u64,
    /// How often each kind of fault was injected.
    pub faults: BTreeMap<&'static str, usize>,
    /// How many slots were granted.
    pub granted: usize,
    /// How many of them ran out without a release.
    pub ran_out: usize,
    /// How many pods used a name.
    pub pods: usize,
    /// How many stores there were: one, and one more for each wipe.
    pub stores: usize,
    /// How often a later deadline was published.
    pub renewals: u64,
    /// How many IDs were minted.
    pub minted: usize,
    /// How often an app was started.
    pub runs: usize,
    /// Pairs of apps that shared an identity in a way that the design accepts.
    pub accepted: Accepted,
    /// The longest time from the start of a deadline to a use under it.
    pub unrenewed: Duration,
    /// The longest stall of the harness itself.
    pub stalled: Duration,
    /// How long the history took.
    pub took: Duration,
    /// The violations that the checker found.
    pub violations: Vec<Violation>,
    /// The timelines of the first violations.
    pub timelines: String,
    /// The folder with the logs; only when there are violations.
    pub kept: Option<PathBuf>,
}

/// A history while it runs.
pub(crate) struct Stage {
    pub(crate) scenario: Scenario,
    pub(crate) layout: Layout,
    pub(crate) journal: Journal,
    pub(crate) recorder: Recorder,
    pub(crate) access: Arc<Access>,
    pub(crate) cluster: Cluster,
    pub(crate) faults: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    pub(crate) epoch: i64,
    pub(crate) edits: u32,
}

/// Runs a history with sidecars of this binary.
pub fn run(scenario: Scenario, binary: &Path) -> Result<Report, Failure> {
    let binary = binary.to_owned();
    in_new_network(MEMBERS, move |net, dir| make(scenario, binary, net, dir))
}

async fn make(
    scenario: Scenario,
    binary: PathBuf,
    net: Net,
    dir: TempDir,
) -> Result<Report, Failure> {
    let began = boottime::now();
    let layout =
        Layout::new(scenario.numbers, scenario.names, scenario.validity, scenario.quarantine)?;
    let layout = if scenario.minting { layout.reserving() } else { layout };
    let plan = Plan::new(scenario.seed, &scenario.menu);
    println!("{plan}");
    let journal = Journal::default();
    let access = Arc::new(Access::new(dir.path())?);
    let cluster = Cluster::start(net, dir.path(), Arc::clone(&access)).await?;
    let recorder = Recorder::start(cluster.urls(), Arc::clone(&access));
    let existing = Existing::default();
    let _mirror =
        Mirror::start(cluster.urls(), Arc::clone(&access), layout.clone(), existing.clone());
    let setup = Setup {
        existing,
        binary,
        urls: cluster.urls(),
        certificate: access.pods().clone(),
        layout: layout.clone(),
        journal: journal.clone(),
        bug: scenario.bug.as_ref().map(|(bug, _)| *bug),
        kubelet: scenario.kubelet,
        dir: dir.path().to_owned(),
    };
    let mut stage = Stage {
        epoch: boottime::unix_seconds(),
        edits: 0,
        scenario,
        layout,
        journal,
        recorder,
        access,
        cluster,
        faults: Arc::default(),
    };
    stage.define(None).await?;
    let stalls = tokio::spawn(measure_stalls(stage.journal.clone()));
    let mut pods = Pods::start(setup, stage.scenario.menu.pods)?;
    let played = Box::pin(stage.play(&mut pods, &plan)).await;
    let ended = match played {
        Ok(ended) => ended,
        Err(failure) => {
            keep(dir);
            return Err(failure);
        }
    };
    stalls.abort();
    let evidence = stage.journal.evidence();
    let history = stage.recorder.reader().history();
    let mut violations = check::judge(&stage.layout, &evidence, &history);
    violations.extend(ended);
    let report = stage.report(boottime::between(began, boottime::now()), &evidence, &history);
    let timelines = violations
        .iter()
        .take(3)
        .map(|violation| format!("  {violation}\n{}", timeline::of(violation, &evidence, &history)))
        .collect::<Vec<_>>()
        .concat();
    drop(pods);
    let kept = (!violations.is_empty() && stage.scenario.bug.is_none()).then(|| keep(dir));
    Ok(Report { violations, timelines, kept, ..report })
}

impl Stage {
    /// Carries out the plan and settles the store. With a planted bug it ends as soon as the bug is found, without
    /// settling.
    async fn play(&mut self, pods: &mut Pods, plan: &Plan) -> Result<Vec<Violation>, Failure> {
        let Some((_, wanted)) = self.scenario.bug.clone() else {
            let start = boottime::now();
            self.wait_for_the_beginning(pods).await?;
            let begun = boottime::now();
            let mut odd = Box::pin(self.carry_out(pods, plan)).await?;
            let done = boottime::now();
            odd.extend(Box::pin(self.settle(pods)).await?);
            println!(
                "first claims after {:.0?}, faults for {:.0?}, settled in {:.0?}",
                boottime::between(start, begun),
                boottime::between(begun, done),
                boottime::between(done, boottime::now())
            );
            return Ok(odd);
        };
        let (journal, layout) = (self.journal.clone(), self.layout.clone());
        let history = self.recorder.reader();
        let shown = async {
            loop {
                sleep(CHECK_PERIOD).await;
                let found = check::judge(&layout, &journal.evidence(), &history.history());
                if found.iter().any(|violation| wanted.contains(&violation.kind)) {
                    return;
                }
            }
        };
        tokio::select! {
            () = shown => Ok(Vec::new()),
            odd = Box::pin(self.carry_out(pods, plan)) => odd,
        }
    }

    /// Waits for the first claims, so that faults hit pods that hold names.
    async fn wait_for_the_beginning(&self, pods: &Pods) -> Result<(), Failure> {
        let enough = self.layout.pools.iter().map(|pool| pool.names.len()).min().unwrap_or(0);
        let enough = enough.min(self.scenario.menu.pods / 2);
        until("the first claims", BEGINNING, async || {
            let complete = pods.complete();
            if complete >= enough {
                Ok(())
            } else {
                Err(format!("{complete} pods hold a name of each of their pools"))
            }
        })
        .await
    }

    fn report(&self, took: Duration, evidence: &Evidence, history: &History) -> Report {
        let (_, granted) = check::replay::check(&self.layout, history, &evidence.stalls);
        let holds = &evidence.holds;
        let pods: std::collections::BTreeSet<_> = holds.iter().map(|hold| &hold.uid).collect();
        Report {
            seed: self.scenario.seed,
            faults: self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            granted: granted.len(),
            ran_out: check::outlived::ran_out(history),
            pods: pods.len(),
            stores: self.cluster.generation(),
            renewals: holds.iter().map(|hold| u64::from(hold.renewals)).sum(),
            minted: evidence.minted.iter().map(|batch| batch.ids.len()).sum(),
            runs: evidence.runs.len(),
            accepted: environment::check(&self.layout, evidence, history).1,
            unrenewed: holds.iter().map(|hold| hold.unrenewed).max().unwrap_or_default(),
            stalled: evidence.stalls.iter().map(|stall| stall.lasted).max().unwrap_or_default(),
            took,
            violations: Vec::new(),
            timelines: String::new(),
            kept: None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: usize = self.faults.values().sum();
        writeln!(f, "history of seed {}: {faults} faults in {:.0?}", self.seed, self.took)?;
        for (kind, count) in &self.faults {
            writeln!(f, "  {count:4} × {kind}")?;
        }
        writeln!(
            f,
            "  {} claims granted by {} stores to {} pods, {} ran out, {} renewals, {} IDs minted",
            self.granted, self.stores, self.pods, self.ran_out, self.renewals, self.minted
        )?;
        if self.runs > 0 {
            let Accepted { brief, longest, kept } = self.accepted;
            writeln!(
                f,
                "  {} starts of apps; {brief} pairs shared an identity beside a sidecar that did not answer, for \
                 {longest:.2?} at most; {kept} pairs in Keep pools after a lease had run out",
                self.runs
            )?;
        }
        writeln!(f, "  longest use without a renewal {:.2?}", self.unrenewed)?;
        writeln!(f, "  longest stall of the harness itself {:.2?}", self.stalled)?;
        writeln!(f, "  {} violations", self.violations.len())?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        write!(f, "{}", self.timelines)?;
        if let Some(kept) = &self.kept {
            writeln!(f, "  logs of sidecars and etcd are kept in {}", kept.display())?;
        }
        Ok(())
    }
}

/// Measures how late the harness itself is scheduled.
async fn measure_stalls(journal: Journal) {
    loop {
        let before = boottime::now();
        sleep(STALL_PERIOD).await;
        let late = boottime::between(before, boottime::now()).saturating_sub(STALL_PERIOD);
        if late > STALL {
            journal.stalled(late);
        }
    }
}

/// Keeps the folder with the logs, and removes the data directories in it.
fn keep(dir: TempDir) -> PathBuf {
    let path = dir.keep();
    for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    path
}
