//! This program from memory: what runs inside a container never holds a reference to the file on flash, which a
//! container's root could otherwise overwrite (CVE-2019-5736).

use super::process::c_strings;
use crate::error::{Error, Result};
use nix::errno::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The sealed image of this program.
pub struct Image(OwnedFd);

impl Image {
    /// A sealed memfd (Linux 3.17), else an unlinked copy on a tmpfs.
    pub fn make() -> Result<Self> {
        let failed = |error: std::io::Error| Error::io("copy this program to memory", &error);
        let mut from = File::open("/proc/self/exe").map_err(failed)?;
        match memfd() {
            Ok(fd) => {
                let mut to = File::from(fd);
                copy(&mut from, &mut to).map_err(failed)?;
                let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
                // SAFETY: the descriptor is a memfd of ours; the seals are a number.
                Errno::result(unsafe { libc::fcntl(to.as_raw_fd(), libc::F_ADD_SEALS, seals) })
                    .map_err(|errno| Error::sys("seal the copy of this program", errno))?;
                Ok(Self(to.into()))
            }
            Err(Errno::ENOSYS | Errno::EINVAL | Errno::EPERM) => Self::unlinked(&mut from).map_err(failed),
            Err(errno) => Err(Error::sys("make a memfd", errno)),
        }
    }

    fn unlinked(from: &mut File) -> std::io::Result<Self> {
        let mut last = std::io::Error::from_raw_os_error(libc::ENOENT);
        for dir in ["/run/boardbox", "/run", "/dev/shm", "/tmp"] {
            let path = format!("{dir}/.boardbox-{}", std::process::id());
            let mut to = match File::options().write(true).create_new(true).open(&path) {
                Ok(to) => to,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            let image = copy(from, &mut to)
                .and_then(|()| {
                    use std::os::unix::fs::PermissionsExt;
                    to.set_permissions(std::fs::Permissions::from_mode(0o500))
                })
                // Opened anew for reading: a file open for writing cannot be executed.
                .and_then(|()| File::open(&path));
            drop(to);
            let _ = std::fs::remove_file(&path);
            return image.map(|file| Self(file.into()));
        }
        Err(last)
    }

    /// Executes the image with these arguments and environment. Returns on failure only.
    pub fn exec(&self, arguments: &[String], environment: &[String]) -> Error {
        let (arguments, environment) = match (c_strings(arguments), c_strings(environment)) {
            (Ok(arguments), Ok(environment)) => (arguments, environment),
            (Err(error), _) | (_, Err(error)) => return error,
        };
        let pointers = |words: &[std::ffi::CString]| -> Vec<*const libc::c_char> {
            words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (argv, envp) = (pointers(&arguments), pointers(&environment));
        // SAFETY: both vectors end with a null pointer and their strings outlive the call; the path is empty.
        let done = unsafe {
            libc::syscall(
                libc::SYS_execveat,
                self.0.as_raw_fd(),
                c"".as_ptr(),
                argv.as_ptr(),
                envp.as_ptr(),
                libc::AT_EMPTY_PATH,
            )
        };
        let errno = match Errno::result(done) {
            Err(errno @ (Errno::ENOSYS | Errno::EPERM | Errno::EINVAL)) => {
                // Before 3.19: by the descriptor's name, where /proc is in sight.
                let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
                match std::ffi::CString::new(path) {
                    Ok(path) => match nix::unistd::execve(&path, &arguments, &environment) {
                        Err(Errno::ENOENT) => errno,
                        Err(errno) => errno,
                    },
                    Err(_) => errno,
                }
            }
            Err(errno) => errno,
            Ok(_) => Errno::UnknownErrno,
        };
        Error::sys("exec boardbox's own init from memory", errno)
            .hint("kernels before 3.19 need /proc in the container for this: lxc.mount.entry = proc proc proc defaults 0 0")
    }
}

/// Makes sure that this process runs from memory: does nothing if it does already, otherwise it executes itself anew
/// with the same arguments and environment, and does not return.
pub fn run_from_memory() -> Result<()> {
    let is_copy = std::fs::read_link("/proc/self/exe")
        .is_ok_and(|path| path.to_str().is_some_and(|path| path.ends_with(" (deleted)")));
    if is_copy {
        return Ok(());
    }
    let arguments: Vec<String> =
        super::entry::words().iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let environment: Vec<String> = std::env::vars_os()
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .collect();
    Err(Image::make()?.exec(&arguments, &environment))
}

fn memfd() -> nix::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is NUL-terminated.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_memfd_create, c"boardbox".as_ptr(), flags) })?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// std::io::copy would try copy_file_range and splice first, which differ between kernels for no gain here.
fn copy(from: &mut File, to: &mut File) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => to.write_all(buffer.get(..length).unwrap_or_default())?,
        }
    }
}
