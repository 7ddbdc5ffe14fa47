//! Measures a large group: what it costs while nothing happens, and when one member joins or leaves.

use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use cairn_core::time::BootInstant;
use cairn_kit::clock;
use tokio::time::sleep;

use super::group::{Group, GroupError, Site, Template};
use super::handover::float;
use super::journal::Verdict;
use super::probe::Work;
use super::seed;
use crate::args::CoordinationArgs;
use crate::claims::count;
use crate::cpu;
use crate::hosts::Hosts;

/// So many members start at once: each reads the whole group, and the others have to renew meanwhile.
const AT_ONCE: usize = 20;

/// What one change of the group costs.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Until it was over, from the start or the drain of the member.
    pub took: Duration,
    /// Raft writes.
    pub writes: f64,
    /// Bytes of the watches, for each member.
    pub bytes: f64,
    /// All that etcd has sent, renewals included, in bytes for each member.
    pub sent: f64,
    /// How many shards the member has got or given.
    pub shards: usize,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Scale {
    /// The members.
    pub members: usize,
    /// The shards.
    pub shards: u32,
    /// Memory of all members and their connections, in KiB for each.
    pub memory: f64,
    /// The length of the steady measurement.
    pub span: Duration,
    /// Raft writes per second while nothing happens.
    pub writes: f64,
    /// CPU of etcd while nothing happens, in cores.
    pub etcd_cpu: f64,
    /// Memory of etcd, in MiB.
    pub etcd_memory: f64,
    /// CPU of all members while nothing happens, in cores.
    pub members_cpu: f64,
    /// Bytes of the watches while nothing happens, per second and member.
    pub idle_bytes: f64,
    /// The machines' steps with answers to renewals while nothing happens.
    pub renewals: Work,
    /// Their other steps.
    pub others: Work,
    /// One member joined.
    pub joins: Vec<Change>,
    /// One member drained and left.
    pub leaves: Vec<Change>,
    /// From the send of a write until a member's process had it; all members, all writes of the joins. Sorted.
    pub delivered: Vec<Duration>,
    /// From the send of a write until a member's machine had taken it in. Sorted.
    pub applied: Vec<Duration>,
    /// The machines' steps with changes while members joined.
    pub changes: Work,
    /// Sessions that were lost.
    pub lost: u64,
    /// What the journal shows of shards.
    pub verdict: Verdict,
}

/// Measures a group of `args.scale_members`.
pub async fn measure(site: &Site, args: &CoordinationArgs) -> Result<Scale, GroupError> {
    let (members, shards) = (args.scale_members, args.scale_shards);
    eprintln!("{members} members with {shards} shards");
    let hosts = Hosts::start().map_err(GroupError::Thread)?;
    let mut group = site.group_on(hosts, "scale", Template::new(shards, 1))?;
    seed::write(site, &group, members).await?;
    let own = std::process::id();
    let before = cpu::resident(own);
    let began = clock::now().boot;
    // Nobody plans while a hold exists: else every member would at every start of another.
    seed::hold(site, true).await?;
    while group.members.len() < members {
        group.add_many(AT_ONCE.min(members - group.members.len())).await?;
        group.wait("sessions", |seen| seen.iter().all(|seen| seen.since.is_some())).await?;
    }
    seed::hold(site, false).await?;
    eprintln!("  all have a session after {:.1?}", clock::now().boot.since(began));
    group.served().await?;
    group.leader().await?;
    eprintln!("  all members run after {:.1?}", clock::now().boot.since(began));
    group.aged().await?;
    let memory = cpu::resident(own).saturating_sub(before);
    let mut scale = Scale { members, shards, ..Scale::default() };
    scale.memory = float(memory) / count(members);
    steady(site, &group, args, &mut scale).await?;
    eprintln!("  members that join and leave");
    joins(site, &mut group, args, &mut scale).await?;
    scale.lost = group.lost();
    let always = BootInstant::default();
    scale.verdict = group.journal.verdict(always, |of| of != Ownable::Leader);
    Ok(scale)
}

/// While nothing happens.
async fn steady(
    site: &Site,
    group: &Group,
    args: &CoordinationArgs,
    scale: &mut Scale,
) -> Result<(), GroupError> {
    let probe = &group.probe;
    let own = std::process::id();
    let renewals = probe.renewed.so_far();
    let others = || {
        let (changed, other) = (probe.changed.so_far(), probe.other.so_far());
        Work { steps: changed.steps + other.steps, took: changed.took + other.took }
    };
    let others_before = others();
    let (before, used) = (site.sample().await?, cpu::used(own));
    let (_, traffic) = group.traffic.so_far();
    let since = clock::now().boot;
    sleep(Duration::from_secs(args.seconds.max(1))).await;
    let (after, used_after) = (site.sample().await?, cpu::used(own));
    scale.span = clock::now().boot.since(since);
    let span = scale.span.as_secs_f64();
    scale.writes = (after.entries - before.entries) / span;
    scale.etcd_cpu = (after.cpu - before.cpu) / span;
    scale.etcd_memory = after.memory / count(1024 * 1024);
    scale.members_cpu = used_after.saturating_sub(used).as_secs_f64() / span;
    scale.idle_bytes = float(group.traffic.so_far().1 - traffic) / span / count(scale.members);
    scale.renewals = probe.renewed.so_far().since(renewals);
    scale.others = others().since(others_before);
    Ok(())
}

async fn joins(
    site: &Site,
    group: &mut Group,
    args: &CoordinationArgs,
    scale: &mut Scale,
) -> Result<(), GroupError> {
    let changes = group.probe.changed.so_far();
    group.probe.forget();
    for _ in 0..args.joins {
        let change = one(site, group, async |group| {
            group.add().await?;
            let least = group.template.shards as usize / group.members.len();
            let joined = |seen: &[super::member::Seen]| {
                seen.last().is_some_and(|newest| newest.shards >= least)
            };
            group.wait("a new member with its quota", joined).await?;
            Ok(group.members.last().map_or(0, |newest| newest.seen().shards))
        });
        scale.joins.push(change.await?);
    }
    scale.changes = group.probe.changed.so_far().since(changes);
    let spread = group.probe.spread();
    (scale.delivered, scale.applied) = (spread.delivered, spread.applied);
    for _ in 0..args.joins {
        let change = one(site, group, async |group| {
            let shards = group.members.first().map_or(0, |oldest| oldest.seen().shards);
            group.drain(0).await?;
            Ok(shards)
        });
        scale.leaves.push(change.await?);
    }
    Ok(())
}

/// One change, until every member knows of it and every shard is served.
async fn one(
    site: &Site,
    group: &mut Group,
    change: impl AsyncFnOnce(&mut Group) -> Result<usize, GroupError>,
) -> Result<Change, GroupError> {
    let before = site.sample().await?;
    let (_, traffic) = group.traffic.so_far();
    let since = clock::now().boot;
    let shards = change(group).await?;
    group.served().await?;
    let members = group.members.len();
    group
        .wait("all members know all members", |seen| {
            seen.iter().all(|seen| seen.members == members)
        })
        .await?;
    let took = clock::now().boot.since(since);
    let after = site.sample().await?;
    Ok(Change {
        took,
        writes: after.entries - before.entries,
        bytes: float(group.traffic.so_far().1 - traffic) / count(members),
        sent: (after.sent - before.sent) / count(members),
        shards,
    })
}
