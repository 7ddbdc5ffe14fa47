//! Reads the IDs of member and cluster from a member's volume.
//!
//! Every segment of etcd's write-ahead log begins with a checksum record and a metadata record, which
//! names member and cluster (server/storage/wal, 3.6.14). A frame is a length of 8 bytes, little
//! endian, whose highest byte counts padding; then the record, padded to 8 bytes.
//! The volume is only read, never changed.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use prost::Message;
use thiserror::Error;

use super::record::HexId;

/// `walpb.Record.type` of the metadata.
const METADATA: i64 = 1;
/// A longer record is no metadata, which has 22 bytes at most.
const MAX_RECORD: usize = 4096;

/// The owner of the data on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredIds {
    /// The cluster.
    pub cluster: HexId,
    /// The member.
    pub member: HexId,
}

/// Why the IDs cannot be read.
#[derive(Debug, Error)]
pub enum VolumeError {
    /// The folder or the file cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not a write-ahead log.
    #[error("{} is not a write-ahead log of etcd; restore the volume, or delete its claim", .0.display())]
    Format(PathBuf),
}

#[derive(Clone, PartialEq, Message)]
struct WalRecord {
    #[prost(int64, optional, tag = "1")]
    kind: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "3")]
    data: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct WalMetadata {
    #[prost(uint64, optional, tag = "1")]
    node_id: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    cluster_id: Option<u64>,
}

/// Reads a data folder; `None` when etcd would find no data in it.
pub fn read(data_dir: &Path) -> Result<Option<StoredIds>, VolumeError> {
    let wal = data_dir.join("member/wal");
    let failed = |source| VolumeError::Read { path: wal.clone(), source };
    let entries = match fs::read_dir(&wal) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut segments = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "wal") {
            segments.push(path);
        }
    }
    let Some(path) = segments.into_iter().min() else { return Ok(None) };
    let read = |source| VolumeError::Read { path: path.clone(), source };
    let mut head = Vec::new();
    let mut file = File::open(&path).map_err(read)?;
    file.by_ref().take(2 * MAX_RECORD as u64).read_to_end(&mut head).map_err(read)?;
    ids(&head).map(Some).ok_or(VolumeError::Format(path))
}

fn ids(mut bytes: &[u8]) -> Option<StoredIds> {
    loop {
        let (record, rest) = next_record(bytes)?;
        if record.kind == Some(METADATA) {
            let metadata = WalMetadata::decode(record.data?.as_slice()).ok()?;
            return Some(StoredIds {
                cluster: HexId(metadata.cluster_id?),
                member: HexId(metadata.node_id?),
            });
        }
        bytes = rest;
    }
}

fn next_record(bytes: &[u8]) -> Option<(WalRecord, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let field = u64::from_le_bytes(*length);
    let size = usize::try_from(field & !(0xff << 56)).ok()?;
    let padding = if field >> 63 == 1 { usize::try_from((field >> 56) & 0x7).ok()? } else { 0 };
    // A length of 0 begins the part of the file that is allocated and not written yet.
    if size == 0 || size > MAX_RECORD {
        return None;
    }
    let record = WalRecord::decode(rest.get(..size)?).ok()?;
    Some((record, rest.get(size + padding..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_log_holds_no_data_and_a_broken_log_is_not_taken_for_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        fs::create_dir_all(dir.path().join("member/wal")).unwrap();
        fs::write(dir.path().join("member/wal/0.tmp"), "").unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        fs::write(dir.path().join("member/wal/0.wal"), [0; 64]).unwrap();
        assert!(matches!(read(dir.path()), Err(VolumeError::Format(_))));
    }
}
