//! What the containers of a namespace have printed, also those of pods that are gone meanwhile.
//!
//! The kubelet deletes a pod's log files with the pod. A thread opens each file soon after it was made; an open file
//! can be read when its name is gone. For logs of pods that still exist, [`crate::app_log`] is enough.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Failure;
use crate::ns::Namespace;

/// No container of a test ends within this time after its start.
const SCAN: Duration = Duration::from_millis(100);
/// How much is read at once.
const BLOCK: usize = 64 * 1024;

/// Which run of which pod's container has printed a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The pod's name.
    pub pod: String,
    /// The pod's UID.
    pub uid: String,
    /// How often the container was restarted before.
    pub restart: u32,
}

/// The logs of the containers of one name in a namespace.
#[derive(Debug)]
pub struct KeptLogs {
    files: Arc<Mutex<BTreeMap<Origin, File>>>,
    over: Arc<AtomicBool>,
    follower: Option<JoinHandle<()>>,
}

// === impl KeptLogs ===

impl KeptLogs {
    /// Keeps the logs of these containers from now on.
    pub fn follow(ns: &Namespace, container: &str) -> Self {
        let files = Arc::<Mutex<BTreeMap<Origin, File>>>::default();
        let over = Arc::<AtomicBool>::default();
        let pods = ns.cluster.state_dir().join("pods");
        let prefix = format!("{}_", ns.name);
        let container = container.to_owned();
        let follower = {
            let (files, over) = (Arc::clone(&files), Arc::clone(&over));
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                    open_new(&pods, &prefix, &container, &mut files);
                    drop(files);
                    thread::sleep(SCAN);
                }
            })
        };
        Self { files, over, follower: Some(follower) }
    }

    /// What was printed so far: whole lines, without what the runtime writes before them.
    pub fn read(&self) -> Result<Vec<(Origin, Vec<String>)>, Failure> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |(origin, file): (&Origin, &File)| {
            let text = whole(file).map_err(|source| Failure::File {
                path: PathBuf::from(format!("the log of {}", origin.pod)),
                source,
            })?;
            Ok((origin.clone(), lines(&text)))
        };
        files.iter().map(read).collect()
    }
}

impl Drop for KeptLogs {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(follower) = self.follower.take() {
            // It has only failed if it has panicked, and then its message is in the log.
            let _ = follower.join();
        }
    }
}

/// A folder may be gone before it is read, and at first none exists.
fn open_new(pods: &Path, prefix: &str, container: &str, files: &mut BTreeMap<Origin, File>) {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries(pods) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((pod, uid)) = name.strip_prefix(prefix).and_then(|rest| rest.rsplit_once('_'))
        else {
            continue;
        };
        for log in entries(&entry.path().join(container)) {
            let path = log.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let Some(restart) = stem.and_then(|stem| stem.parse().ok()) else { continue };
            let origin = Origin { pod: pod.to_owned(), uid: uid.to_owned(), restart };
            if let Some(file) = File::open(&path).ok().filter(|_| !files.contains_key(&origin)) {
                files.insert(origin, file);
            }
        }
    }
}

/// From the beginning, wherever it was read before.
fn whole(file: &File) -> std::io::Result<String> {
    let (mut text, mut block) = (Vec::new(), vec![0; BLOCK]);
    loop {
        let at = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let read = file.read_at(&mut block, at)?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
        text.extend_from_slice(block.get(..read).unwrap_or_default());
    }
}

fn lines(text: &str) -> Vec<String> {
    let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    // Instant, stream, whether the line is full, message.
    let message = |line: &str| line.splitn(4, ' ').nth(3).map(str::to_owned);
    whole.lines().filter_map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_when_its_file_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("t-one_web-1_uid-1/app");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(home.path().join("t-other_web-1_uid-2/app")).unwrap();
        let log = folder.join("0.log");
        fs::write(&log, "2026-11-26T07:41:01Z stdout F one\n2026-11-26T07:41:02Z std").unwrap();
        fs::write(folder.join("0.log.gz"), "rotated").unwrap();
        let mut files = BTreeMap::new();
        open_new(home.path(), "t-one_", "app", &mut files);
        fs::remove_dir_all(home.path().join("t-one_web-1_uid-1")).unwrap();
        let (origin, file) = files.pop_first().unwrap();
        assert_eq!((&*origin.pod, &*origin.uid, origin.restart), ("web-1", "uid-1", 0));
        assert_eq!(lines(&whole(&file).unwrap()), ["one"]);
        assert!(files.is_empty(), "{files:?}");
    }
}
