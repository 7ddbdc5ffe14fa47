//! Writes a large group into etcd as if it had run before: its map, a record for each member, an owner for each shard.
//!
//! Members that start on it resume these sessions (C3). So a thousand members do not make their first map on one
//! machine, where it would keep two cores busy for minutes.

use cairn_core::coordination::map::ShardMap;
use cairn_core::coordination::member::{MemberRecord, MemberState};
use cairn_core::coordination::owner::{Grant, Ownable};
use cairn_core::coordination::path::{GroupKey, HOLD};
use cairn_core::coordination::plan::{self, CURRENT, Candidate, Input};
use cairn_core::coordination::session::Config;
use cairn_store::{Error, Kv, Op, Store, Txn};

use super::group::{Group, GroupError, Site};

/// Below etcd's limit of 128 operations in a transaction.
const AT_ONCE: usize = 100;

/// Writes the group with so many members.
pub async fn write(site: &Site, group: &Group, members: usize) -> Result<(), GroupError> {
    let Some(map) = group.template.map() else { return Ok(()) };
    let root = site.root();
    let path = group.path();
    let mut puts = vec![Op::put(path.key(&GroupKey::Map), json(&map), 0)];
    for number in 0..members {
        let config = group.config(number);
        puts.push(Op::put(path.member(&config.uid), json(&record(&config)), 0));
    }
    put_all(&**root, puts).await.map_err(GroupError::Store)?;
    let picture = Store::new(std::sync::Arc::clone(root)).read_group(path, false).await;
    let picture = picture.map_err(GroupError::Store)?;
    let members = picture.members.iter();
    let all: Vec<_> = members.map(|(uid, member)| (uid, &**member)).collect();
    let candidates: Vec<Candidate<'_>> = all
        .iter()
        .map(|(uid, member)| Candidate {
            uid,
            weight: member.record.weight,
            generation: &member.record.generation,
            admitted: member.record.admitted,
            session: member.session,
            draining: false,
            resigned: false,
        })
        .collect();
    let moves = first_map(map, &candidates);
    let puts = moves.iter().filter_map(|(shard, owner)| {
        let (uid, member) = all.get(*owner)?;
        let grant = Grant {
            uid: (*uid).clone(),
            session: member.session,
            validity_ms: member.record.validity_ms,
        };
        Some(Op::put(path.owner(Ownable::Shard(*shard)), json(&grant), 0))
    });
    put_all(&**root, puts.collect()).await.map_err(GroupError::Store)
}

/// Lets no owner change, or lets them change again.
pub async fn hold(site: &Site, exists: bool) -> Result<(), GroupError> {
    let value = json(&serde_json::json!({ "seconds": 64, "cause": "restored" }));
    let op = if exists { Op::put(HOLD, value, 0) } else { Op::Delete(HOLD.to_owned()) };
    put_all(&**site.root(), vec![op]).await.map_err(GroupError::Store)
}

/// The owner of each shard of a new group.
fn first_map(map: ShardMap, members: &[Candidate<'_>]) -> Vec<(u32, usize)> {
    let made = plan::plan(&Input {
        map,
        version: CURRENT,
        members,
        owners: &[],
        orphans: &[],
        stopping: &[],
        may_balance: true,
        passed_over: &[],
    });
    made.moves.into_iter().map(|next| (next.shard, next.to)).collect()
}

/// The record of an earlier process of the member.
fn record(config: &Config) -> MemberRecord {
    MemberRecord {
        state: MemberState::Participant,
        nonce: "an-earlier-process".to_owned(),
        ..config.record()
    }
}

/// Plain structs of the domain always serialise.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

async fn put_all(kv: &impl Kv, puts: Vec<Op>) -> Result<(), Error> {
    for puts in puts.chunks(AT_ONCE) {
        kv.txn(Txn { then: puts.to_vec(), ..Txn::default() }).await?;
    }
    Ok(())
}
