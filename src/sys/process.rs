//! Processes: clone, namespaces, exec, waiting.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::{ForkResult, Pid};
use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

const SYS_CLONE3: libc::c_long = 435;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// The numbers of descriptors that are looked at without /proc.
const MOST: libc::c_long = 1 << 16;

/// Which of the two a clone or fork returned to.
pub enum Side {
    /// The one that called, with the new process's id.
    Parent(Pid),
    /// The new one.
    Child,
}

/// The namespaces every container has of its own.
pub fn container_namespaces(network: bool) -> CloneFlags {
    let own = CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNS;
    if network { own | CloneFlags::CLONE_NEWNET } else { own }
}

/// `struct clone_args` (linux/sched.h), as of 5.7.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// clone(2) without a stack of its own: fork with new namespaces. Only for a process without threads. Where there is a
/// `cgroup` (of v2) and the kernel can (5.7), the child is born in it; the second value says so.
pub fn clone(namespaces: CloneFlags, cgroup: Option<BorrowedFd<'_>>) -> Result<(Side, bool)> {
    let side =
        |pid: libc::c_long| if pid == 0 { Side::Child } else { Side::Parent(Pid::from_raw(pid as i32)) };
    if let Some(cgroup) = cgroup {
        let arguments = CloneArgs {
            flags: u64::from(namespaces.bits() as u32) | CLONE_INTO_CGROUP,
            exit_signal: libc::SIGCHLD as u64,
            cgroup: cgroup.as_raw_fd() as u64,
            ..CloneArgs::default()
        };
        // SAFETY: `arguments` is a whole clone_args of the size said; without CLONE_VM and a stack this is a fork, and this
        // program has one thread.
        let pid = unsafe { libc::syscall(SYS_CLONE3, &raw const arguments, size_of::<CloneArgs>()) };
        if let Ok(pid) = Errno::result(pid) {
            return Ok((side(pid), true));
        }
        // Not there, filtered, or not into that cgroup: the child joins by itself, or its error says more.
    }
    let flags = libc::c_long::from(namespaces.bits() | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: without CLONE_VM the child runs on a copy of this stack, and this program has one thread, so no lock can
    // be held by another one; all pointers are null, which makes their order (it differs between architectures) equal.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    match Errno::result(pid) {
        Ok(pid) => Ok((side(pid), false)),
        Err(errno) => {
            let error = Error::sys("clone with new namespaces", errno);
            Err(match errno {
                Errno::EPERM => error.hint("boardbox has to run as root with CAP_SYS_ADMIN"),
                Errno::EINVAL => error.hint(
                    "this kernel lacks one of CONFIG_UTS_NS, CONFIG_PID_NS, CONFIG_IPC_NS, CONFIG_NET_NS",
                ),
                Errno::ENOSPC => error.hint("see /proc/sys/user/max_*_namespaces"),
                _ => error,
            })
        }
    }
}

/// fork(2). Only for a process without threads.
pub fn fork() -> Result<Side> {
    // SAFETY: this program has one thread, so the child may do whatever the parent may.
    match unsafe { nix::unistd::fork() } {
        Ok(ForkResult::Child) => Ok(Side::Child),
        Ok(ForkResult::Parent { child }) => Ok(Side::Parent(child)),
        Err(errno) => Err(Error::sys("fork", errno)),
    }
}

/// wait(2)'s status of one child; `None` when it runs on and `block` is false. EINTR is retried.
pub fn wait(pid: Pid, block: bool) -> Result<Option<i32>> {
    let mut status = 0;
    let flags = if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: `status` is a valid place for the status.
        match Errno::result(unsafe { libc::waitpid(pid.as_raw(), &raw mut status, flags) }) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(status)),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::sys(format!("wait for process {pid}"), errno)),
        }
    }
}

/// Any child that has ended, with its wait(2) status; `None` when there is none now, an error when there are no children.
pub fn reap_any(block: bool) -> Result<Option<(Pid, i32)>> {
    let mut status = 0;
    let flags = if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: `status` is a valid place for the status.
        match Errno::result(unsafe { libc::waitpid(-1, &raw mut status, flags) }) {
            Ok(0) => return Ok(None),
            Ok(pid) => return Ok(Some((Pid::from_raw(pid), status))),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::sys("wait for a process", errno)),
        }
    }
}

/// Ends this process, and nothing else: what is in std's buffers stays there. std's own exit would bring 10 KB of clean-up.
pub fn exit(code: i32) -> ! {
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// A shell's exit code for a wait(2) status: 0..=255, or 128 + signal.
pub fn exit_code(status: i32) -> u8 {
    if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status) as u8
    } else {
        libc::WEXITSTATUS(status) as u8
    }
}

/// The signal that ended a process, if one did.
pub fn ending_signal(status: i32) -> Option<i32> {
    libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status))
}

/// Whether this process may do what only root may, as far as its user id tells.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// This process's effective user.
pub fn uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// This process's effective group.
pub fn gid() -> u32 {
    nix::unistd::getegid().as_raw()
}

