//! The archive that the kernel unpacks as an initramfs: cpio in the "newc" form
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use super::tree::{Entry, Kind, Tree};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// Writes the archive; `time` is the modification time of all that is in it, in seconds since 1970.
pub fn write(tree: &Tree, time: u32, out: &mut dyn Write) -> Result<()> {
    let mut archive = Archive { out, length: 0 };
    for ((path, entry), inode) in tree.entries.iter().zip(1..) {
        archive.entry(path, entry, inode, time)?;
    }
    archive.header("TRAILER!!!", [0; 4], [0, 0, 0, 0])?;
    // As other tools do, so that a second archive may follow.
    archive.pad(512)
}

struct Archive<'a> {
    out: &'a mut dyn Write,
    length: u64,
}

impl Archive<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.length += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|error| Error::io("write the archive", &error))
    }

    fn pad(&mut self, to: u64) -> Result<()> {
        let missing = self.length.next_multiple_of(to) - self.length;
        self.bytes(&vec![0; missing as usize])
    }

    /// Inode, mode, owner; time, size and a device's numbers; the name.
    fn header(&mut self, path: &str, who: [u32; 4], what: [u32; 4]) -> Result<()> {
        let ([inode, mode, uid, gid], [time, size, major, minor]) = (who, what);
        let name = path.len() as u32 + 1;
        let mut text = String::from("070701");
        // One link to each; the device that holds the file is none; no sum.
        for field in [inode, mode, uid, gid, 1, time, size, 0, 0, major, minor, name, 0] {
            text.push_str(&format!("{field:08X}"));
        }
        text.push_str(path);
        text.push('\0');
        self.bytes(text.as_bytes())?;
        self.pad(4)
    }

    fn entry(&mut self, path: &str, entry: &Entry, inode: u32, time: u32) -> Result<()> {
        let of = |kind: u32| [inode, kind | entry.mode, entry.uid, entry.gid];
        match &entry.kind {
            Kind::Directory => self.header(path, of(libc::S_IFDIR), [time, 0, 0, 0]),
            Kind::Pipe => self.header(path, of(libc::S_IFIFO), [time, 0, 0, 0]),
            Kind::Device(block, major, minor) => {
                let kind = if *block { libc::S_IFBLK } else { libc::S_IFCHR };
                self.header(path, of(kind), [time, 0, *major, *minor])
            }
            Kind::Link(target) => {
                self.header(path, of(libc::S_IFLNK), [time, target.len() as u32, 0, 0])?;
                self.bytes(target.as_bytes())?;
                self.pad(4)
            }
            Kind::Text(text) => {
                self.header(path, of(libc::S_IFREG), [time, text.len() as u32, 0, 0])?;
                self.bytes(text)?;
                self.pad(4)
            }
            Kind::Copy(source) => self.copy(path, of(libc::S_IFREG), time, source),
        }
    }

    fn copy(&mut self, path: &str, who: [u32; 4], time: u32, source: &Path) -> Result<()> {
        let failed = |error| Error::io(format!("read {}", source.display()), &error);
        let mut file = File::open(source).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let Ok(size) = u32::try_from(size) else {
            return Err(Error::host("a cpio archive holds files below 4 GiB")
                .tried(format!("copy {}", source.display()))
                .hint("a tree holds it: -o DIRECTORY/"));
        };
        self.header(path, who, [time, size, 0, 0])?;
        let mut left = u64::from(size);
        let mut chunk = vec![0; 1 << 16];
        loop {
            let got = file.read(&mut chunk).map_err(failed)?;
            let piece = chunk.get(..got).unwrap_or_default();
            left = match left.checked_sub(got as u64) {
                Some(left) if got != 0 || left == 0 => left,
                _ => {
                    let error = Error::host("it changes while it is read");
                    return Err(error.tried(format!("copy {}", source.display())));
                }
            };
            if got == 0 {
                break;
            }
            self.bytes(piece)?;
        }
        self.pad(4)
    }
}
