//! `old-kernel COMMAND…` executes a command for which the kernel is Linux 3.2: every system call newer than that answers
//! ENOSYS, and what older calls have learned since (setns into pid and mount namespaces, no_new_privs) answers EINVAL.
//! For tests, here and on emulated boards; a child inherits it, so that all of boardbox and its containers run under it.

use std::os::unix::process::CommandExt;

/// The first number past what 3.2 had (the architectures' syscall tables).
#[cfg(target_arch = "x86_64")]
const FIRST_NEW: u32 = 312;
#[cfg(target_arch = "powerpc")]
const FIRST_NEW: u32 = 353;
#[cfg(target_arch = "aarch64")]
const FIRST_NEW: u32 = 272;

/// Classic BPF: code, jump if true, jump if false, operand.
fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// The offset in `struct seccomp_data` of an argument's lower half, which is the second one on big-endian machines.
fn argument(number: u32) -> u32 {
    16 + 8 * number + if cfg!(target_endian = "big") { 4 } else { 0 }
}

fn main() {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let refuse = |errno: i32| instruction(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32);
    let allow = || instruction(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW);
    let mut filter = [
        instruction(LOAD, 0, 0, 0),
        instruction(AT_LEAST, 0, 1, FIRST_NEW),
        refuse(libc::ENOSYS),
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
    // SAFETY: `program` describes `filter`, and both outlive the call; the kernel copies them.
    let done = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER as libc::c_ulong,
            &raw const program,
            0 as libc::c_ulong,
            0 as libc::c_ulong,
        )
    };
    if done != 0 {
        eprintln!(
            "old-kernel: set the filter: {} (root, CONFIG_SECCOMP_FILTER)",
            std::io::Error::last_os_error()
        );
        std::process::exit(255);
    }
    let mut words = std::env::args_os().skip(1);
    let Some(command) = words.next() else {
        eprintln!("usage: old-kernel COMMAND...");
        std::process::exit(1);
    };
    let error = std::process::Command::new(&command).args(words).exec();
    eprintln!("old-kernel: {}: {error}", command.to_string_lossy());
    std::process::exit(255);
}
