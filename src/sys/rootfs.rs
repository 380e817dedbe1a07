//! Paths inside a root file system that is not trusted: nothing below it is opened by plain path. Symbolic links are
//! resolved inside it (`/lib` may be one), `..` and absolute links never reach the host.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// openat2(2) since 5.6; numbers of calls this young are the same on every architecture we build for.
const SYS_OPENAT2: libc::c_long = 437;
const RESOLVE_NO_SYMLINKS: u64 = 0x04;
const RESOLVE_IN_ROOT: u64 = 0x10;

/// `struct open_how` (linux/openat2.h).
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// A directory that stands for `/` while paths below it are resolved.
pub struct Root {
    fd: OwnedFd,
    path: String,
}

/// What `Root::create` makes where nothing is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// A directory, mode 0755.
    Dir,
    /// An empty file, mode 0644.
    File,
}

/// Whether symbolic links on the way are followed (inside the root) or refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Followed inside the root.
    Inside,
    /// Refused, wherever they point: /proc and /sys have to be real directories.
    Refused,
}

const PATH_ONLY: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC);

/// A file or directory of the host by plain path, for use as a mount's source.
pub fn open_path(path: &str) -> Result<OwnedFd> {
    open(path, PATH_ONLY, Mode::empty()).map_err(|errno| Error::sys(format!("open {path}"), errno))
}

impl Root {
    /// The directory `path` of the host.
    pub fn open(path: &str) -> Result<Self> {
        let fd = open(path, PATH_ONLY | OFlag::O_DIRECTORY, Mode::empty())
            .map_err(|errno| Error::sys(format!("open root file system {path}"), errno))?;
        Ok(Self { fd, path: path.trim_end_matches('/').into() })
    }

    /// What is at `path` inside, as a descriptor for `*at` calls and mounts only.
    pub fn resolve(&self, path: &str, links: Links) -> Result<OwnedFd> {
        self.find(path, links).map_err(|errno| self.failed("open", path, errno))
    }

    /// Like `resolve`, but makes what is missing of `path`: directories, and `last` at its end.
    pub fn create(&self, path: &str, last: Create) -> Result<OwnedFd> {
        let path = path.trim_matches('/');
        match self.find(path, Links::Inside) {
            Err(Errno::ENOENT) => {}
            found => return found.map_err(|errno| self.failed("open", path, errno)),
        }
        let mut parent = self.find(".", Links::Refused).map_err(|errno| self.failed("open", ".", errno))?;
        let mut done = 0;
        for part in path.split('/') {
            done = (done + part.len() + 1).min(path.len() + 1);
            let prefix = path.get(..done - 1).unwrap_or(path);
            parent = match self.find(prefix, Links::Inside) {
                Err(Errno::ENOENT) => {
                    let whole = done > path.len();
                    let made = if whole && last == Create::File {
                        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
                        openat(&parent, part, flags, Mode::from_bits_truncate(0o644)).map(drop)
                    } else {
                        mkdirat(&parent, part, Mode::from_bits_truncate(0o755))
                    };
                    made.and_then(|()| self.find(prefix, Links::Inside))
                        .map_err(|errno| self.failed("make", prefix, errno))?
                }
                found => found.map_err(|errno| self.failed("open", prefix, errno))?,
            };
        }
        Ok(parent)
    }

    fn failed(&self, verb: &str, path: &str, errno: Errno) -> Error {
        let error = Error::sys(format!("{verb} {}/{}", self.path, path.trim_start_matches('/')), errno);
        match errno {
            Errno::ENOENT => error
                .hint("the root file system has no such path: make it there; create=dir or create=file does"),
            Errno::ELOOP => error.hint("a symbolic link where a real directory has to be, or a loop of them"),
            Errno::EROFS => error.hint("the root file system is read-only: make it there beforehand"),
            _ => error,
        }
    }

    fn find(&self, path: &str, links: Links) -> nix::Result<OwnedFd> {
        let path = match path.trim_start_matches('/') {
            "" => ".",
            path => path,
        };
        match self.openat2(path, links) {
            // Not there (before 5.6), filtered, or a rename raced with a `..`: walk.
            Err(Errno::ENOSYS | Errno::EPERM | Errno::EINVAL | Errno::EAGAIN) => self.walk(path, links),
            found => found,
        }
    }

    fn openat2(&self, path: &str, links: Links) -> nix::Result<OwnedFd> {
        let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
        let how = OpenHow {
            flags: PATH_ONLY.bits() as u64,
            mode: 0,
            resolve: match links {
                Links::Inside => RESOLVE_IN_ROOT,
                Links::Refused => RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
            },
        };
        // SAFETY: `path` is NUL-terminated and `how` is a whole open_how of the size said; both outlive the call.
        let fd = unsafe {
            libc::syscall(
                SYS_OPENAT2,
                self.fd.as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                std::mem::size_of::<OpenHow>(),
            )
        };
        let fd = Errno::result(fd)?;
        // SAFETY: the kernel has just made this descriptor for us alone.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
    }