/// kill(2); a process that is gone already is no error.
pub fn kill(pid: Pid, signal: i32) -> Result<()> {
    // SAFETY: numbers only.
    match Errno::result(unsafe { libc::kill(pid.as_raw(), signal) }) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(Error::sys(format!("send signal {signal} to process {pid}"), errno)),
    }
}

/// When a process was started, in clock ticks since boot; `None` where there is none, or nothing but its status. With the
/// pid it names a process: a pid alone may by now be another's.
pub fn started(pid: i32) -> Option<u64> {
    // The name before may hold anything, also a closing parenthesis; after it come the state and 18 others (proc(5)).
    let stat = super::file::read(&format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    fields.nth(18).filter(|_| !matches!(state, "Z" | "X"))?.parse().ok()
}

/// SIGKILL when the parent ends. Changing user or executing a privileged file clears it: set it last.
pub fn die_with_parent() -> Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes numbers and no pointer.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0) })
        .map(drop)
        .map_err(|errno| Error::sys("tie the container's life to its monitor", errno))
}

/// Not to be traced or read by processes of its own user (PR_SET_DUMPABLE 0), until the next exec.
pub fn undumpable() -> Result<()> {
    // SAFETY: PR_SET_DUMPABLE takes numbers and no pointer.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0 as libc::c_ulong, 0, 0, 0) })
        .map(drop)
        .map_err(|errno| Error::sys("make the process undumpable", errno))
}

/// PER_LINUX32: uname and /proc tell a 32-bit machine.
pub fn personality_32() -> Result<()> {
    const PER_LINUX32: libc::c_ulong = 8;
    // SAFETY: a number only.
    Errno::result(unsafe { libc::personality(PER_LINUX32) })
        .map(drop)
        .map_err(|errno| Error::sys("set the 32-bit personality", errno))
}

/// A session of its own, without a controlling terminal.
pub fn new_session() -> Result<()> {
    match nix::unistd::setsid() {
        // A process that leads its group already has done so.
        Ok(_) | Err(Errno::EPERM) => Ok(()),
        Err(errno) => Err(Error::sys("start a session", errno)),
    }
}

/// The host name of this UTS namespace.
pub fn set_hostname(name: &str) -> Result<()> {
    // SAFETY: pointer and length belong together; the kernel copies.
    Errno::result(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })
        .map(drop)
        .map_err(|errno| Error::sys(format!("set hostname {name}"), errno))
}

/// The working directory.
pub fn enter(path: &str) -> Result<()> {
    nix::unistd::chdir(path).map_err(|errno| Error::sys(format!("enter directory {path}"), errno))
}

/// Enters one namespace.
pub fn enter_namespace(namespace: BorrowedFd<'_>, kind: CloneFlags, name: &str) -> Result<()> {
    nix::sched::setns(namespace, kind).map_err(|errno| {
        let error = Error::sys(format!("enter the container's {name} namespace"), errno);
        match errno {
            Errno::EINVAL => error.hint("entering pid and mount namespaces needs Linux 3.8"),
            _ => error,
        }
    })
}

/// The release of the running kernel as major and minor number. By uname(2): there may be no /proc inside.
pub fn kernel_release() -> (u32, u32) {
    // SAFETY: utsname is arrays of characters, for which all zero is a valid value.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `names` is a utsname to fill in.
    if unsafe { libc::uname(&raw mut names) } != 0 {
        return (0, 0);
    }
    let mut numbers = [0u32; 2];
    let mut at = 0;
    for character in names.release {
        match (character as u8, numbers.get_mut(at)) {
            (digit @ b'0'..=b'9', Some(number)) => {
                *number = number.saturating_mul(10) + u32::from(digit - b'0')
            }
            (b'.', Some(_)) => at += 1,
            _ => break,
        }
    }
    (numbers[0], numbers[1])
}

/// Enters the namespaces of `unshare` that are new to this process.
pub fn unshare(namespaces: CloneFlags) -> Result<()> {
    nix::sched::unshare(namespaces).map_err(|errno| Error::sys("unshare namespaces", errno))
}

/// Makes the cgroups this process is in the roots of what it sees (Linux 4.6).
pub fn new_cgroup_namespace() -> Result<()> {
    nix::sched::unshare(CloneFlags::CLONE_NEWCGROUP).map_err(|errno| {
        let error = Error::sys("enter a new cgroup namespace", errno);
        match errno {
            Errno::EINVAL | Errno::ENOSYS => error.hint("it needs Linux 4.6"),
            Errno::ENOSPC => error.hint("see /proc/sys/user/max_cgroup_namespaces"),
            _ => error,
        }
    })
}

/// The same number on every architecture; libc does not have it for all of ours.
const SYS_CLOSE_RANGE: libc::c_long = 436;
const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;

