//! `old-kernel [--count FILE] COMMAND…` executes a command for which the kernel is Linux 3.2: every system call newer than
//! that answers ENOSYS, and what older calls have learned since (setns into pid and mount namespaces, no_new_privs) answers
//! EINVAL. For tests, here and on emulated boards; a child inherits it, so that all of boardbox and its containers run under
//! it. With `--count`, FILE gets a line for each refused call once the command has ended: its name and how often (Linux 5.0).
//!
//! aarch64 came with Linux 3.7 and has the generic table of system calls: there the line is drawn where that table ended in
//! 3.2, so that the same calls are refused as on the others.

use std::io::{Read, Write};
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, exit};

/// The first number past what 3.2 had (the architectures' syscall tables).
#[cfg(target_arch = "x86_64")]
const FIRST_NEW: u32 = 312;
#[cfg(target_arch = "powerpc")]
const FIRST_NEW: u32 = 353;
#[cfg(target_arch = "aarch64")]
const FIRST_NEW: u32 = 272;

/// libc has no name for it on powerpc.
const RSEQ: libc::c_long = if cfg!(target_arch = "x86_64") {
    334
} else if cfg!(target_arch = "powerpc") {
    387
} else {
    293
};

/// Those that boardbox, musl or BusyBox are known to try.
const NAMES: [(libc::c_long, &str); 17] = [
    (403, "clock_gettime64"), // 32-bit architectures only
    (libc::SYS_openat2, "openat2"),
    (libc::SYS_open_tree, "open_tree"),
    (libc::SYS_move_mount, "move_mount"),
    (libc::SYS_mount_setattr, "mount_setattr"),
    (libc::SYS_clone3, "clone3"),
    (libc::SYS_close_range, "close_range"),
    (libc::SYS_memfd_create, "memfd_create"),
    (libc::SYS_execveat, "execveat"),
    (libc::SYS_pidfd_open, "pidfd_open"),
    (libc::SYS_pidfd_send_signal, "pidfd_send_signal"),
    (libc::SYS_bpf, "bpf"),
    (libc::SYS_getrandom, "getrandom"),
    (libc::SYS_statx, "statx"),
    (libc::SYS_faccessat2, "faccessat2"),
    (RSEQ, "rseq"),
    (libc::SYS_seccomp, "seccomp"),
];

// linux/seccomp.h; _IOWR has the same bits on all three architectures.
const FILTER_WITH_LISTENER: libc::c_ulong = 1 << 3;
const RECEIVE: u32 = 0xc050_2100;
const ANSWER: u32 = 0xc018_2101;

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Default)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    instruction_pointer: u64,
    arguments: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
#[derive(Default)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// Classic BPF: code, jump if true, jump if false, operand.
fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// The offset in `struct seccomp_data` of an argument's lower half, which is the second one on big-endian machines.
fn argument(number: u32) -> u32 {
    16 + 8 * number + if cfg!(target_endian = "big") { 4 } else { 0 }
}

fn fail(what: &str) -> ! {
    eprintln!("old-kernel: {what}: {}", std::io::Error::last_os_error());
    exit(255);
}

