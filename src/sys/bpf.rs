//! bpf(2), as far as it concerns devices: on cgroup v2 a program says which ones a cgroup's processes may use.
//!
//! Such programs are there since Linux 4.15. The programs of a cgroup and of all those above it are asked, and each has to
//! agree (`BPF_F_ALLOW_MULTI`): a cgroup can not get more than those above it have.

mod program;

pub use program::{Exception, MAX_EXCEPTIONS, Program, assemble, assemble_for};

use crate::error::{Error, Result};
use nix::errno::Errno;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

#[cfg(test)]
pub(crate) mod interpreter;

const PROG_LOAD: c_int = 5;
const PROG_ATTACH: c_int = 8;
const PROG_DETACH: c_int = 9;
const PROG_GET_FD_BY_ID: c_int = 13;
const OBJ_GET_INFO_BY_FD: c_int = 15;
const PROG_QUERY: c_int = 16;

const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;
const REPLACE: u32 = 4;
const QUERY_EFFECTIVE: u32 = 1;

/// The name our programs go by, in bpftool's list and when they are looked for in a cgroup.
const NAME: [u8; 16] = *b"boardbox_dev\0\0\0\0";
/// The programs use no function of the kernel that would ask for another one.
const LICENSE: &[u8; 16] = b"Dual MIT/Apache\0";
/// The most programs one cgroup can have (`BPF_CGROUP_MAX_PROGS`).
const MAX_PROGRAMS: usize = 64;
/// The verifier's words about a program of ours; what they begin with is its instructions.
const LOG_BYTES: usize = 4096;

// The parts of `union bpf_attr`: what is shorter than the kernel's stands for zeros, and what is longer has to be zeros.

#[repr(C)]
struct Load {
    program_type: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

/// The same since 5.6, with what `REPLACE` asks for.
#[repr(C)]
struct Replace {
    attach: Attach,
    replaces: u32,
}

#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

#[repr(C)]
struct GetInfo {
    fd: u32,
    length: u32,
    info: u64,
}

/// `struct bpf_prog_info` up to the name, which it has since 4.15.
#[repr(C)]
struct Info {
    before: [u64; 8],
    name: [u8; 16],
}

#[repr(C)]
struct Query {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    /// Recent kernels write into what lies behind, however short they were told the structure is.
    behind: [u32; 9],
}

fn call<T>(command: c_int, attributes: &mut T) -> nix::Result<c_int> {
    let pointer: *mut T = attributes;
    call_bytes(command, pointer.cast(), size_of::<T>())
}

/// Not generic: a bpf(2) that is tried again while the kernel says it was only interrupted.
fn call_bytes(command: c_int, attributes: *mut c_void, size: usize) -> nix::Result<c_int> {
    let mut attempts = 8;
    loop {
        // SAFETY: `attributes` is a structure of `size` bytes that its only caller, `call`, has borrowed mutably; the
        // descriptors and buffers in it outlive the call, as each of `call`'s callers sees to.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size as u32) };
        match Errno::result(result) {
            // The verifier gives up as soon as a signal is pending.
            Err(Errno::EINTR | Errno::EAGAIN) if attempts > 0 => attempts -= 1,
            other => return other.map(|value| value as c_int),
        }
    }
}

fn address<T: ?Sized>(of: &T) -> u64 {
    std::ptr::from_ref(of).cast::<u8>() as usize as u64
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

fn own(fd: c_int) -> OwnedFd {
    // SAFETY: bpf(2) has just returned this descriptor (which is close-on-exec), so nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn try_load(instructions: &[[u8; 8]], log: Option<&mut [u8; LOG_BYTES]>) -> nix::Result<OwnedFd> {
    let mut attributes = Load {
        program_type: PROG_TYPE_CGROUP_DEVICE,
        count: instructions.len() as u32,
        instructions: address(instructions),
        license: address(LICENSE),
        log_level: u32::from(log.is_some()),
        log_size: if log.is_some() { LOG_BYTES as u32 } else { 0 },
        log: log.map_or(0, |log| log.as_mut_ptr() as usize as u64),
        kernel_version: 0,
        flags: 0,
        name: NAME,
    };
    call(PROG_LOAD, &mut attributes).map(own)
}

/// Before 5.11 programs count as locked memory, of which root has 64 KiB for all its programs together, as often as not.
fn load_unlimited(instructions: &[[u8; 8]]) -> nix::Result<OwnedFd> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for the whole call and written by it.
    Errno::result(unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) })?;
    // Without CAP_SYS_RESOURCE only up to what it may be raised to.
    if set_limit(libc::RLIM_INFINITY, libc::RLIM_INFINITY).is_err() {
        set_limit(limit.rlim_max, limit.rlim_max)?;
    }
    let loaded = try_load(instructions, None);
    // What was there before can be set again.
    set_limit(limit.rlim_cur, limit.rlim_max)?;
    loaded
}

