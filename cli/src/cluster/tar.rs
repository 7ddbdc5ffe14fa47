//! The files of a small tar archive of texts, as `cairn-webhook etcd-certificate` prints it.

use std::collections::BTreeMap;

const BLOCK: usize = 512;
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;

/// The files by name. What cannot be read ends the list.
pub fn files(archive: &[u8]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut rest = archive;
    while let Some((name, text, after)) = next(rest) {
        files.insert(name, text);
        rest = after;
    }
    files
}

fn next(archive: &[u8]) -> Option<(String, String, &[u8])> {
    let (header, rest) = archive.split_at_checked(BLOCK)?;
    let name = text(header.get(NAME)?)?;
    let size = usize::from_str_radix(text(header.get(SIZE)?)?.trim(), 8).ok()?;
    let content = std::str::from_utf8(rest.get(..size)?).ok()?;
    let after = rest.get(size.checked_next_multiple_of(BLOCK)?..)?;
    (!name.is_empty()).then(|| (name.to_owned(), content.to_owned(), after))
}

fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field.split(|byte| *byte == 0).next()?).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_archives_of_tar_are_read_and_cut_ones_end_early() {
        let dir = tempfile::tempdir().unwrap();
        let long = "x".repeat(BLOCK);
        for (name, content) in [("a.crt", "one\n"), ("b.key", &long)] {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let mut tar = Command::new("tar");
        let tar = tar.args(["-c", "--format=ustar", "-C"]).arg(dir.path()).args(["a.crt", "b.key"]);
        let archive = tar.output().unwrap().stdout;
        let files = super::files(&archive);
        assert_eq!(files["a.crt"], "one\n");
        assert_eq!(files["b.key"], long);
        assert_eq!(super::files(&archive[..3 * BLOCK]).len(), 1);
        assert!(super::files(b"no archive").is_empty());
    }
}
