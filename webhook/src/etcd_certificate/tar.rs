//! A tar archive of a few small files (POSIX ustar), for `tar -x` on the other end of a pipe.

use cairn_core::time::UnixMillis;

const BLOCK: usize = 512;
/// Only the user who unpacks them may read the files.
const MODE: &str = "0000600";
/// Where the checksum stands in a header, and its length.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// The archive of these files.
pub(super) fn archive(files: &[(&str, &str)], now: UnixMillis) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, text) in files {
        archive.extend(header(name, text.len(), now));
        archive.extend(text.as_bytes());
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks end an archive.
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

fn header(name: &str, size: usize, now: UnixMillis) -> Vec<u8> {
    let seconds = now.0.div_euclid(1000).max(0);
    // Name, mode, user, group, size, time, checksum, kind of a plain file, empty link, format.
    let fields = [
        (name.to_owned(), 100),
        (MODE.to_owned(), 8),
        ("0000000".to_owned(), 8),
        ("0000000".to_owned(), 8),
        (format!("{size:011o}"), 12),
        (format!("{seconds:011o}"), 12),
        (" ".repeat(CHECKSUM.len()), CHECKSUM.len()),
        ("0".to_owned(), 1),
        (String::new(), 100),
        ("ustar\u{0}00".to_owned(), 8),
    ];
    let mut header = Vec::with_capacity(BLOCK);
    for (text, width) in fields {
        let end = header.len() + width;
        header.extend(text.bytes().take(width));
        header.resize(end, 0);
    }
    header.resize(BLOCK, 0);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header.splice(CHECKSUM, format!("{sum:06o}\u{0} ").into_bytes());
    header
}
