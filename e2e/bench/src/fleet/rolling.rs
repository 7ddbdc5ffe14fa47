//! A fleet on an etcd of three members: what it costs, and a rolling restart of etcd and of the pods while all hold.

use std::time::Duration;

use cairn_herd::figures::percentile;
use cairn_kit::clock;
use tokio::time::sleep;

use super::roll::Troubles;
use super::{Fleet, FleetError};
use crate::args::FleetArgs;
use crate::claims::count;
use crate::cpu;

/// Members of etcd.
const MEMBERS: usize = 3;

/// So many parts of the pods are replaced at once: 5 %.
const PARTS: usize = 20;

/// Anything is waited for no longer than this.
const LIMIT: Duration = Duration::from_mins(5);

/// What is measured.
#[derive(Clone, Debug, Default)]
pub struct Rolling {
    /// How many pods.
    pub pods: usize,
    /// Members of etcd.
    pub members: usize,
    /// Until every pod had a name. They start a part at a time.
    pub claimed: Duration,
    /// The longest of 99 in 100 claims.
    pub p99: Duration,
    /// Memory of all members without pods, in bytes.
    pub empty_memory: f64,
    /// With all pods.
    pub memory: f64,
    /// Open connections of clients, at all members.
    pub connections: f64,
    /// While nothing happens: Raft writes per second.
    pub writes: f64,
    /// While nothing happens: CPU of all members, in cores.
    pub cpu: f64,
    /// While nothing happens: bytes per second that etcd sends.
    pub sent: f64,
    /// Bytes of the database that are in use, with all pods.
    pub database: f64,
    /// Memory of the bench for each pod, in KiB: a machine and its connection.
    pub pod_memory: f64,
    /// How long each restart of a member took, until it was healthy.
    pub restarts: Vec<Duration>,
    /// What went wrong while etcd was restarted.
    pub etcd_troubles: Troubles,
    /// Until all pods were replaced.
    pub replaced: Duration,
    /// Raft writes for each replaced pod.
    pub replaced_writes: f64,
    /// What went wrong in all.
    pub troubles: Troubles,
}

/// Measures a fleet.
pub async fn measure(args: &FleetArgs) -> Result<Rolling, FleetError> {
    let pods = args.pods;
    eprintln!("{pods} pods on an etcd of {MEMBERS}");
    // A released name rests: those of one part are missing while the next part is replaced.
    let spare = (pods / PARTS).max(1) * 4;
    let own = std::process::id();
    let mut fleet = Fleet::start(MEMBERS, pods + spare).await?;
    let (empty, resident) = (fleet.etcd.sample().await?, cpu::resident(own));
    let claimed = grow(&mut fleet, pods).await?;
    let times = fleet.roll.claimed();
    eprintln!("  all hold a name after {claimed:.1?}; {:?}", fleet.roll.troubles());
    let pod_memory = cpu::resident(own).saturating_sub(resident);
    // The first renewals of all pods have passed then.
    sleep(fleet.validity()).await;
    let before = fleet.etcd.sample().await?;
    let span = Duration::from_secs(args.seconds.max(1));
    sleep(span).await;
    let after = fleet.etcd.sample().await?;
    let per_second = |value: f64| value / span.as_secs_f64();
    let mut rolling = Rolling {
        pods,
        members: MEMBERS,
        claimed,
        p99: percentile(&times, 99),
        empty_memory: empty.memory,
        memory: after.memory,
        connections: after.files - empty.files,
        writes: per_second(after.entries - before.entries),
        cpu: per_second(after.cpu - before.cpu),
        sent: per_second(after.sent - before.sent),
        database: after.database,
        pod_memory: count(usize::try_from(pod_memory).unwrap_or(usize::MAX)) / count(pods.max(1)),
        ..Rolling::default()
    };
    restart_etcd(&mut fleet, &mut rolling).await?;
    replace_pods(&mut fleet, pods, &mut rolling).await?;
    rolling.troubles = fleet.roll.troubles();
    eprintln!("  in all: {:?}", rolling.troubles);
    Ok(rolling)
}

/// Starts all pods, a part at a time, as a rollout does.
async fn grow(fleet: &mut Fleet, pods: usize) -> Result<Duration, FleetError> {
    let since = clock::now().boot;
    let part = (pods / PARTS).max(1);
    let mut started = 0;
    while started < pods {
        let next = part.min(pods - started);
        fleet.add(next);
        started += next;
        fleet.held(started, LIMIT).await?;
    }
    Ok(clock::now().boot.since(since))
}

/// Restarts one member after the other, each when all pods have renewed since the last one.
async fn restart_etcd(fleet: &mut Fleet, rolling: &mut Rolling) -> Result<(), FleetError> {
    let before = fleet.roll.troubles();
    for member in 0..MEMBERS {
        let since = clock::now().boot;
        fleet.etcd.restart(member).await?;
        rolling.restarts.push(clock::now().boot.since(since));
        sleep(fleet.validity()).await;
        fleet.held(rolling.pods, LIMIT).await?;
        let (troubles, errors) = (fleet.roll.troubles(), fleet.roll.errors());
        eprintln!("  member {member} was restarted; {troubles:?}{errors}");
    }
    rolling.etcd_troubles = fleet.roll.troubles().since(before);
    Ok(())
}

/// Replaces all pods, a part at a time: new ones first, and when they hold a name the old ones end.
async fn replace_pods(
    fleet: &mut Fleet,
    pods: usize,
    rolling: &mut Rolling,
) -> Result<(), FleetError> {
    let since = clock::now().boot;
    let before = fleet.etcd.sample().await?;
    let part = (pods / PARTS).max(1);
    let mut gone = 0;
    while gone < pods {
        let next = part.min(pods - gone);
        fleet.add(next);
        fleet.held(pods + next, LIMIT).await?;
        (gone..gone + next).for_each(|number| fleet.end(number));
        gone += next;
        fleet.wait("the end of pods", LIMIT, |roll| roll.gone() >= gone).await?;
    }
    rolling.replaced = clock::now().boot.since(since);
    let after = fleet.etcd.sample().await?;
    rolling.replaced_writes = (after.entries - before.entries) / count(pods.max(1));
    eprintln!("  all pods are replaced after {:.1?}", rolling.replaced);
    Ok(())
}
