//! Measures a rollout with one pod more than needed, as `maxSurge: 1` and `maxUnavailable: 0` do it.

use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use cairn_core::time::BootInstant;
use cairn_kit::clock;
use tokio::time::sleep;

use super::group::{Group, GroupError, Site, Template, from_now};
use super::journal::Verdict;
use crate::args::CoordinationArgs;
use crate::claims::count;

/// A new pod takes at least this long to be ready.
const READY: Duration = Duration::from_millis(500);

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Rollout {
    /// The pods before and after.
    pub pods: usize,
    /// The number of shards.
    pub shards: u32,
    /// What the journal shows of shards.
    pub verdict: Verdict,
    /// How often a shard moved, on average.
    pub moves: f64,
    /// Raft writes in all.
    pub writes: f64,
    /// How long it took.
    pub took: Duration,
}

/// Replaces every pod by one of another generation: a new one, and when that is ready an old one is drained.
pub async fn measure(site: &Site, args: &CoordinationArgs) -> Result<Rollout, GroupError> {
    let (pods, shards) = (args.rollout_pods, args.rollout_shards);
    eprintln!("a rollout of {pods} pods with {shards} shards");
    let mut group = site.group("rollout", Template::new(shards, pods))?;
    group.add_many(pods).await?;
    group.served().await?;
    group.aged().await?;
    let (since, before) = (from_now(), site.sample().await?.entries);
    "b".clone_into(&mut group.template.generation);
    for _ in 0..pods {
        group.add().await?;
        ready(&mut group).await?;
        sleep(READY).await;
        group.drain(0).await?;
    }
    group.served().await?;
    let took = clock::now().boot.since(since);
    at_rest(&group, since).await;
    let verdict = group.journal.verdict(since, |of| of != Ownable::Leader);
    Ok(Rollout {
        pods,
        shards,
        moves: count(verdict.gaps.len()) / f64::from(shards.max(1)),
        verdict,
        writes: site.sample().await?.entries - before,
        took,
    })
}

async fn ready(group: &mut Group) -> Result<(), GroupError> {
    let Some(newest) = group.members.last_mut() else { return Ok(()) };
    let is = newest.wait(Duration::from_mins(1), |seen| seen.since.is_some()).await;
    is.then_some(()).ok_or_else(|| GroupError::Silent { what: "a session of a new pod".to_owned() })
}

/// What is balanced after the rollout counts, too: waits until nothing has moved for as long as members wait for calm,
/// and new members for their takeover delay.
async fn at_rest(group: &Group, since: BootInstant) {
    let calm = group.template.validity.takeover_delay() + Duration::from_secs(3);
    let moves = || group.journal.verdict(since, |of| of != Ownable::Leader).gaps.len();
    let mut before = usize::MAX;
    while before != moves() {
        before = moves();
        sleep(calm).await;
    }
}
