//! Measures hand-overs of shards and of the leadership, and the two simpler protocols on the same etcd.

use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::session::Command;
use cairn_core::coordination::validity::Validity;
use cairn_kit::clock;
use futures::future::try_join_all;

use super::acks::{Acks, Map};
use super::election::Election;
use super::group::{Group, GroupError, Site, Template, from_now};
use super::journal::Verdict;
use crate::args::CoordinationArgs;
use crate::claims::count;

/// Elections that run beside each other: each takes seconds.
const ELECTIONS: usize = 10;
/// Candidates of one election, and members of a group with a leader that is killed.
const CANDIDATES: usize = 3;
/// Groups whose leader is killed.
const KILLED: usize = 5;

/// One protocol's moves of shards.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    /// What the journal shows.
    pub verdict: Verdict,
    /// Raft writes for each change.
    pub writes: f64,
    /// Bytes of the watches for each member and change.
    pub bytes: f64,
    /// How many changes there were.
    pub changes: usize,
}

/// What was measured. Times are sorted.
#[derive(Clone, Debug, Default)]
pub struct HandOvers {
    /// Cairn: one member after the other drains and leaves.
    pub cairn: Moved,
    /// The writer takes the shards of one member after the other away.
    pub acks: Moved,
    /// Cairn: from the resignation until another one leads.
    pub resigned: Vec<Duration>,
    /// The election of client-go: the same.
    pub resigned_simple: Vec<Duration>,
    /// Cairn, a validity of 10 s: from the kill until another one leads.
    pub killed: Vec<Duration>,
    /// Cairn, a validity of 3 s: the same.
    pub killed_short: Vec<Duration>,
    /// The election of client-go: the same.
    pub killed_simple: Vec<Duration>,
    /// The shards of the group.
    pub shards: u32,
    /// The members of the group.
    pub members: usize,
}

/// Measures all of it, one after the other, on one etcd.
pub async fn measure(site: &Site, args: &CoordinationArgs) -> Result<HandOvers, GroupError> {
    let (members, shards) = (args.members.max(2), args.shards);
    eprintln!("hand-overs of {shards} shards among {members} members");
    let mut group = site.group("handover", Template::new(shards, members))?;
    group.add_many(members).await?;
    group.served().await?;
    group.aged().await?;
    let resigned = resign(&mut group, args.resignations).await?;
    let cairn = drain(site, &mut group).await?;
    drop(group);
    eprintln!("the same with proposals that every member acknowledges");
    let acks = acknowledge(site, members, shards).await?;
    eprintln!("elections of client-go's kind");
    let resigned_simple = elect(site, args.elections).await?;
    eprintln!("leaders that are killed");
    let long = kill(site, "long", Validity::DEFAULT);
    let short = kill(site, "short", Validity::SHORTEST);
    let (killed, killed_short, killed_simple) = tokio::try_join!(long, short, kill_simple(site))?;
    Ok(HandOvers {
        cairn,
        acks,
        resigned,
        resigned_simple,
        killed,
        killed_short,
        killed_simple,
        shards,
        members,
    })
}

/// The leader resigns, again and again.
async fn resign(group: &mut Group, times: usize) -> Result<Vec<Duration>, GroupError> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let before = group.leader().await?;
        let (since, from) = (from_now(), group.members.get(before));
        if let Some(member) = from {
            member.command(Command::Resign);
        }
        took.push(another_leads(group, before, since).await?);
    }
    took.sort_unstable();
    Ok(took)
}

/// The time until the app of another member was told that it leads.
async fn another_leads(
    group: &mut Group,
    before: usize,
    since: cairn_core::time::BootInstant,
) -> Result<Duration, GroupError> {
    let others = group.members.iter_mut().enumerate().filter(|(place, _)| *place != before);
    let waiting = others.map(|(_, member)| {
        Box::pin(async {
            if member.wait(Duration::from_mins(2), |seen| seen.leads).await {
                Some(clock::now().boot)
            } else {
                None
            }
        })
    });
    let (at, ..) = futures::future::select_all(waiting).await;
    let silent = || GroupError::Silent { what: "another leader".to_owned() };
    Ok(at.ok_or_else(silent)?.since(since))
}

