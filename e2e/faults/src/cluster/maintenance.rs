//! What an administrator does to a cluster: replaces members, compacts, saves and restores its data.

use std::path::PathBuf;
use std::process::Command;

use super::{Cluster, MEMBERS, RECOVERY, within};
use crate::failure::Failure;
use crate::wait::until;

// === impl Cluster ===

impl Cluster {
    /// Removes a member from the cluster, data and all, and adds a new one in its place.
    pub async fn replace(&mut self, member: usize) -> Result<(), Failure> {
        let peer = self.net.peer_url(member);
        let through = (member + 1) % MEMBERS;
        self.kill(member);
        Box::pin(until("removing a member", RECOVERY, async || {
            let mut client = self.client(through).await?;
            let listed = within(client.member_list()).await?;
            let old = listed.members().iter().find(|old| old.peer_urls().contains(&peer));
            match old {
                Some(old) => within(client.member_remove(old.id())).await.map(drop),
                None => Ok(()),
            }
        }))
        .await?;
        Box::pin(until("adding a member", RECOVERY, async || {
            let mut client = self.client(through).await?;
            let listed = within(client.member_list()).await?;
            if listed.members().iter().any(|new| new.peer_urls().contains(&peer)) {
                return Ok(());
            }
            within(client.member_add([peer.as_str()], None)).await.map(drop)
        }))
        .await?;
        if let Some(replaced) = self.member(member) {
            replaced.life += 1;
        }
        self.spawn(member, "existing")
    }

    /// Compacts the store up to a revision, as etcd does from time to time.
    pub async fn compact(&self, revision: i64) -> Result<(), Failure> {
        until("a compaction", RECOVERY, async || {
            let mut last = String::new();
            for member in 0..MEMBERS {
                let mut client = match self.client(member).await {
                    Ok(client) => client,
                    Err(error) => {
                        last = error;
                        continue;
                    }
                };
                match within(client.compact(revision, None)).await {
                    // An earlier attempt without an answer may have compacted the store.
                    Err(error) if !error.contains("compacted") => last = error,
                    _ => return Ok(()),
                }
            }
            Err(last)
        })
        .await
    }

    /// Stops all members, copies their data, and starts them again.
    pub async fn save(&mut self) -> Result<(), Failure> {
        self.copy_data(|data, saved| (data, saved)).await
    }

    /// Stops all members, and starts them with the data that were saved last: the store goes back to that revision.
    pub async fn restore(&mut self) -> Result<(), Failure> {
        self.copy_data(|data, saved| (saved, data)).await
    }

    /// The index of the last Raft entry that any member has: it grows with every write, lease and election.
    pub async fn raft_index(&self) -> Result<u64, Failure> {
        until("the status of a member", RECOVERY, async || {
            let mut last = 0;
            for member in 0..MEMBERS {
                let mut client = self.client(member).await?;
                last = last.max(within(client.status()).await?.raft_index());
            }
            Ok(last)
        })
        .await
    }

    async fn copy_data(
        &mut self,
        direction: impl Fn(PathBuf, PathBuf) -> (PathBuf, PathBuf),
    ) -> Result<(), Failure> {
        for member in 0..MEMBERS {
            self.kill(member);
        }
        for member in 0..MEMBERS {
            let life = self.members.get(member).map_or(0, |member| member.life);
            let data = self.data(member, life);
            let saved = data.with_extension("saved");
            let (from, to) = direction(data, saved);
            let _ = std::fs::remove_dir_all(&to);
            let output = Command::new("cp").arg("-a").arg(&from).arg(&to).output();
            let output = output
                .map_err(|source| Failure::system(format!("copying {}", from.display()), source))?;
            if !output.status.success() {
                let command = format!("cp -a {} {}", from.display(), to.display());
                let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(Failure::Command { command, output });
            }
        }
        for member in 0..MEMBERS {
            self.spawn(member, "existing")?;
        }
        self.ready().await.map(drop)
    }
}
