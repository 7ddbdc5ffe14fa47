//! Carrying out a plan: faults of members on one track, faults of pods on another, side by side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_store::Store;
use cairn_store::etcd::Etcd;
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
const PATIENCE: Duration = Duration::from_secs(2);
/// A new store has to be elected a leader first.
const DEFINING: Duration = Duration::from_mins(1);
/// When two of one pod's sidecars part, as a part of the fault's time: while the first one's claim is
/// still good, and the second one has been able to take it over.
const PARTING: f64 = 0.45;
/// Between two looks after processes.
const TENDING: Duration = Duration::from_millis(200);

/// What the faults of pods consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Begin,
    Middle,
    End,
}

/// Counts and notes what is done.
#[derive(Clone)]
struct Notes {
    journal: Journal,
    faults: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Stage {
    /// Writes epoch and pools as the webhook does, the epoch greater than any before.
    pub(super) async fn define(&mut self, hold: Option<Duration>) -> Result<(), Failure> {
        let names: Vec<_> = self.layout.pools.iter().map(|pool| pool.name.clone()).collect();
        let epoch = self.epoch;
        let store = Etcd::connect(&self.cluster.urls(), None, PATIENCE)
            .await
            .map(Store::new)
            .map_err(|source| Failure::Store { what: "connecting", source })?;
        until("the pools to be defined", DEFINING, async || {
            store.begin(&names, epoch, hold).await.map_err(|error| error.report())?;
            for pool in self.layout.edited(self.edits) {
                store.define(&pool, epoch, hold).await.map_err(|error| error.report())?;
            }
            Ok(())
        })
        .await
    }

    /// Does everything that the plan says. Answers with what sidecars did by themselves.
    pub(super) async fn carry_out(
        &mut self,
        pods: &mut Pods,
        plan: &Plan,
    ) -> Result<Vec<Violation>, Failure> {
        let began = boottime::now();
        let notes = Notes { journal: self.journal.clone(), faults: Arc::clone(&self.faults) };
        let span = self.scenario.menu.span;
        let (members, odd) = tokio::join!(
            self.hurt_members(&plan.members, began, &notes),
            hurt_pods(pods, &plan.pods, began, span, &notes),
        );
        members?;
        odd
    }

    async fn hurt_members(
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
                    let hold = self.layout.lease();
                    self.define(Some(hold)).await?;
                }
                Fault::Compact => {
                    // What the recorder has not seen yet must stay.
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

async fn hurt_pods(
    pods: &mut Pods,
    plan: &[Planned],
    began: Nanos,
    span: Duration,
    notes: &Notes,
) -> Result<Vec<Violation>, Failure> {
    let mut timeline: Vec<(Duration, Phase, Fault)> = plan
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
    // What is not over by then, healing ends.
    timeline.retain(|(at, ..)| *at <= span);
    timeline.sort_by_key(|(at, phase, _)| (*at, *phase));
    let mut odd = Vec::new();
    for (at, phase, fault) in timeline {
        while boottime::between(began, boottime::now()) < at {
            let left = at.saturating_sub(boottime::between(began, boottime::now()));
            sleep(left.min(TENDING)).await;
            odd.extend(tend(pods, &notes.journal)?);
        }
        hurt_pod(pods, phase, fault, notes)?;
    }
    until_instant(began, span).await;
    odd.extend(tend(pods, &notes.journal)?);
    Ok(odd)
}

fn hurt_pod(pods: &mut Pods, phase: Phase, fault: Fault, notes: &Notes) -> Result<(), Failure> {
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

/// What sidecars did by themselves is a finding: nothing in a plan makes one end.
pub(super) fn tend(pods: &mut Pods, journal: &Journal) -> Result<Vec<Violation>, Failure> {
    let odd = pods.tend()?;
    Ok(odd
        .into_iter()
        .map(|text| {
            journal.note(text.clone());
            let (place, name) = (String::new(), String::new());
            let fence = Fence::default();
            Violation { kind: Kind::Died, at: boottime::now(), place, name, fence, text }
        })
        .collect())
}

/// The member that a fault means. During an election, any.
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
