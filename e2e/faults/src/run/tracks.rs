//! Carries out a plan: faults of members on one track, faults of pods on another, at the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_store::Store;
use tokio::time::sleep;

use super::Stage;
use crate::boottime::{self, Nanos};
use crate::check::{Kind, Violation};
use crate::cluster::{Cluster, MEMBERS};
use crate::control::Way;
use crate::failure::Failure;
use crate::journal::Journal;
use crate::net::Link;
use crate::plan::{Comeback, Cut, Fault, Plan, Planned, Whom};
use crate::pod::Pods;
use crate::wait::until;

/// How long the harness waits for one answer of the store.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the pools may take to be defined: a new store has to elect a leader first.
const DEFINING: Duration = Duration::from_mins(1);
/// When the first of two sidecars of one pod is continued, as a fraction of the fault's length: its claim is still
/// before its deadline, and the second sidecar has had time to adopt it.
const PARTING: f64 = 0.45;
/// Between two checks for processes that have ended.
const TENDING: Duration = Duration::from_millis(200);

/// The steps of a fault of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Begin,
    Middle,
    End,
}

/// Counts the faults and writes them into the journal.
#[derive(Clone)]
struct Notes {
    journal: Journal,
    faults: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Stage {
    /// Writes epoch and pools to etcd, as the webhook does. The epoch is greater than any before.
    pub(super) async fn define(&mut self, freeze: Option<Duration>) -> Result<(), Failure> {
        let names: Vec<_> = self.layout.pools.iter().map(|pool| pool.name.clone()).collect();
        let epoch = self.epoch;
        let store = Store::new(self.access.connect(&self.cluster.urls(), REQUEST_TIMEOUT).await?);
        until("the pools to be defined", DEFINING, async || {
            store.begin(&names, epoch, freeze).await.map_err(|error| error.report())?;
            for pool in self.layout.edited(self.edits) {
                store.define(&pool, epoch, freeze).await.map_err(|error| error.report())?;
            }
            Ok(())
        })
        .await
    }

    /// Injects the faults of a plan. Returns the sidecars that ended unexpectedly, as violations.
    pub(super) async fn carry_out(
        &mut self,
        pods: &mut Pods,
        plan: &Plan,
    ) -> Result<Vec<Violation>, Failure> {
        let began = boottime::now();
        let notes = Notes { journal: self.journal.clone(), faults: Arc::clone(&self.faults) };
        let span = self.scenario.menu.span;
        let (members, odd) = tokio::join!(
            self.run_member_faults(&plan.members, began, &notes),
            run_pod_faults(pods, &plan.pods, began, span, &notes),
        );
        members?;
        odd
    }

    async fn run_member_faults(
        &mut self,
        plan: &[Planned],
        began: Nanos,
        notes: &Notes,
    ) -> Result<(), Failure> {
        for planned in plan {
            until_instant(began, planned.at).await;
            let fault = planned.fault;
            let member = target(&self.cluster, fault).await;
            notes.done(fault, &format!("{fault:?} at member {member}"));
            let cluster = &mut self.cluster;
            match fault {
                Fault::KillMember(_) => cluster.kill(member),
                Fault::FreezeMember(_) => cluster.freeze(member),
                Fault::CutMember(_, cut) => set_links(cluster, member, cut, false)?,
                Fault::CutClients => {
                    for member in 0..MEMBERS {
                        cluster.link(member, Link::Clients, false)?;
                    }
                }
                Fault::ReplaceMember(_) => Box::pin(cluster.replace(member)).await?,
                Fault::Wipe => {
                    self.recorder.pause().await;
                    self.cluster.wipe().await?;
                    self.recorder.begin();
                    self.epoch = boottime::unix_seconds().max(self.epoch + 1);
                    let freeze = self.layout.lease();
                    self.define(Some(freeze)).await?;
                }
                Fault::Compact => {
                    // Revisions that the recorder has not seen yet must not be compacted.
                    let seen = self.recorder.reader().last();
                    cluster.compact(seen).await?;
                }
                Fault::EditPools => {
                    self.edits += 1;
                    self.define(None).await?;
                }
                _ => {}
            }
            sleep(planned.lasts).await;
            let cluster = &mut self.cluster;
            match fault {
                Fault::KillMember(_) => cluster.restart(member)?,
                Fault::FreezeMember(_) => {
                    notes.journal.thawed();
                    cluster.thaw(member);
                }
                Fault::CutMember(_, cut) => set_links(cluster, member, cut, true)?,
                Fault::CutClients => {
                    for member in 0..MEMBERS {
                        cluster.link(member, Link::Clients, true)?;
                    }
                }
                _ => {}
            }
            notes.journal.note(format!("over: {fault:?} at member {member}"));
        }
        Ok(())
    }
}

async fn run_pod_faults(
    pods: &mut Pods,
    plan: &[Planned],
    began: Nanos,
    span: Duration,
    notes: &Notes,
) -> Result<Vec<Violation>, Failure> {
    let mut steps: Vec<(Duration, Phase, Fault)> = plan
        .iter()
        .flat_map(|planned| {
            let parting = planned.at + planned.lasts.mul_f64(PARTING);
            [
                (planned.at, Phase::Begin, planned.fault),
                (parting, Phase::Middle, planned.fault),
                (planned.at + planned.lasts, Phase::End, planned.fault),
            ]
        })
        .collect();
    // Faults that last longer are ended by `Pods::heal`.
    steps.retain(|(at, ..)| *at <= span);
    steps.sort_by_key(|(at, phase, _)| (*at, *phase));
    let mut odd = Vec::new();
    for (at, phase, fault) in steps {
        while boottime::between(began, boottime::now()) < at {
            let left = at.saturating_sub(boottime::between(began, boottime::now()));
            sleep(left.min(TENDING)).await;
            odd.extend(tend(pods, &notes.journal)?);
        }
        run_pod_fault(pods, phase, fault, notes)?;
    }
    until_instant(began, span).await;
    odd.extend(tend(pods, &notes.journal)?);
    Ok(odd)
}

fn run_pod_fault(
    pods: &mut Pods,
    phase: Phase,
    fault: Fault,
    notes: &Notes,
) -> Result<(), Failure> {
    if phase == Phase::Begin {
        notes.done(fault, &format!("{fault:?}"));
    }
    match (phase, fault) {
        (Phase::Begin, Fault::KillSidecar(pod)) => pods.kill_sidecar(pod),
        (Phase::End, Fault::KillSidecar(pod)) => pods.restart_sidecar(pod)?,
        (Phase::Begin, Fault::TermSidecar(pod, _)) => pods.term_sidecar(pod),
        (Phase::End, Fault::TermSidecar(pod, Comeback::Soon | Comeback::Late)) => {
            pods.restart_sidecar(pod)?;
        }
        (Phase::End, Fault::TermSidecar(pod, Comeback::Never)) => {
            pods.delete(pod);
            pods.replace(pod)?;
        }
        (Phase::Begin, Fault::CrashApp(pod)) => pods.crash(pod),
        (Phase::Begin, Fault::FreezeSidecar(pod)) => pods.freeze(pod),
        (Phase::End, Fault::FreezeSidecar(pod) | Fault::TwinSidecar(pod)) => pods.thaw(pod),
        (Phase::Begin, Fault::DeletePod(pod)) => pods.delete(pod),
        (Phase::Begin, Fault::LosePod(pod)) => pods.lose(pod),
        (Phase::End, Fault::DeletePod(pod) | Fault::LosePod(pod)) => pods.replace(pod)?,
        (Phase::Begin, Fault::CutSidecar(pod)) => {
            pods.control(pod, |control| control.way = Way::Cut)?;
        }
        (Phase::Begin, Fault::DeafenSidecar(pod)) => {
            pods.control(pod, |control| control.way = Way::Deaf)?;
        }
        (Phase::End, Fault::CutSidecar(pod) | Fault::DeafenSidecar(pod)) => {
            pods.control(pod, |control| control.way = Way::Open)?;
        }
        (Phase::Begin, Fault::StepClock(pod, step)) => {
            pods.control(pod, |control| control.wall_offset_ms += step)?;
        }
        (Phase::Begin, Fault::TwinSidecar(pod) | Fault::DoubleSidecar(pod)) => pods.twin(pod)?,
        (Phase::Middle, Fault::TwinSidecar(pod)) => pods.part(pod),
        (Phase::Middle, Fault::DoubleSidecar(pod)) => pods.meet(pod),
        _ => {}
    }
    Ok(())
}

/// Checks for sidecars that ended unexpectedly, and returns them as violations.
pub(super) fn tend(pods: &mut Pods, journal: &Journal) -> Result<Vec<Violation>, Failure> {
    let odd = pods.tend()?;
    Ok(odd
        .into_iter()
        .map(|text| {
            journal.note(text.clone());
            let (path, name) = (String::new(), String::new());
            let fence = Fence::default();
            Violation { kind: Kind::Died, at: boottime::now(), path, name, fence, text }
        })
        .collect())
}

/// The index of the member that a fault is injected into. Without a leader it is member 0.
async fn target(cluster: &Cluster, fault: Fault) -> usize {
    let whom = match fault {
        Fault::KillMember(whom)
        | Fault::FreezeMember(whom)
        | Fault::CutMember(whom, _)
        | Fault::ReplaceMember(whom) => whom,
        _ => Whom::Member(0),
    };
    match whom {
        Whom::Member(member) => member,
        Whom::Leader => cluster.leader().await.unwrap_or(0),
    }
}

fn set_links(cluster: &Cluster, member: usize, cut: Cut, up: bool) -> Result<(), Failure> {
    if cut != Cut::Clients {
        cluster.link(member, Link::Peers, up)?;
    }
    if cut != Cut::Peers {
        cluster.link(member, Link::Clients, up)?;
    }
    Ok(())
}

async fn until_instant(began: Nanos, at: Duration) {
    sleep(at.saturating_sub(boottime::between(began, boottime::now()))).await;
}

impl Notes {
    fn done(&self, fault: Fault, text: &str) {
        self.journal.note(text);
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        *faults.entry(fault.kind()).or_default() += 1;
    }
}
