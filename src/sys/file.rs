//! Whole files of /proc, /sys and cgroupfs, with few system calls.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::os::fd::OwnedFd;

/// What one read(2) asks for. mountinfo hands out a page at a time at most, the other files fit.
const CHUNK: usize = 16 * 1024;

fn open_file(path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    loop {
        match open(path, flags | OFlag::O_CLOEXEC, Mode::empty()) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

fn read_some(fd: &OwnedFd, bytes: &mut Vec<u8>) -> nix::Result<usize> {
    let filled = bytes.len();
    bytes.resize(filled + CHUNK, 0);
    let got = loop {
        match nix::unistd::read(fd, bytes.get_mut(filled..).unwrap_or_default()) {
            Err(Errno::EINTR) => {}
            other => break other,
        }
    };
    bytes.truncate(filled + got.unwrap_or(0));
    got
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The whole file. What is not UTF-8 (mount points may be anything) is replaced.
pub fn read(path: &str) -> Result<String> {
    let wrong = |errno| Error::sys(format!("read {path}"), errno);
    let fd = open_file(path, OFlag::O_RDONLY).map_err(wrong)?;
    let mut bytes = Vec::new();
    while read_some(&fd, &mut bytes).map_err(wrong)? > 0 {}
    Ok(text(bytes))
}

/// A file that holds one short value: one read(2), without the second one that would only say "end".
pub fn read_value(path: &str) -> Result<String> {
    let wrong = |errno| Error::sys(format!("read {path}"), errno);
    let fd = open_file(path, OFlag::O_RDONLY).map_err(wrong)?;
    let mut bytes = Vec::new();
    read_some(&fd, &mut bytes).map_err(wrong)?;
    Ok(text(bytes))
}

/// The whole value by one write(2), as cgroupfs wants it: each call is one value there.
pub fn write_value(path: &str, value: &str) -> Result<()> {
    let wrong = |errno| Error::sys(format!("write \"{}\" to {path}", value.escape_default()), errno);
    let fd = open_file(path, OFlag::O_WRONLY).map_err(wrong)?;
    // A write of nothing never reaches the file's handler; a lone newline is how an empty value is said.
    let bytes = if value.is_empty() { "\n".as_bytes() } else { value.as_bytes() };
    loop {
        match nix::unistd::write(&fd, bytes) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(wrong(errno)),
            Ok(written) if written == bytes.len() => return Ok(()),
            Ok(_) => return Err(wrong(Errno::EMSGSIZE)),
        }
    }
}

/// Makes a directory, mode 0755.
pub fn make_dir(path: &str) -> Result<()> {
    nix::unistd::mkdir(path, Mode::from_bits_truncate(0o755))
        .map_err(|errno| Error::sys(format!("make directory {path}"), errno))
}

/// True when the file system of `path` is in memory: gone with a reboot, and no wear on flash.
pub fn in_memory(path: &str) -> Result<bool> {
    /// `RAMFS_MAGIC` of linux/magic.h, which libc does not have: the initramfs where there is no tmpfs.
    const RAMFS_MAGIC: u32 = 0x8584_58f6;
    let found =
        nix::sys::statfs::statfs(path).map_err(|errno| Error::sys(format!("look at {path}"), errno))?;
    #[allow(clippy::unnecessary_cast)] // the field's type differs by architecture and libc
    let (found, tmpfs) = (found.filesystem_type().0 as u32, libc::TMPFS_MAGIC as u32);
    Ok(found == tmpfs || found == RAMFS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_longer_than_one_read_is_read_whole() {
        let path = format!("{}/boardbox-file-{}", std::env::temp_dir().display(), std::process::id());
        let long = "0123456789abcdef".repeat(5000);
        std::fs::write(&path, &long).unwrap();
        assert_eq!(read(&path).unwrap(), long);
        assert_eq!(read_value(&path).unwrap().len(), CHUNK);
        std::fs::write(&path, b"/caf\xe9").unwrap();
        assert_eq!(read(&path).unwrap(), "/caf\u{fffd}");
        std::fs::remove_file(&path).unwrap();
        let gone = read(&path).unwrap_err();
        assert!(gone.is(Errno::ENOENT));
        assert_eq!(gone.to_string(), format!("read {path}: No such file or directory"));
    }
}