    /// The same by hand: a stack of the directories entered, one O_NOFOLLOW step at a time.
    fn walk(&self, path: &str, links: Links) -> nix::Result<OwnedFd> {
        let mut entered: Vec<OwnedFd> = Vec::new();
        let mut todo: Vec<String> = path.rsplit('/').map(String::from).collect();
        let mut followed = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    entered.pop();
                    continue;
                }
                _ => {}
            }
            let here = entered.last().unwrap_or(&self.fd);
            let next = openat(here, part.as_str(), PATH_ONLY | OFlag::O_NOFOLLOW, Mode::empty())?;
            if file_type(next.as_fd())? != SFlag::S_IFLNK {
                entered.push(next);
                continue;
            }
            followed += 1;
            if links == Links::Refused || followed > 40 {
                return Err(Errno::ELOOP);
            }
            let target = readlinkat(&next, "")?.into_string().map_err(|_| Errno::EILSEQ)?;
            if target.starts_with('/') {
                entered.clear();
            }
            todo.extend(target.rsplit('/').map(String::from));
        }
        match entered.pop() {
            Some(fd) => Ok(fd),
            None => openat(&self.fd, ".", PATH_ONLY | OFlag::O_DIRECTORY, Mode::empty()),
        }
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// fstat answers EBADF for O_PATH descriptors before 3.6; this form works.
fn file_type(fd: BorrowedFd<'_>) -> nix::Result<SFlag> {
    let stat = fstatat(fd, "", AtFlags::AT_EMPTY_PATH)?;
    Ok(SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()))
}

/// True for a directory; false for anything else.
pub fn is_dir(fd: BorrowedFd<'_>) -> bool {
    file_type(fd) == Ok(SFlag::S_IFDIR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A root with `lib -> usr/lib`, `abs -> /usr/lib`, `out -> ../../../etc`, `loop -> loop`, and what they hold.
    fn example(name: &str) -> (std::path::PathBuf, Root) {
        let dir = std::env::temp_dir().join(format!("boardbox-rootfs-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("usr/lib/deep")).unwrap();
        for (link, target) in
            [("lib", "usr/lib"), ("abs", "/usr/lib"), ("out", "../../../etc"), ("loop", "loop")]
        {
            symlink(target, dir.join(link)).unwrap();
        }
        let root = Root::open(dir.to_str().unwrap()).unwrap();
        (dir, root)
    }

    fn same(dir: &std::path::Path, inside: &str, fd: &OwnedFd) {
        use std::os::unix::fs::MetadataExt;
        let want = std::fs::metadata(dir.join(inside)).unwrap();
        let got = fstatat(fd, "", AtFlags::AT_EMPTY_PATH).unwrap();
        assert_eq!((want.dev(), want.ino()), (got.st_dev as u64, got.st_ino as u64), "{inside}");
    }

    #[test]
    fn links_stay_inside_by_openat2_and_by_hand() {
        let (dir, root) = example("links");
        for path in ["lib/deep", "/abs/deep", "usr/../../../../lib/deep", "lib//./deep"] {
            same(&dir, "usr/lib/deep", &root.find(path, Links::Inside).unwrap());
            same(&dir, "usr/lib/deep", &root.walk(path, Links::Inside).unwrap());
        }
        same(&dir, "", &root.walk("..", Links::Inside).unwrap());
        for path in ["out", "out/passwd"] {
            assert_eq!(root.find(path, Links::Inside).unwrap_err(), Errno::ENOENT);
            assert_eq!(root.walk(path, Links::Inside).unwrap_err(), Errno::ENOENT);
        }
        assert_eq!(root.walk("loop", Links::Inside).unwrap_err(), Errno::ELOOP);
        for strict in [root.find("lib", Links::Refused), root.walk("lib", Links::Refused)] {
            assert_eq!(strict.unwrap_err(), Errno::ELOOP);
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_missing_is_made_inside() {
        let (dir, root) = example("create");
        root.create("lib/a/b/file", Create::File).unwrap();
        root.create("abs/a/c", Create::Dir).unwrap();
        assert!(dir.join("usr/lib/a/b/file").is_file() && dir.join("usr/lib/a/c").is_dir());
        root.create("lib/a/b/file", Create::File).unwrap();
        let error = root.create("out/x", Create::Dir).err().unwrap().to_string();
        assert!(error.contains("/out: File exists"), "{error}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
