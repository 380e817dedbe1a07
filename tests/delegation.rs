//! A container that runs an init of its own gets its cgroups to manage: it makes some below, passes controllers on, moves its
//! processes; its limits stay out of its reach, and nothing of it is left after its end.

mod sandbox;

use sandbox::Sandbox;

/// What runs inside: an init that does with its cgroup what systemd does with its own, and says how it went.
const INIT: &str = r#"#!/bin/sh
exec >/var/log/said 2>&1
echo "root: $(sed -n 's/^0:://p' /proc/self/cgroup)"
cd /sys/fs/cgroup
mkdir init.scope system.slice system.slice/a.service
echo 1 >init.scope/cgroup.procs
echo "itself: $(sed -n 's/^0:://p' /proc/self/cgroup)"
for controller in $(cat cgroup.controllers); do
    echo +$controller >cgroup.subtree_control && echo +$controller >system.slice/cgroup.subtree_control
done
echo "passed on: $(cat system.slice/a.service/cgroup.controllers)"
sh -c 'echo $$ >system.slice/a.service/cgroup.procs; exec sleep 1000' &
while ! grep -q . system.slice/a.service/cgroup.procs; do usleep 50000; done
# The limits are above what it sees as the root; that root's own files it may not write, or it may and they are not its limits.
ls -d ../boardbox ../payload
for limit in pids.max hugetlb.2MB.max; do
    [ ! -e $limit ] || echo max >$limit
done
# Mounted anew it is the same, and the options of the host's mount are not its own to change.
mkdir /tmp/again
mount -t cgroup2 cgroup2 /tmp/again && ls /tmp/again | grep init.scope
ls -d /tmp/again/../boardbox
mount -o remount /sys/fs/cgroup
echo ready
trap 'exit 0' PWR TERM
while :; do wait; done
"#;

fn furnish(sandbox: &Sandbox) {
    let init = sandbox.file("init", INIT);
    let said = sandbox.sh(&format!(
        "cd /var/lib/lxc/temp/rootfs && mkdir -p var/log && cp {init} sbin/own && chmod +x sbin/own"
    ));
    assert_eq!(said.code, 0, "{said:?}");
}

/// Where the sandbox has cgroup v2, its options there, and the controllers it has.
fn v2(sandbox: &Sandbox) -> (String, String, String) {
    let line = sandbox
        .sh("sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) .* - cgroup2 [^ ]* /\\1 /p' /proc/self/mountinfo")
        .out;
    let (root, options) = line.trim().split_once(' ').unwrap();
    let controllers = sandbox.sh(&format!("cat {root}/cgroup.controllers")).out;
    (root.into(), options.into(), controllers.trim().into())
}