/// One member after the other drains and leaves, until one is left.
async fn drain(site: &Site, group: &mut Group) -> Result<Moved, GroupError> {
    let since = from_now();
    let mut moved = Moved { changes: group.members.len() - 1, ..Moved::default() };
    let before = site.sample().await?.entries;
    let mut bytes = 0.0;
    while group.members.len() > 1 {
        let (_, traffic) = group.traffic.so_far();
        group.drain(0).await?;
        group.served().await?;
        let (_, now) = group.traffic.so_far();
        bytes += float(now - traffic) / count(group.members.len() + 1);
    }
    moved.writes = (site.sample().await?.entries - before) / count(moved.changes);
    moved.bytes = bytes / count(moved.changes);
    moved.verdict = group.journal.verdict(since, |of| of != Ownable::Leader);
    Ok(moved)
}

/// The same by proposals: all members stay, but one after the other owns nothing any more.
async fn acknowledge(site: &Site, members: usize, shards: u32) -> Result<Moved, GroupError> {
    let mut acks = Acks::start(site, members).await?;
    let mut map: Map = (0..shards as usize).map(|shard| shard % members).collect();
    acks.change(&map).await?;
    let since = from_now();
    let before = site.sample().await?.entries;
    let (_, traffic) = acks.traffic.so_far();
    for drained in 0..members - 1 {
        spread(&mut map, drained, members);
        acks.change(&map).await?;
    }
    let (_, now) = acks.traffic.so_far();
    let changes = members - 1;
    Ok(Moved {
        verdict: acks.journal.verdict(since, |_| true),
        writes: (site.sample().await?.entries - before) / count(changes),
        bytes: float(now - traffic) / count(changes * members),
        changes,
    })
}

/// Gives the shards of a member in turn to those with a higher number.
fn spread(map: &mut Map, drained: usize, members: usize) {
    let mut next = (drained + 1..members).cycle();
    for owner in map.iter_mut().filter(|owner| **owner == drained) {
        *owner = next.next().unwrap_or(*owner);
    }
}

/// Several elections at once, in each of which the leader resigns so many times.
async fn elect(site: &Site, times: usize) -> Result<Vec<Duration>, GroupError> {
    let elections = (0..ELECTIONS).map(|number| async move {
        let mut election = Election::start(site, &format!("r{number}"), CANDIDATES).await?;
        let mut took = Vec::new();
        for _ in 0..times {
            took.push(election.resign().await);
        }
        Ok::<_, GroupError>(took)
    });
    Ok(sorted(try_join_all(elections).await?.into_iter().flatten()))
}

/// Leaders of several groups are killed, with their processes.
async fn kill(site: &Site, name: &str, validity: Validity) -> Result<Vec<Duration>, GroupError> {
    let groups = (0..KILLED).map(|number| async move {
        let mut group = site.group(&format!("{name}{number}"), Template::leader(validity))?;
        group.add_many(CANDIDATES).await?;
        group.leader().await?;
        group.wait("sessions", |seen| seen.iter().all(|seen| seen.since.is_some())).await?;
        let leader = group.leader().await?;
        let since = from_now();
        drop(group.members.remove(leader));
        another_leads(&mut group, usize::MAX, since).await
    });
    Ok(sorted(try_join_all(groups).await?))
}

async fn kill_simple(site: &Site) -> Result<Vec<Duration>, GroupError> {
    let elections = (0..KILLED).map(|number| async move {
        let mut election = Election::start(site, &format!("k{number}"), CANDIDATES).await?;
        Ok::<_, GroupError>(election.kill().await)
    });
    Ok(sorted(try_join_all(elections).await?))
}

fn sorted(spans: impl IntoIterator<Item = Duration>) -> Vec<Duration> {
    let mut spans: Vec<Duration> = spans.into_iter().collect();
    spans.sort_unstable();
    spans
}

/// A count of bytes as a number for division.
pub(super) fn float(bytes: u64) -> f64 {
    Duration::from_nanos(bytes).as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_of_a_drained_member_go_to_all_others_that_are_left() {
        let mut map: Map = (0..12).map(|shard| shard % 4).collect();
        for drained in 0..3 {
            spread(&mut map, drained, 4);
            assert!(map.iter().all(|owner| *owner > drained));
            let counts: Vec<usize> = (drained + 1..4)
                .map(|member| map.iter().filter(|o| **o == member).count())
                .collect();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 2, "{counts:?}");
        }
    }

    #[test]
    fn bytes_are_counted_exactly() {
        assert!((float(3_000_000_001) - 3_000_000_001.0).abs() < 0.5);
    }
}
