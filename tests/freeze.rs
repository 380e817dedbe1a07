//! Freezing that does not come to its end, and what is frozen and does not come to its own: nobody waits for that without a limit.

mod sandbox;

use sandbox::Sandbox;
use std::process::{Child, Output, Stdio};

/// A container whose freezer never says that all of it stands still, as where a process hangs in the kernel.
fn container(sandbox: &Sandbox, name: &str) {
    let root = "/var/lib/lxc/temp/rootfs";
    let file = sandbox.file("f.conf", &format!("lxc.rootfs = {root}\n"));
    let script = format!(
        "trap 'echo heard >/tmp/{name}; exit 0' PWR TERM; : >/tmp/{name}; while :; do sleep 0.1; done"
    );
    let said = sandbox.boardbox(&["start", "-f", &file, "-n", name, "--", "/bin/sh", "-c", &script]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    sandbox.until("its trap", || sandbox.sh(&format!("ls {root}/tmp/{name}")).code == 0);
    let mut files = sandbox
        .cgroups(name)
        .into_iter()
        .flat_map(|dir| ["freezer.state", "cgroup.freeze"].map(|file| dir.join(file)));
    let file = files.find(|file| sandbox.sh(&format!("test -e {}", file.display())).code == 0).unwrap();
    let file = file.with_file_name(match file.ends_with("freezer.state") {
        true => "freezer.state",
        false => "cgroup.events",
    });
    assert_eq!(sandbox.sh(&format!("mount --bind /dev/null {}", file.display())).code, 0);
}

/// A freeze that waits.
fn freeze(sandbox: &Sandbox, name: &str) -> Child {
    let sockets = || {
        let fds = format!("ls -l /proc/{}/fd", sandbox.pid("monitor", name));
        sandbox.sh(&fds).out.matches("socket:").count()
    };
    let before = sockets();
    let mut freeze = sandbox.boardbox_command(&["freeze", name]);
    let freeze = freeze.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    sandbox.until("it to be asked", || sockets() > before);
    // Connected is not asked yet.
    std::thread::sleep(std::time::Duration::from_millis(100));
    freeze
}

#[track_caller]
fn given_up(freeze: Child) {
    let Output { status, stderr, .. } = freeze.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&stderr);
    let why = "boardbox: the container was unfrozen or stopped meanwhile\n";
    assert_eq!((status.code(), &*err), (Some(3), why));
}

#[test]
fn who_unfreezes_or_ends_a_container_ends_the_freezing_too() {
    for sandbox in [Sandbox::new(), Sandbox::unified()] {
        let name = &sandbox.name("f");
        let heard = || sandbox.sh(&format!("cat /var/lib/lxc/temp/rootfs/tmp/{name}")).out;
        container(&sandbox, name);
        let waits = freeze(&sandbox, name);
        assert_eq!(sandbox.boardbox(&["unfreeze", name]).code, 0);
        given_up(waits);
        assert!(sandbox.boardbox(&["info", name]).out.contains("RUNNING"));

        let waits = freeze(&sandbox, name);
        let begun = std::time::Instant::now();
        let said = sandbox.boardbox(&["stop", "-t", "20", name]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        assert!(begun.elapsed().as_secs() < 10);
        assert_eq!(heard(), "heard\n");
        given_up(waits);

        // The same by a signal to its monitor.
        container(&sandbox, name);
        let waits = freeze(&sandbox, name);
        assert_eq!(sandbox.sh(&format!("kill {}", sandbox.pid("monitor", name))).code, 0);
        given_up(waits);
        assert_eq!(sandbox.boardbox(&["wait", "-t", "20", name]).code, 0);
        assert_eq!(heard(), "heard\n");

        container(&sandbox, name);
        let waits = freeze(&sandbox, name);
        assert_eq!(sandbox.boardbox(&["kill", name]).code, 0);
        given_up(waits);
        assert_eq!(sandbox.boardbox(&["wait", "-t", "20", name]).code, 0);
        sandbox.until("its traces to go", || sandbox.sh(&format!("ls /run/boardbox/{name}")).code != 0);
        sandbox.assert_nothing_left(&[name]);
    }
}

#[test]
fn a_start_that_fails_says_so_where_its_first_process_does_not_end() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("hangs");
    let file = sandbox.file("h.conf", "lxc.rootfs = /var/lib/lxc/temp/rootfs\n");
    // SIGKILL does not end what is frozen on v1. Its set-up is waited for half a second here, not a minute.
    let frozen = format!(
        "cd /sys/fs/cgroup/freezer && mkdir -p boardbox/{name} && echo FROZEN >boardbox/{name}/freezer.state"
    );
    if !sandbox::on_v2("freezer") {
        assert_eq!(sandbox.sh(&frozen).code, 0);
    }
    let begun = std::time::Instant::now();
    // Into a file: a pipe would be open as long as that process is there.
    let said = sandbox.file("said", "");
    sandbox.sh(&format!(
        "timeout -s KILL 40 strace -qq -o /dev/null -e trace=recvmsg -e inject=recvmsg:error=EAGAIN:delay_enter=500000:when=1 \
         {} start -F -f {file} -n {name} -- /bin/sleep 1000 >{said} 2>&1 </dev/null",
        env!("CARGO_BIN_EXE_boardbox")
    ));
    let took = begun.elapsed();
    if !sandbox::on_v2("freezer") {
        assert_eq!(sandbox.sh(&frozen.replace("FROZEN", "THAWED")).code, 0);
    }
    let said = std::fs::read_to_string(said).unwrap();
    assert!(took.as_secs() < 30 && said.contains("its set-up took longer than"), "{took:?}: {said}");
    let hangs = said.contains("does not end by SIGKILL: it hangs in the kernel");
    assert_eq!(hangs, !sandbox::on_v2("freezer"), "{said}");
    assert!(sandbox.sh(&format!("ls /run/boardbox/{name}")).code != 0);
}

#[test]
fn what_is_being_stopped_is_not_frozen() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("s");
    let file = sandbox.file("s.conf", "lxc.rootfs = /var/lib/lxc/temp/rootfs\n");
    let script = "trap 'sleep 1; exit 0' PWR; touch /tmp/up; while :; do sleep 0.1; done";
    let said = sandbox.boardbox(&["start", "-f", &file, "-n", name, "--", "/bin/sh", "-c", script]);
    assert_eq!(said.code, 0, "{said:?}");
    sandbox.until("its trap", || sandbox.sh("ls /var/lib/lxc/temp/rootfs/tmp/up").code == 0);
    let stop = sandbox.boardbox_command(&["stop", "-t", "20", name]).spawn().unwrap();
    assert_eq!(sandbox.boardbox(&["wait", "-s", "STOPPING", "-t", "10", name]).code, 0);
    let said = sandbox.boardbox(&["freeze", name]);
    assert!(said.code == 3 && said.err.contains("the container is being stopped"), "{said:?}");
    assert_eq!(stop.wait_with_output().unwrap().status.code(), Some(0));
    sandbox.assert_nothing_left(&[name]);
}