/// Lets go of the descriptors the caller had open, standard input, output and error apart: those without close-on-exec, which
/// all of this program's own have. They get it, or are closed where `close` says so: in a process that outlives the caller and
/// executes nothing. Before /proc is another one's.
pub fn let_go_of_inherited(close: bool) {
    if !close {
        // SAFETY: numbers only; no descriptor is closed now.
        let done = unsafe {
            libc::syscall(SYS_CLOSE_RANGE, 3 as libc::c_uint, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC)
        };
        if Errno::result(done).is_ok() {
            return;
        }
        // Before Linux 5.11: one by one.
    }
    let let_go = |fd: i32| {
        // SAFETY: flags of a number; one that is not open answers EBADF. What is closed here no object of this program owns.
        unsafe {
            if fd < 3 || libc::fcntl(fd, libc::F_GETFD) & libc::FD_CLOEXEC != 0 {
            } else if close {
                libc::close(fd);
            } else {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    };
    match std::fs::read_dir("/proc/self/fd") {
        Ok(entries) => {
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).for_each(let_go)
        }
        // No /proc: whatever may be open. The limit may be a billion, which would take minutes.
        Err(_) => {
            // SAFETY: a number only.
            let limit = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
            let limit = if (0..MOST).contains(&limit) { limit } else { MOST };
            (3..limit as i32).for_each(let_go);
        }
    }
}

/// Keeps a descriptor open across exec.
pub fn keep_on_exec(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: the descriptor is open; a flag is cleared.
    Errno::result(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) })
        .map(drop)
        .map_err(|errno| Error::sys("keep a descriptor open", errno))
}

/// Puts `fd` in the place of standard input, output and error.
pub fn become_stdio(fd: BorrowedFd<'_>) -> Result<()> {
    for place in 0..3 {
        // SAFETY: both numbers are descriptors of this process; the standard ones are owned by nobody.
        Errno::result(unsafe { libc::dup2(fd.as_raw_fd(), place) })
            .map_err(|errno| Error::sys("set standard input, output and error", errno))?;
    }
    Ok(())
}

/// Takes over a descriptor by number, such as one inherited across exec; an error where it is not open.
pub fn inherited(number: i32) -> Result<OwnedFd> {
    // SAFETY: fcntl on a number; not open answers EBADF.
    Errno::result(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })
        .map_err(|errno| Error::sys(format!("take over descriptor {number}"), errno))?;
    // SAFETY: it is open, as just seen, and the caller was told that it is nobody else's.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(number) })
}

/// C strings of words; an error where one holds a NUL.
pub fn c_strings<S: AsRef<str>>(words: &[S]) -> Result<Vec<CString>> {
    let c_string = |word: &S| {
        CString::new(word.as_ref())
            .map_err(|_| Error::config(format!("\"{}\" holds a NUL byte", word.as_ref().escape_default())))
    };
    words.iter().map(c_string).collect()
}

/// execve(2) of `command`'s first word, searched in `path` (a PATH value) unless it has a slash. Returns on failure only.
pub fn exec(command: &[String], environment: &[String], path: &str) -> Error {
    let (arguments, environment) = match (c_strings(command), c_strings(environment)) {
        (Ok(arguments), Ok(environment)) => (arguments, environment),
        (Err(error), _) | (_, Err(error)) => return error,
    };
    let Some(program) = command.first() else { return Error::usage("there is no command to execute") };
    let candidates: Vec<String> = match program.contains('/') {
        true => vec![program.clone()],
        false => path
            .split(':')
            .map(|dir| format!("{}/{program}", if dir.is_empty() { "." } else { dir }))
            .collect(),
    };
    let mut worst = Errno::ENOENT;
    for candidate in &candidates {
        let Ok(file) = CString::new(candidate.as_str()) else { continue };
        let Err(errno) = nix::unistd::execve(&file, &arguments, &environment);
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => {}
            _ => worst = errno,
        }
    }
    let error = Error::sys(format!("exec {}", program.escape_default()), worst);
    match worst {
        Errno::ENOENT if candidates.iter().any(|file| std::path::Path::new(file).exists()) => {
            error.hint("the file is there, but the interpreter or dynamic linker it names is not")
        }
        Errno::ENOENT if program.contains('/') => error.hint("the path is one inside the container"),
        Errno::ENOENT => error.hint(format!("not found inside the container in PATH={path}")),
        Errno::ENOEXEC => error.hint("no executable of this architecture, or a script without #!"),
        Errno::EACCES => error.hint("is it executable, and its mount not noexec?"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_newer_than_the_first_one_supported() {
        assert!(kernel_release() >= (3, 2), "{} {}", kernel_release().0, kernel_release().1);
    }

    #[test]
    fn a_process_is_known_by_when_it_was_started() {
        let own = std::process::id() as i32;
        let started = started(own).unwrap();
        assert!(started > 0 && super::started(own) == Some(started));
        let child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        // Not waited for: nothing but its status is left, for as long as `child` is there.
        while super::started(pid).is_some() {
            std::thread::yield_now();
        }
        assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
        drop(child);
        assert_eq!((super::started(0), super::started(-1)), (None, None));
    }

    #[test]
    fn a_status_becomes_a_shells_exit_code() {
        assert_eq!((exit_code(0x0300), ending_signal(0x0300)), (3, None));
        assert_eq!((exit_code(9), ending_signal(9)), (137, Some(9)));
    }
}