fn set_limit(now: libc::rlim_t, at_most: libc::rlim_t) -> nix::Result<()> {
    let limit = libc::rlimit { rlim_cur: now, rlim_max: at_most };
    // SAFETY: `limit` is valid for the whole call and only read.
    Errno::result(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) }).map(drop)
}

/// Hands a program to the kernel, which verifies it.
pub fn load(program: &Program) -> Result<OwnedFd> {
    let instructions = program.instructions();
    let loaded = match try_load(instructions, None) {
        Err(Errno::EPERM) => load_unlimited(instructions).map_err(|_| Errno::EPERM),
        other => other,
    };
    loaded.map_err(|errno| why_not_loaded(instructions, errno).tried("load a device program"))
}

fn why_not_loaded(instructions: &[[u8; 8]], errno: Errno) -> Error {
    let error = Error::sys(String::new(), errno);
    let known = || assemble(true, &[]).is_ok_and(|least| try_load(least.instructions(), None).is_ok());
    match errno {
        // bpf(2) itself, the length of its attributes (4.15), this type of program: one after the other was new.
        Errno::ENOSYS | Errno::E2BIG | Errno::EINVAL if !known() => {
            Error::host("the kernel lacks CONFIG_CGROUP_BPF: v2 has no devices controller without it")
                .hint("Linux 4.15 or later with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF has it")
        }
        Errno::EPERM => error.hint("this needs root in the host's user namespace"),
        _ => {
            let mut log = [0; LOG_BYTES];
            // Refused again, now with words, the last of which say why.
            let _ = try_load(instructions, Some(&mut log));
            let text =
                std::ffi::CStr::from_bytes_until_nul(&log).map_or(b"".as_slice(), std::ffi::CStr::to_bytes);
            let mut lines = text.utf8_chunks().next().map_or("", |chunk| chunk.valid()).lines();
            let why = lines.rfind(|line| !line.is_empty() && !line.starts_with("processed "));
            match why {
                Some(why) => error.hint(format!("the kernel's verifier: {why}")),
                None => error,
            }
        }
    }
}

/// Attaches a program to a v2 cgroup's directory, in the place of the one it `replaces`: before 5.6 that one goes once the
/// new one is there, so that there is a moment when both are asked but none when nobody is.
pub fn attach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replaces: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let attributes = |flags| Attach {
        target: number(cgroup),
        program: number(program),
        attach_type: ATTACH_CGROUP_DEVICE,
        flags,
    };
    if let Some(old) = replaces {
        let mut replace = Replace { attach: attributes(ALLOW_MULTI | REPLACE), replaces: number(old) };
        match call(PROG_ATTACH, &mut replace) {
            Err(Errno::EINVAL) => {}
            other => return other.map(drop).map_err(not_attached),
        }
    }
    call(PROG_ATTACH, &mut attributes(ALLOW_MULTI)).map_err(not_attached)?;
    replaces.map_or(Ok(()), |old| detach(cgroup, old))
}

