//! /proc/self/mountinfo (proc(5)): the mounts of this mount namespace, in the order the kernel lists them.
//!
//! Lines have no length limit and the number of optional fields varies; getmntent_r of some libcs cuts the former, so this
//! is read by our own hand.

use crate::error::Result;
use std::borrow::Cow;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// Mount id.
    pub id: u32,
    /// Id of the mount it sits on; of a mount outside what this process sees for its root.
    pub parent: u32,
    /// `MAJOR:MINOR`: the same for every mount of one file system.
    pub device: &'a str,
    /// The directory of the file system that is the mount's root.
    pub root: Cow<'a, str>,
    /// The mount point, relative to this process's root.
    pub target: Cow<'a, str>,
    /// The mount's own options.
    pub options: &'a str,
    /// File system type.
    pub fstype: &'a str,
    /// The source as it was given.
    pub source: Cow<'a, str>,
    /// The file system's options.
    pub data: &'a str,
}

impl Mount<'_> {
    /// True where nothing can be written, by the mount's own or the file system's option.
    pub fn read_only(&self) -> bool {
        self.options.split(',').any(|option| option == "ro")
            || self.data.split(',').any(|option| option == "ro")
    }
}

/// The text of /proc/self/mountinfo.
pub fn read() -> Result<String> {
    super::file::read("/proc/self/mountinfo").map_err(|error| error.hint("is /proc mounted?"))
}

/// Reads the lines of a mountinfo file; what does not look like one is left out.
pub fn parse(text: &str) -> Vec<Mount<'_>> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Mount<'_>> {
    // Blanks inside a field are escaped, so the lone dash ends the optional fields.
    let (front, back) = line.split_once(" - ")?;
    let (mut front, mut back) = (front.split(' '), back.split(' '));
    Some(Mount {
        id: front.next()?.parse().ok()?,
        parent: front.next()?.parse().ok()?,
        device: front.next()?,
        root: unescape(front.next()?),
        target: unescape(front.next()?),
        options: front.next()?,
        fstype: back.next()?,
        source: unescape(back.next()?),
        data: back.next().unwrap_or(""),
    })
}

/// `\040` and its like; the kernel escapes blank, tab, newline, backslash and `#`.
fn unescape(field: &str) -> Cow<'_, str> {
    if !field.contains('\\') {
        return Cow::Borrowed(field);
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

/// True when `mount`'s own root is what its mount point's path leads to: no later mount sits on it, or on a directory
/// above it.
pub fn visible(mounts: &[Mount<'_>], mount: &Mount<'_>) -> bool {
    if mounts
        .iter()
        .any(|other| other.parent == mount.id && other.id != mount.id && other.target == mount.target)
    {
        return false;
    }
    let mut lower = mount;
    // The way down to the root; a bound instead of trust in the ids, which are data.
    for _ in 0..mounts.len() {
        let covered = |other: &Mount<'_>| {
            other.parent == lower.parent && other.id != lower.parent && above(&other.target, &lower.target)
        };
        if mounts.iter().any(covered) {
            return false;
        }
        match mounts.iter().find(|other| other.id == lower.parent && other.id != lower.id) {
            Some(parent) => lower = parent,
            None => break,
        }
    }
    true
}

/// True when `path` is below the directory `directory`.
fn above(directory: &str, path: &str) -> bool {
    match path.strip_prefix(directory.trim_end_matches('/')) {
        Some(rest) => rest.len() > 1 && rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_and_without_optional_ones() {
        let text = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root ro,errors=continue\n\
                    32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
                    1 1 0:2 / / rw - rootfs rootfs rw\n";
        let mounts = parse(text);
        assert_eq!(mounts.len(), 3);
        assert_eq!(
            mounts[0],
            Mount {
                id: 36,
                parent: 35,
                device: "98:0",
                root: "/mnt1".into(),
                target: "/mnt2".into(),
                options: "rw,noatime",
                fstype: "ext3",
                source: "/dev/root".into(),
                data: "ro,errors=continue",
            }
        );
        assert!(mounts[0].read_only());
        assert_eq!(mounts[1].data, "rw,cpu,cpuacct");
        assert!(!mounts[1].read_only());
        assert_eq!((mounts[2].id, mounts[2].parent), (1, 1));
    }

    #[test]
    fn escapes_are_octal_and_a_lone_backslash_stays() {
        let mounts = parse("1 0 0:1 / /a\\040b\\011\\012\\134\\043\\303\\244 rw - t a\\040b rw\n");
        assert_eq!(mounts[0].target, "/a b\t\n\\#ä");
        assert_eq!(mounts[0].source, "a b");
        assert_eq!(unescape("\\04"), "\\04");
        assert_eq!(unescape("a\\"), "a\\");
        assert_eq!(unescape("\\999"), "\\999");
        assert_eq!(unescape("\\377"), "\u{fffd}");
    }

    #[test]
    fn a_line_may_be_very_long() {
        let lower = "x".repeat(200_000);
        let text =
            format!("1 0 0:1 / /a rw - overlay overlay rw,lowerdir={lower}\n2 1 0:2 / /b rw - t t rw\n");
        let mounts = parse(&text);
        assert_eq!(mounts.len(), 2);
        assert!(mounts[0].data.ends_with(&lower));
        assert_eq!(mounts[1].target, "/b");
    }

    #[test]
    fn what_is_no_line_is_left_out() {
        for bad in [
            "",
            "1",
            "1 2 3:4 / / rw",
            "x 2 3:4 / / rw - t s rw",
            "1 -2 3:4 / / rw - t s",
            "1 2 3 - t s rw",
            " - ",
        ] {
            assert_eq!(parse(bad), [], "{bad}");
        }
        // No super options at all: seen from file systems that print none.
        assert_eq!(parse("1 2 3:4 / /a rw - t s")[0].data, "");
    }

    fn seen(text: &str) -> Vec<u32> {
        let mounts = parse(text);
        mounts.iter().filter(|mount| visible(&mounts, mount)).map(|mount| mount.id).collect()
    }

    #[test]
    fn a_later_mount_shadows_what_is_under_it() {
        let text = "1 1 0:1 / / rw - rootfs rootfs rw\n\
                    27 1 0:2 / / rw - ext4 /dev/root rw\n\
                    28 1 0:9 / /old rw - ext4 /dev/old rw\n\
                    30 27 0:3 / /sys rw - sysfs sysfs rw\n\
                    31 30 0:4 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                    32 31 0:5 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                    33 32 0:6 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpuset\n\
                    34 31 0:5 / /sys/fs/cgroup/cpu2 rw - cgroup cgroup rw,cpu\n";
        assert_eq!(seen(text), [27, 30, 31, 33, 34]);
        // A tmpfs on /sys/fs hides the whole tree below, however deep; /sys/fs2 would not.
        let covered = format!("{text}40 30 0:7 / /sys/fs rw - tmpfs tmpfs rw\n");
        assert_eq!(seen(&covered), [27, 30, 40]);
        let beside = format!("{text}40 30 0:7 / /sys/fs/cg rw - tmpfs tmpfs rw\n");
        assert_eq!(seen(&beside), [27, 30, 31, 33, 34, 40]);
    }

    #[test]
    fn ids_that_go_in_circles_end() {
        assert_eq!(seen("1 2 0:1 / /a rw - t t rw\n2 1 0:1 / /b rw - t t rw\n"), [1, 2]);
    }
}