#[test]
fn on_v2_an_init_manages_its_own_groups_and_not_its_limits() {
    let sandbox = Sandbox::unified();
    let name = &sandbox.name("own");
    furnish(&sandbox);
    let (root, options, controllers) = v2(&sandbox);
    let mut settings =
        "lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.mount.auto = proc sys cgroup\n".to_string();
    // Whatever the machine's own kernel has on v2.
    let mut limits = Vec::new();
    for (controller, file, value) in [("pids", "pids.max", "40"), ("hugetlb", "hugetlb.2MB.max", "4194304")] {
        if controllers.split(' ').any(|other| other == controller) {
            settings += &format!("lxc.cgroup2.{file} = {value}\n");
            limits.push((file, value));
        }
    }
    assert!(!limits.is_empty(), "{controllers}");
    let file = sandbox.file("own.conf", &settings);
    let start = || sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "-d", "/sbin/own"]);
    let log = || sandbox.sh("cat /var/lib/lxc/temp/rootfs/var/log/said").out;
    let ready = || sandbox.until("the init inside", || log().contains("ready\n"));
    let said = start();
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    ready();
    let log = log();
    assert!(log.starts_with("root: /\nitself: /init.scope\npassed on: "), "{log}");
    let passed = log.lines().find_map(|line| line.strip_prefix("passed on: ")).unwrap();
    for (limit, _) in &limits {
        assert!(passed.contains(limit.split('.').next().unwrap()), "{log}");
    }
    assert!(
        log.contains("ls: ../boardbox: No such file") && log.contains("ls: ../payload: No such"),
        "{log}"
    );
    assert!(log.contains("\ninit.scope\n") && log.contains("again/../boardbox: No such"), "{log}");
    let group = format!("{root}/boardbox/{name}");
    for (file, value) in &limits {
        assert_eq!(sandbox.sh(&format!("cat {group}/{file}")).out.trim(), *value);
    }
    assert_eq!(v2(&sandbox).1, options);

    // Commands run beside it: its own root passes controllers on and has no processes.
    let said = sandbox.boardbox(&[
        "lxc-attach",
        "-n",
        name,
        "--",
        "/bin/sh",
        "-c",
        "sed -n 's/^0:://p' /proc/self/cgroup",
    ]);
    assert_eq!((said.code, said.out.as_str()), (0, "/../exec\n"), "{said:?}");

    // Freezing reaches what it has made.
    assert_eq!(sandbox.boardbox(&["lxc-freeze", "-n", name]).code, 0);
    let nested = format!("cat {group}/payload/system.slice/a.service/cgroup.events");
    assert!(sandbox.sh(&nested).out.contains("frozen 1"));
    assert_eq!(sandbox.boardbox(&["lxc-unfreeze", "-n", name]).code, 0);
    assert!(sandbox.sh(&nested).out.contains("frozen 0"));

    // So does its end, and the next start after a monitor that was killed.
    let sleeper = sandbox.sh(&format!("cat {group}/payload/system.slice/a.service/cgroup.procs")).out;
    assert_eq!(sandbox.boardbox(&["lxc-stop", "-n", name]).code, 0);
    assert!(!std::path::Path::new(&format!("/proc/{}", sleeper.trim())).exists());
    sandbox.assert_nothing_left(&[name]);
    sandbox.sh("rm /var/lib/lxc/temp/rootfs/var/log/said");
    assert_eq!(start().code, 0);
    ready();
    sandbox.sh(&format!("kill -KILL {}", sandbox.pid("monitor", name)));
    sandbox.until("the next start", || start().code == 0);
    assert_eq!(sandbox.boardbox(&["lxc-stop", "-k", "-n", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

/// Freezes processes in groups of its own, one below the other, and goes on with it.
const FREEZES: &str = r#"#!/bin/sh
trap : PWR TERM
case $(echo /sys/fs/cgroup/*freezer*) in
    *'*'*) file=cgroup.freeze word=1 top=/sys/fs/cgroup ;;
    *) file=freezer.state word=FROZEN top=$(echo /sys/fs/cgroup/*freezer*) ;;
esac
[ -e $top/cgroup.procs ] || top=$top/unified
group=$top
for depth in 1 2 3 4; do
    group=$group/own
    mkdir $group
    sleep 1000 &
    echo $! >$group/cgroup.procs
    # One that has no group below, beside the others.
    mkdir $group/beside
    sleep 1000 &
    echo $! >$group/beside/cgroup.procs
done
freeze() {
    group=$top
    for depth in 1 2 3 4; do
        group=$group/own
        echo $word >$group/beside/$file
        echo $word >$group/$file
    done
}
freeze
echo frozen >/var/log/said
while :; do freeze; done
"#;

#[test]
fn what_a_container_has_frozen_itself_ends_with_it() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("ice");
    let init = sandbox.file("init", FREEZES);
    let said = sandbox.sh(&format!(
        "cd /var/lib/lxc/temp/rootfs && mkdir -p var/log && cp {init} sbin/own && chmod +x sbin/own"
    ));
    assert_eq!(said.code, 0, "{said:?}");
    let file =
        sandbox.file("ice.conf", "lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.mount.auto = proc sys cgroup\n");
    let start = || {
        sandbox.sh("rm -f /var/lib/lxc/temp/rootfs/var/log/said");
        let mut said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "-d", "/sbin/own"]);
        // A monitor that was killed this moment.
        sandbox.until("the name", || {
            let taken = said.err.contains("runs already");
            if taken {
                said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "-d", "/sbin/own"]);
            }
            !taken
        });
        assert_eq!(said.code, 0, "{said:?}");
        sandbox.until("the groups that it freezes", || {
            sandbox.sh("cat /var/lib/lxc/temp/rootfs/var/log/said").out == "frozen\n"
        });
        said
    };
    // How many of its groups are frozen, by the kernel's word.
    let states = || {
        let found = format!(
            "cd /sys/fs/cgroup && find . -path '*/boardbox/{name}/*own*' \\( -name freezer.state -o -name cgroup.events \\) -exec cat {{}} +"
        );
        let states = sandbox.sh(&found).out;
        states.lines().filter(|line| matches!(*line, "FROZEN" | "frozen 1")).count()
    };

    // Frozen and thawed as a whole, it keeps what it has frozen itself.
    start();
    assert_eq!(states(), 8);
    assert_eq!(sandbox.boardbox(&["lxc-freeze", "-n", name]).code, 0);
    assert_eq!(sandbox.boardbox(&["lxc-unfreeze", "-n", name]).code, 0);
    assert_eq!(states(), 8);
    let said = sandbox.boardbox(&["boardbox", "stop", "-k", name]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    sandbox.assert_nothing_left(&[name]);

    // After an order to stop that it does not follow, and by a signal.
    start();
    assert_eq!(sandbox.boardbox(&["boardbox", "stop", "-t", "1", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
    start();
    assert_eq!(sandbox.boardbox(&["lxc-kill", "-n", name, "9"]).code, 0);
    assert_eq!(sandbox.boardbox(&["lxc-wait", "-n", name, "-s", "STOPPED", "-t", "20"]).code, 0);
    sandbox.until("its end", || sandbox.cgroups(name).is_empty());

    // A monitor that was killed: the next start ends what is left, frozen as a whole or not.
    for freeze in [false, true] {
        start();
        if freeze {
            assert_eq!(sandbox.boardbox(&["lxc-freeze", "-n", name]).code, 0);
        }
        sandbox.sh(&format!("kill -KILL {}", sandbox.pid("monitor", name)));
        let said = start();
        assert!(said.err.contains("was killed and left its record"), "{said:?}");
        assert!(!said.err.contains("still holds processes"), "{said:?}");
        assert_eq!(sandbox.boardbox(&["boardbox", "stop", "-k", name]).code, 0);
        sandbox.assert_nothing_left(&[name]);
    }
}

/// Where v1 has controllers its own directories are bound, each under its controllers' names.
#[test]
fn what_is_seen_of_the_hierarchies_is_what_the_mode_says() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("seen");
    let v1 = sandbox.sh("grep -q ' - cgroup .*cpuset' /proc/self/mountinfo").code == 0;
    let run = |mode: &str| {
        let file = sandbox.file(
            "seen.conf",
            &format!("lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.mount.auto = proc sys {mode}\n"),
        );
        let top = if v1 { "/sys/fs/cgroup/cpuset" } else { "/sys/fs/cgroup" };
        let script = format!(
            "sed -n 's/.*:cpuset:\\|^0:://p' /proc/self/cgroup | sort -u; mkdir {top}/below && rmdir {top}/below && echo own
             mkdir {top}/boardbox/{name}/below && rmdir {top}/boardbox/{name}/below && echo path
             mkdir {top}/boardbox/{name}/payload/below && rmdir {top}/boardbox/{name}/payload/below && echo path
             touch /sys/fs/cgroup/x && echo holder"
        );
        let said =
            sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "-F", "--", "/bin/sh", "-c", &script]);
        sandbox.assert_nothing_left(&[name]);
        said
    };
    let full = if v1 {
        format!("/boardbox/{name}\n/boardbox/{name}/payload\n")
    } else {
        format!("/boardbox/{name}/payload\n")
    };
    let holder = if v1 { "holder\n" } else { "" };
    assert_eq!(run("cgroup").out, "/\nown\n");
    assert_eq!(run("cgroup:mixed:force").out, "/\nown\n");
    let ro = run("cgroup:ro");
    assert!(ro.out == "/\n" && ro.err.contains("Read-only file system"), "{ro:?}");
    assert_eq!(run("cgroup:rw").out, format!("/\nown\n{holder}"));
    assert_eq!(run("cgroup-full:mixed").out, format!("{full}path\n"));
    assert_eq!(run("cgroup-full:ro").out, full);
    assert!(run("cgroup-full:rw").out.starts_with(&format!("{full}own\npath\n")));
}

#[test]
fn a_profile_asks_for_it_by_cgroup_mount() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("key");
    let profile = format!(
        "[board]\nname = \"t\"\n[[container]]\nname = \"{name}\"\nrootfs = \"/var/lib/lxc/temp/rootfs\"\n\
         command = [\"/bin/sleep\", \"1000\"]\ncgroup-mount = \"ro\"\nnetwork = []\n"
    );
    let file = sandbox.file("key.toml", &profile);
    let said = sandbox.boardbox(&["boardbox", "start", "--profile", &file, name]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let inside = sandbox.boardbox(&["boardbox", "exec", name, "--", "mkdir", "/sys/fs/cgroup/x"]);
    assert!(inside.err.contains("Read-only file system"), "{inside:?}");
    let groups =
        sandbox.boardbox(&["boardbox", "exec", name, "--", "sh", "-c", "ls -d /sys/fs/cgroup/*"]).out;
    assert!(
        groups.contains("/sys/fs/cgroup/cpuset") || groups.contains("/sys/fs/cgroup/cgroup.procs"),
        "{groups}"
    );
    assert_eq!(sandbox.boardbox(&["boardbox", "stop", "-k", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

/// systemd itself, this machine's own, on this machine's files with a tmpfs above them and no units but those of basic.target.
#[test]
fn systemd_runs_its_units_in_its_own_groups_and_shuts_down_when_asked() {
    let sandbox = Sandbox::unified();
    let name = &sandbox.name("systemd");
    let (root, ..) = v2(&sandbox);
    let said = sandbox.sh(
        "cd /var/lib && mkdir upper work lower init && mount --bind / lower &&
         mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay init &&
         : >init/etc/machine-id && rm -rf init/etc/fstab init/etc/systemd/system/*.wants && ls init/lib/systemd/systemd",
    );
    assert_eq!(said.code, 0, "needs systemd: scripts/setup installs it: {said:?}");
    let file = sandbox.file(
        "systemd.conf",
        "lxc.rootfs = /var/lib/init\nlxc.mount.auto = proc sys cgroup\nlxc.autodev = 1\nlxc.pts = 1\n\
         lxc.console = none\nlxc.stopsignal = SIGRTMIN+3\n",
    );
    let said = sandbox.boardbox(&[
        "lxc-start",
        "-n",
        name,
        "-f",
        &file,
        "-d",
        "--",
        "/lib/systemd/systemd",
        "--unit=basic.target",
    ]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let inside =
        |command: &str| sandbox.boardbox(&["lxc-attach", "-n", name, "--", "/bin/sh", "-c", command]);
    // An emulated machine takes its time.
    let socket = format!(
        "cd /proc/{}/root && for i in $(seq 550); do [ ! -S run/systemd/private ] || exit 0; sleep 0.1; done; exit 1",
        sandbox.pid("init", name)
    );
    assert_eq!(sandbox.sh(&socket).code, 0, "systemd has not opened its socket");
    let state = inside("systemctl is-system-running --wait; systemctl is-active basic.target");
    assert!(state.out.ends_with("\nactive\n"), "{state:?}");
    let unit = inside("systemd-run --quiet --wait --pipe --unit=shown sed -n 's/^0:://p' /proc/self/cgroup");
    assert_eq!(unit.out, "/system.slice/shown.service\n", "{unit:?}");
    let groups = sandbox
        .sh(&format!("cd {root}/boardbox/{name} && ls -d payload/init.scope payload/system.slice exec"));
    assert_eq!(groups.code, 0, "{groups:?}");
    // Not killed: it has taken the signal, and shut down.
    let said = sandbox.boardbox(&["lxc-stop", "-n", name, "-t", "40"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    sandbox.assert_nothing_left(&[name]);
}
