//! The main job where the kernel is Linux 3.2 (see examples/old-kernel.rs): each fallback is taken.

mod sandbox;

use sandbox::{Said, Sandbox};
use std::path::Path;

const SEED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/foo23.conf");
const BOARDBOX: &str = env!("CARGO_BIN_EXE_boardbox");

/// The filter program, which cargo has built beside the binary.
fn old_kernel() -> String {
    let path = Path::new(BOARDBOX).parent().unwrap().join("examples/old-kernel");
    assert!(
        path.exists(),
        "{} is missing: cargo test without --test builds it, or cargo build --examples",
        path.display()
    );
    path.to_str().unwrap().to_owned()
}

/// Whether the machine has v2 only: no kernel of that time does. There it is refused for the program that device rules are.
#[track_caller]
fn refused(said: &Said) -> bool {
    let v2 = sandbox::on_v2("devices");
    assert_eq!(v2, said.err.contains("the kernel lacks CONFIG_CGROUP_BPF"), "{said:?}");
    v2
}

#[test]
fn the_seed_runs_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let (name, old) = (&sandbox.name("old"), &old_kernel());
    let said = sandbox.sh(&format!("{old} {BOARDBOX} lxc-start -n {name} -f {SEED} -d /bin/sleep 1000"));
    if refused(&said) {
        assert_eq!(said.code, 255);
        return sandbox.assert_nothing_left(&[name]);
    }
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let pid = sandbox.pid("init", name);
    assert_eq!(sandbox.sh(&format!("{old} {BOARDBOX} lxc-cgroup -n {name} cpuset.cpus")).out, "0-1\n");
    let links = sandbox.sh(&format!("nsenter -t {pid} -n ip -d addr")).out;
    assert!(links.contains("macvlan mode vepa") && links.contains("192.168.0.23/24"), "{links}");
    // From the new kernel, into the container that the old one made.
    let written = sandbox.boardbox(&["lxc-attach", "-n", name, "--", "/bin/touch", "/lib/x"]);
    assert!(written.err.contains("Read-only file system"), "{written:?}");
    let said = sandbox.sh(&format!("{old} {BOARDBOX} lxc-attach -n {name} -- /bin/true"));
    assert!(said.code == 255 && said.err.contains("needs Linux 3.8"), "{said:?}");
    for command in ["lxc-freeze", "lxc-unfreeze", "lxc-stop"] {
        let said = sandbox.sh(&format!("{old} {BOARDBOX} {command} -n {name}"));
        assert_eq!(said.code, 0, "{command}: {said:?}");
    }
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn each_fallback_is_taken() {
    let sandbox = Sandbox::new();
    let (name, old) = (&sandbox.name("fall"), &old_kernel());
    let counts = sandbox.dir.join("counts");
    let counts = counts.to_str().unwrap();
    // A mount of /proc inside: before 3.19 boardbox's own init is executed by its descriptor's name there.
    let settings = "lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.mount.entry = proc proc proc defaults 0 0\n\
                    lxc.mount.entry = /lib lib none ro,bind 0 0\n";
    let file = sandbox.file("fall.conf", settings);
    let said = sandbox.sh(&format!(
        "{old} --count {counts} {BOARDBOX} lxc-execute -n {name} -f {file} -- /bin/sh -c 'echo $$; touch /lib/x; exit 5'"
    ));
    assert!(said.out == "2\n" && said.err.contains("Read-only file system"), "{said:?}");
    assert_eq!(said.code, 5);
    let counts = std::fs::read_to_string(counts).unwrap();
    println!("{counts}");
    let count = |call: &str| {
        let line = counts.lines().find_map(|line| line.strip_prefix(call)?.strip_prefix(' '));
        line.map_or(0, |count| count.parse::<u32>().unwrap())
    };
    for call in ["openat2", "open_tree", "memfd_create", "execveat", "close_range", "mount_setattr"] {
        assert!(count(call) > 0, "{call} was not tried: {counts}");
    }
    assert_eq!(count("move_mount"), 0, "there was no tree to move");
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn a_safe_container_runs_and_no_new_privs_says_what_it_needs() {
    let sandbox = Sandbox::new();
    let old = &old_kernel();
    let run = |flags: &str| {
        sandbox.sh(&format!(
            "{old} {BOARDBOX} run --rootfs /var/lib/lxc/temp/rootfs --name {} {flags} -- /bin/sh -c \
             'echo >/proc/sys/kernel/hostname; ls /dev/null /dev/pts/ptmx /sys/class; echo end'",
            sandbox.name("safe")
        ))
    };
    let said = run("--readonly");
    if refused(&said) {
        assert_eq!(said.code, 255);
        return sandbox.assert_nothing_left(&[&sandbox.name("safe")]);
    }
    assert!(said.code == 0 && said.out.ends_with("end\n"), "{said:?}");
    assert!(said.out.contains("/dev/null") && said.err.contains("Read-only file system"), "{said:?}");
}

#[test]
fn a_board_comes_up_is_ready_restarts_and_goes_down() {
    let sandbox = Sandbox::new();
    let (a, b, old) = (&sandbox.name("a"), &sandbox.name("b"), &old_kernel());
    let root = "rootfs = \"/var/lib/lxc/temp/rootfs\"\nmounts = [{ type = 'tmpfs', to = 'run' }]";
    let text = format!(
        "[board]\nname = 't'\n[[container]]\nname = '{a}'\n{root}\nready = 'tcp:80'\n\
         command = ['/bin/sh', '-c', 'nc -ll -p 80 -e true']\n\
         [[container]]\nname = '{b}'\n{root}\nrequires = ['{a}']\nready = 'file:/run/up'\nrestart = 'always'\nrestart-delay = '10ms'\n\
         command = ['/bin/sh', '-c', 'touch /run/up; sleep 1000']\n"
    );
    let file = &sandbox.file("board.toml", &text);
    let said = sandbox.sh(&format!("{old} {BOARDBOX} up --json {file}"));
    if refused(&said) {
        assert_eq!(said.code, 3);
        assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
        return sandbox.assert_nothing_left(&[a, b]);
    }
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert_eq!(said.out.matches("\"event\":\"ready\"").count(), 2, "{said:?}");
    let init = sandbox.pid("init", b);
    assert_eq!(sandbox.sh(&format!("{old} {BOARDBOX} kill {b}")).code, 0);
    sandbox.until("its restart", || ![0, init].contains(&sandbox.pid("init", b)));
    let said = sandbox.sh(&format!("{old} {BOARDBOX} status {file}"));
    assert!(said.code == 0 && said.out.contains(", 1 restart, the last end: SIGKILL\n"), "{said:?}");
    assert_eq!(sandbox.sh(&format!("{old} {BOARDBOX} down -q")).code, 0);
    sandbox.assert_nothing_left(&[a, b]);
}

#[test]
fn what_the_caller_has_open_does_not_reach_a_container_without_proc() {
    let sandbox = Sandbox::new();
    let (name, old) = (&sandbox.name("open"), &old_kernel());
    let file = sandbox.file("open.conf", "lxc.rootfs = /var/lib/lxc/temp/rootfs\n");
    let said = sandbox.sh(&format!(
        "exec 9</; {old} {BOARDBOX} lxc-start -F -n {name} -f {file} -- \
         /bin/sh -c '( : <&9 ) 2>/dev/null && echo open || echo closed'"
    ));
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "closed\n", ""), "{said:?}");
    sandbox.assert_nothing_left(&[name]);
}