fn not_attached(errno: Errno) -> Error {
    let error = Error::sys("attach a device program", errno);
    match errno {
        Errno::EPERM => error.hint("a program on this cgroup, or on one above, suffers no other beside it"),
        Errno::E2BIG => error.hint("too many programs are attached to this cgroup"),
        Errno::EBADF | Errno::EINVAL => error.hint("it has to be a cgroup of the v2 hierarchy"),
        _ => error,
    }
}

/// Takes a program off a cgroup. One that is not there is no error.
pub fn detach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    let mut attributes = Attach {
        target: number(cgroup),
        program: number(program),
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: 0,
    };
    match call(PROG_DETACH, &mut attributes) {
        Err(errno) if errno != Errno::ENOENT => Err(Error::sys("detach a device program", errno)),
        _ => Ok(()),
    }
}

/// The ids of the device programs attached to a cgroup; with `effective` of all that are asked, those above it included.
pub fn query(cgroup: BorrowedFd<'_>, effective: bool) -> Result<heapless::Vec<u32, MAX_PROGRAMS>> {
    let mut ids = [0u32; MAX_PROGRAMS];
    let mut attributes = Query {
        target: number(cgroup),
        attach_type: ATTACH_CGROUP_DEVICE,
        query_flags: if effective { QUERY_EFFECTIVE } else { 0 },
        attach_flags: 0,
        ids: ids.as_mut_ptr() as usize as u64,
        count: MAX_PROGRAMS as u32,
        behind: [0; 9],
    };
    match call(PROG_QUERY, &mut attributes) {
        // More than there is room for: those we have are enough to go on.
        Ok(_) | Err(Errno::ENOSPC) => {}
        Err(errno) => return Err(Error::sys("ask for a cgroup's device programs", errno)),
    }
    Ok(ids.into_iter().take(attributes.count as usize).collect())
}

/// The program of this id, if it is one of boardbox's and still there.
fn ours(id: u32) -> Result<Option<OwnedFd>> {
    let wrong = |errno| Error::sys("look at a device program", errno);
    let program = match call(PROG_GET_FD_BY_ID, &mut ById { id, next: 0, flags: 0 }) {
        Err(Errno::ENOENT) => return Ok(None),
        other => own(other.map_err(wrong)?),
    };
    let mut info = Info { before: [0; 8], name: [0; 16] };
    let pointer: *mut Info = &mut info;
    let mut attributes = GetInfo {
        fd: number(program.as_fd()),
        length: size_of::<Info>() as u32,
        info: pointer as usize as u64,
    };
    call(OBJ_GET_INFO_BY_FD, &mut attributes).map_err(wrong)?;
    Ok((info.name == NAME).then_some(program))
}

/// Gives a v2 cgroup's directory the devices it may use, in the place of what we gave it before. All or nothing: after an
/// error it has what it had.
pub fn set(cgroup: BorrowedFd<'_>, allow: bool, exceptions: &[Exception]) -> Result<()> {
    let program = load(&assemble(allow, exceptions)?)?;
    let mut replaced = false;
    for id in query(cgroup, false)? {
        match ours(id)? {
            None => {}
            // One is all there ever is, unless we were killed between attaching the new and detaching the old.
            Some(old) if replaced => detach(cgroup, old.as_fd())?,
            Some(old) => {
                attach(cgroup, program.as_fd(), Some(old.as_fd()))?;
                replaced = true;
            }
        }
    }
    if replaced { Ok(()) } else { attach(cgroup, program.as_fd(), None) }
}

/// Takes back what `set` gave: the cgroup may use what those above it may.
pub fn clear(cgroup: BorrowedFd<'_>) -> Result<()> {
    for id in query(cgroup, false)? {
        if let Some(old) = ours(id)? {
            detach(cgroup, old.as_fd())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
