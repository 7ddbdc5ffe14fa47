//! The files of coordination: `shards.json`, `shards.txt`, `leader.json`, `peers.json` and `map.json`.
//!
//! Invariants: readers never see an incomplete file; deadlines are instants on `CLOCK_BOOTTIME`, so files of another
//! boot are removed before the app starts, and those of a dead sidecar expire by themselves. Nothing is synced: after a
//! power loss the files are of another boot. Everything here blocks.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cairn_core::contract::path;
use cairn_core::coordination::member::Role;
use cairn_core::coordination::session::Status;
use serde::Serialize;

use super::Own;
use super::json::{LeaderJson, MapJson, PeersJson, ShardsJson};
use crate::publish::file::{self, FileError};
use crate::publish::mark;

/// The boot during which the files were written.
const BOOT: &str = ".coordination-boot";

/// What a right is in. They are written first.
const RIGHTS: [&str; 3] = [path::SHARDS_JSON, path::SHARDS_TXT, path::LEADER_JSON];
const ALL: [&str; 5] =
    [path::SHARDS_JSON, path::SHARDS_TXT, path::LEADER_JSON, path::PEERS_JSON, path::MAP_JSON];

/// Writes the files of one member.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
    own: std::sync::Arc<Own>,
}

/// Removes the files of another boot, and notes the present one.
pub fn remove_of_other_boot(dir: &Path) -> Result<(), FileError> {
    let boot = mark::boot_id();
    let same = !boot.is_empty()
        && fs::read_to_string(dir.join(BOOT)).is_ok_and(|former| former.trim() == boot);
    if same {
        return Ok(());
    }
    remove(dir)?;
    file::write(dir, BOOT, boot.as_bytes())
}

/// Removes all files.
pub fn remove(dir: &Path) -> Result<(), FileError> {
    ALL.iter().try_for_each(|name| file::remove(&dir.join(name)))
}

// === impl Files ===

impl Files {
    /// The files in a directory.
    pub fn new(dir: &Path, own: std::sync::Arc<Own>) -> Self {
        Self { dir: dir.to_owned(), own }
    }

    /// Writes what has changed since `before`. Rights first.
    pub fn write(&self, before: Option<&Status>, status: &Status) -> Result<(), FileError> {
        let roles = &self.own.config.terms.roles;
        let same = |read: fn(&Status, &Status) -> bool| before.is_some_and(|b| read(b, status));
        if roles.contains(&Role::Shards) {
            let shards = ShardsJson::new(status, &self.own);
            self.replace(path::SHARDS_TXT, text(&shards).as_bytes())?;
            self.json(path::SHARDS_JSON, &shards)?;
        }
        if roles.contains(&Role::Leader) || status.picture.leader.is_some() {
            self.json(path::LEADER_JSON, &LeaderJson::new(status, &self.own))?;
        } else {
            file::remove(&self.dir.join(path::LEADER_JSON))?;
        }
        if !same(|before, after| before.picture.members == after.picture.members) {
            self.json(path::PEERS_JSON, &PeersJson::new(status, &self.own, |_| true))?;
        }
        let same_map = |before: &Status, after: &Status| {
            before.picture.shards == after.picture.shards && before.picture.map == after.picture.map
        };
        if roles.contains(&Role::Shards) && !same(same_map) {
            self.json(path::MAP_JSON, &MapJson::new(status))?;
        }
        Ok(())
    }

    /// Removes the files that say what may be served.
    pub fn withdraw(&self) -> Result<(), FileError> {
        RIGHTS.iter().try_for_each(|name| file::remove(&self.dir.join(name)))
    }

    /// Removes all files: the member has left.
    pub fn clear(&self) -> Result<(), FileError> {
        remove(&self.dir)?;
        file::remove(&self.dir.join(BOOT))
    }

    fn json(&self, name: &str, value: &impl Serialize) -> Result<(), FileError> {
        let mut content = serde_json::to_vec(value).map_err(|error| FileError::Write {
            path: self.dir.join(name),
            source: error.into(),
        })?;
        content.push(b'\n');
        self.replace(name, &content)
    }

    fn replace(&self, name: &str, content: &[u8]) -> Result<(), FileError> {
        file::write_unsynced(&self.dir, name, content)
    }
}

/// A line `<shard> <deadline>` for each shard. Seconds are rounded down, so that nobody believes longer.
fn text(shards: &ShardsJson) -> String {
    let mut text = String::new();
    let centis = shards.valid_until_boottime_ns / 10_000_000;
    for shard in &shards.shards {
        // Infallible.
        let _ = writeln!(text, "{shard} {}.{:02}", centis / 100, centis % 100);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_shard_and_seconds_as_in_proc_uptime() {
        let shards = ShardsJson {
            epoch: 1,
            revision: 2,
            state: cairn_core::coordination::member::MemberState::Participant,
            count: 16,
            shards: vec![0, 5],
            fences: [(0, 97), (5, 99)].into(),
            reason: None,
            valid_until_boottime_ns: 640_019_999_999,
            stopping: Vec::new(),
        };
        assert_eq!(text(&shards), "0 640.01\n5 640.01\n");
    }

    #[test]
    fn files_of_another_boot_are_removed_and_those_of_this_boot_stay() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(path::SHARDS_TXT), "3 99.00\n").unwrap();
        remove_of_other_boot(dir.path()).unwrap();
        assert!(!dir.path().join(path::SHARDS_TXT).exists(), "of an unknown boot");
        fs::write(dir.path().join(path::SHARDS_TXT), "3 99.00\n").unwrap();
        remove_of_other_boot(dir.path()).unwrap();
        assert!(dir.path().join(path::SHARDS_TXT).exists(), "of this boot");
        fs::write(dir.path().join(BOOT), "another").unwrap();
        remove_of_other_boot(dir.path()).unwrap();
        assert!(!dir.path().join(path::SHARDS_TXT).exists(), "of another boot");
    }
    /// The shards that a script serves by a file, at this uptime in seconds. `expires`: it looks at the deadlines.
    fn served(dir: &Path, uptime: f64, expires: bool) -> Vec<u32> {
        let text = fs::read_to_string(dir.join(path::SHARDS_TXT)).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let lines = lines.filter_map(|(shard, until)| {
            Some((shard.parse::<u32>().ok()?, until.parse::<f64>().ok()?))
        });
        lines.filter(|(_, until)| !expires || uptime < *until).map(|(shard, _)| shard).collect()
    }

    /// R27, with the rule and without it.
    #[test]
    fn what_a_script_serves_by_a_file_ends_with_its_deadline_and_with_the_boot() {
        let dir = tempfile::tempdir().unwrap();
        remove_of_other_boot(dir.path()).unwrap();
        // The sidecar writes the file and dies. Its deadline passes, and others have the shard.
        fs::write(dir.path().join(path::SHARDS_TXT), "3 640.01\n").unwrap();
        assert_eq!(served(dir.path(), 640.0, true), [3]);
        assert_eq!(served(dir.path(), 641.0, true), [0_u32; 0]);
        assert_eq!(served(dir.path(), 641.0, false), [3], "a file that does not expire by itself");
        // After a reboot the uptime is below the deadline of before.
        fs::write(dir.path().join(BOOT), "another").unwrap();
        assert_eq!(served(dir.path(), 20.0, true), [3], "a file of another boot that stays");
        remove_of_other_boot(dir.path()).unwrap();
        assert_eq!(served(dir.path(), 20.0, true), [0_u32; 0]);
    }
}
