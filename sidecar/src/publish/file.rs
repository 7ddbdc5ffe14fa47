//! Atomic writes of single files: readers never see an incomplete file.
//!
//! A file is written under a temporary name in the same directory, synced, and renamed. Every uid can read it, whatever
//! the umask is. Only one process may write into a directory ([`super::tree::Tree`] has the lock). Everything here
//! blocks.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Apps run under any uid, and no file is secret.
const FILE_MODE: u32 = 0o644;
/// As above; users may list the directory.
const DIR_MODE: u32 = 0o755;

/// An operation that failed.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file cannot be written or renamed.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The directory cannot be created.
    #[error("cannot make the directory {}", path.display())]
    MakeDir {
        /// Which directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The link cannot be created.
    #[error("cannot link {}", path.display())]
    Link {
        /// Which link.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file cannot be removed.
    #[error("cannot remove {}", path.display())]
    Remove {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The temporary name of a file.
pub fn temporary(name: &str) -> String {
    format!(".{name}.tmp")
}

/// Writes a file, unless it has this content already.
pub fn write(dir: &Path, name: &str, content: &[u8]) -> Result<(), FileError> {
    replace(dir, name, content, File::sync_all)
}

/// The same for a file that means nothing after a power loss.
pub fn write_unsynced(dir: &Path, name: &str, content: &[u8]) -> Result<(), FileError> {
    replace(dir, name, content, |_| Ok(()))
}

fn replace(
    dir: &Path,
    name: &str,
    content: &[u8],
    sync: impl FnOnce(&File) -> io::Result<()>,
) -> Result<(), FileError> {
    let path = dir.join(name);
    if fs::read(&path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let temporary = dir.join(temporary(name));
    let written = (|| {
        gone(&temporary)?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        file.write_all(content)?;
        sync(&file)?;
        fs::rename(&temporary, &path)
    })();
    written.map_err(|source| FileError::Write { path, source })
}

/// Creates or replaces a link, unless it has this target already.
pub fn link(dir: &Path, name: &str, target: &Path) -> Result<(), FileError> {
    let path = dir.join(name);
    if fs::read_link(&path).is_ok_and(|present| present == target) {
        return Ok(());
    }
    let temporary = dir.join(temporary(name));
    let linked = gone(&temporary)
        .and_then(|()| symlink(target, &temporary))
        .and_then(|()| fs::rename(&temporary, &path));
    linked.map_err(|source| FileError::Link { path, source })
}

/// Removes a file or link; a missing one is no error.
pub fn remove(path: &Path) -> Result<(), FileError> {
    gone(path).map_err(|source| FileError::Remove { path: path.to_owned(), source })
}

/// Creates a directory and its parents, readable by every uid. An existing one is no error.
pub fn make_dir(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_dir(parent)?;
    }
    let made = match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(DIR_MODE)),
        error => error,
    };
    made.map_err(|source| FileError::MakeDir { path: path.to_owned(), source })
}

/// Removes the temporary files of interrupted writes.
pub fn sweep(dir: &Path) -> Result<(), FileError> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(".tmp") {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Opens an empty file for locking.
pub fn lockable(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_file_is_rewritten_only_when_it_differs() {
        let dir = tempfile::tempdir().unwrap();
        let inode = || fs::metadata(dir.path().join("name")).unwrap().ino();
        write(dir.path(), "name", b"Denali").unwrap();
        let first = inode();
        write(dir.path(), "name", b"Denali").unwrap();
        assert_eq!(inode(), first);
        write(dir.path(), "name", b"Foraker").unwrap();
        assert_ne!(inode(), first);
        assert_eq!(fs::read(dir.path().join("name")).unwrap(), b"Foraker");
    }

    #[test]
    fn only_temporary_files_of_interrupted_writes_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".name.tmp", ".stop", "name"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        sweep(dir.path()).unwrap();
        assert!(!dir.path().join(".name.tmp").exists());
        assert!(dir.path().join(".stop").exists() && dir.path().join("name").exists());
        sweep(&dir.path().join("missing")).unwrap();
    }

    #[test]
    fn a_link_follows_its_target_and_a_missing_file_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        for pool in ["a", "b"] {
            make_dir(&dir.path().join(pool)).unwrap();
            write(&dir.path().join(pool), "name", pool.as_bytes()).unwrap();
            link(dir.path(), "name", &Path::new(pool).join("name")).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join("name")).unwrap(), pool);
        }
        remove(&dir.path().join("nothing")).unwrap();
    }

    #[test]
    fn a_refused_write_says_which_file() {
        let error = write(Path::new("/proc"), "name", b"x").unwrap_err();
        assert_eq!(error.to_string(), "cannot write /proc/name");
    }
}