/// From here on this process is on the old kernel. With a listener, its descriptor: whoever has it hears of each new call.
fn set_filter(listen: bool) -> RawFd {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let refuse = |errno: i32| instruction(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32);
    let allow = || instruction(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW);
    let new = match listen {
        // Once nobody listens any more, the kernel itself answers ENOSYS.
        true => instruction(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        false => refuse(libc::ENOSYS),
    };
    let mut filter = [
        instruction(LOAD, 0, 0, 0),
        instruction(AT_LEAST, 0, 1, FIRST_NEW),
        new,
        // setns(2) of 3.2 knows ipc, net and uts.
        instruction(EQUAL, 0, 5, libc::SYS_setns as u32),
        instruction(LOAD, 0, 0, argument(1)),
        instruction(EQUAL, 1, 0, libc::CLONE_NEWNS as u32),
        instruction(EQUAL, 0, 1, libc::CLONE_NEWPID as u32),
        refuse(libc::EINVAL),
        allow(),
        instruction(EQUAL, 0, 3, libc::SYS_prctl as u32),
        instruction(LOAD, 0, 0, argument(0)),
        instruction(EQUAL, 0, 1, libc::PR_SET_NO_NEW_PRIVS as u32),
        refuse(libc::EINVAL),
        allow(),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let (mode, flags): (libc::c_ulong, _) = (1, if listen { FILTER_WITH_LISTENER } else { 0 });
    // SAFETY: `program` describes `filter`, and both outlive the call; the kernel copies them.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    if done < 0 {
        fail("set the filter (root, CONFIG_SECCOMP_FILTER)");
    }
    done as RawFd
}

fn execute(words: &[String]) -> ! {
    let error = Command::new(&words[0]).args(&words[1..]).exec();
    eprintln!("old-kernel: {}: {error}", words[0]);
    exit(255);
}

/// Refuses each new call of the command and counts it, until the command ends: its wait(2) status.
fn refuse_and_count(words: &[String], counts: &mut Vec<(i32, u32)>) -> i32 {
    let (mut from_child, to_parent) = std::io::pipe().unwrap();
    let flags = (libc::CLONE_FILES | libc::SIGCHLD) as libc::c_long;
    let none: libc::c_long = 0;
    // The table of descriptors is one until the child's exec, so that the listener is here, too.
    // SAFETY: without CLONE_VM this is a fork, and this program has one thread.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    match child {
        0 => {
            let listener = set_filter(true);
            (&to_parent).write_all(&listener.to_ne_bytes()).unwrap();
            execute(words);
        }
        1.. => {}
        _ => fail("fork"),
    }
    // Not dropped before: that would close the child's, too.
    let mut listener = [0; 4];
    from_child.read_exact(&mut listener).unwrap();
    let listener = RawFd::from_ne_bytes(listener);
    drop(to_parent);
    let mut status = 0;
    loop {
        let mut poll = libc::pollfd { fd: listener, events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, alive across the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 20) };
        if ready > 0 && poll.revents & libc::POLLIN != 0 {
            let mut call = Notification::default();
            // SAFETY: `call` is a whole struct seccomp_notif, zeroed as the kernel wants it.
            if unsafe { libc::ioctl(listener, RECEIVE as _, &raw mut call) } < 0 {
                continue; // it was killed meanwhile
            }
            match counts.iter_mut().find(|(number, _)| *number == call.number) {
                Some((_, count)) => *count += 1,
                None => counts.push((call.number, 1)),
            }
            let mut answer = Response { id: call.id, error: -libc::ENOSYS, ..Response::default() };
            // SAFETY: `answer` is a whole struct seccomp_notif_resp.
            unsafe { libc::ioctl(listener, ANSWER as _, &raw mut answer) };
            continue;
        }
        // SAFETY: `status` is a valid place for the status.
        if unsafe { libc::waitpid(child as i32, &raw mut status, libc::WNOHANG) } != 0 {
            return status;
        }
        if ready > 0 {
            // Nobody is left who could call, and the child's end is near.
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let count = words.first().is_some_and(|word| word == "--count") && words.len() > 2;
    let file = if count { words.drain(..2).nth(1) } else { None };
    if words.is_empty() {
        eprintln!("usage: old-kernel [--count FILE] COMMAND...");
        return ExitCode::from(1);
    }
    let Some(file) = file else {
        set_filter(false);
        execute(&words);
    };
    let mut counts = Vec::new();
    let status = refuse_and_count(&words, &mut counts);
    counts.sort_unstable();
    let line = |(number, count): &(i32, u32)| match NAMES.iter().find(|(known, _)| *known == (*number).into())
    {
        Some((_, name)) => format!("{name} {count}\n"),
        None => format!("{number} {count}\n"),
    };
    if let Err(error) = std::fs::write(&file, counts.iter().map(line).collect::<String>()) {
        eprintln!("old-kernel: {file}: {error}");
        return ExitCode::from(255);
    }
    let code =
        if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) };
    ExitCode::from(code as u8)
}
