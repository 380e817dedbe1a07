//! The container of tests/data/foo23.conf, an LXC 0.9.0 file, on the kernel's real interfaces.

mod sandbox;

use sandbox::{Sandbox, either, on_v2};

const SEED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/foo23.conf");

/// Starts the container of foo23.conf in the background.
fn start_seed(sandbox: &Sandbox, name: &str) {
    let said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", SEED, "-d", "/bin/sleep", "1000"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_seed_runs_as_its_file_asks_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("foo1");
    start_seed(&sandbox, name);
    let pid = sandbox.pid("init", name);

    let cgroup = read(&format!("/proc/{pid}/cgroup"));
    for controller in ["cpuset", "cpu", "cpuacct", "memory", "devices", "freezer", "blkio", "pids"] {
        let line =
            either(controller, format!(":{controller}:/boardbox/{name}\n"), format!("0::/boardbox/{name}\n"));
        assert!(cgroup.contains(&line), "{controller} in {cgroup}");
    }
    assert_eq!(sandbox.setting(name, "cpuset.cpus", "cpuset.cpus"), "0-1");
    assert_eq!(sandbox.setting(name, "cpu.shares", "cpu.weight"), either("cpu", "1234", "121"));
    if !on_v2("devices") {
        assert_eq!(sandbox.setting(name, "devices.list", ""), "c 1:3 rw\nb 8:0 rw");
    }
    assert_eq!(sandbox.boardbox(&["lxc-cgroup", "-n", name, "devices.list"]).out, "c 1:3 rw\nb 8:0 rw\n");

    let links = sandbox.sh(&format!("nsenter -t {pid} -n ip -d addr")).out;
    for (nic, address) in [("eth0@", "192.168.0.23/24"), ("eth1@", "192.168.128.23/24")] {
        let part =
            links.split("\n").skip_while(|line| !line.contains(nic)).take(6).collect::<Vec<_>>().join("\n");
        assert!(part.contains("macvlan mode vepa") && part.contains(address), "{nic}: {links}");
        assert!(part.contains(",UP"), "{nic}: {links}");
    }
    let inside =
        |command: &str| sandbox.boardbox(&["lxc-attach", "-n", name, "--", "/bin/sh", "-c", command]);
    assert_eq!(inside("hostname").out, "foo23\n");
    assert!(inside("touch /lib/x").err.contains("Read-only file system"));
    assert_eq!(inside("echo x >/dev/null && echo written").out, "written\n");
    assert!(inside("cat /dev/zero").err.contains("Operation not permitted"));

    let said = sandbox.boardbox(&["lxc-cgroup", "-n", name, "cpu.shares"]);
    assert_eq!((said.code, said.out.as_str()), (0, either("cpu", "1234\n", "1239\n")));
    assert_eq!(sandbox.boardbox(&["lxc-cgroup", "-n", name, "cpu.shares", "512"]).code, 0);
    assert_eq!(sandbox.setting(name, "cpu.shares", "cpu.weight"), either("cpu", "512", "50"));
    let said = sandbox.boardbox(&["lxc-info", "-n", name]);
    assert!(said.out.contains("RUNNING") && said.out.contains(&pid.to_string()), "{said:?}");

    assert_eq!(sandbox.boardbox(&["lxc-kill", "-n", name]).code, 0);
    assert_eq!(sandbox.boardbox(&["lxc-wait", "-n", name, "-s", "STOPPED", "-t", "10"]).code, 0);
    sandbox.until("the monitor's end", || !sandbox.sh("ls /run/boardbox").out.contains(name.as_str()));
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn a_start_that_fails_names_the_step_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let seed = std::fs::read_to_string(SEED).unwrap();
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            "rootfs",
            "lxc.rootfs= /var/lib/lxc/temp/rootfs",
            "lxc.rootfs= /var/lib/lxc/nowhere",
            "/var/lib/lxc/nowhere",
        ),
        ("bridge", "lxc.network.link= br0", "lxc.network.link= br7", "link \"br7\": no such interface"),
        ("device", "devices.allow= c 1:3 rw", "devices.allow= c 1:3 rq", "access 'q' is not r, w or m"),
        ("cpus", "cpuset.cpus= 0,1", "cpuset.cpus= 900", "there is no cpu 900"),
        (
            "fstab",
            "lxc.mount=/var/lib/lxc/temp/fstab",
            "lxc.mount=/var/lib/lxc/temp/nofstab",
            "nofstab: No such file",
        ),
        ("bind", "entry=/lib ", "entry=/nolib ", "open /nolib: No such file or directory"),
        ("target", "rootfs/lib none", "rootfs/nolib none", "/nolib: No such file or directory"),
        ("shares", "cpu.shares= 1234", "cpu.shares= many", "cpu.shares"),
        ("second NIC", "lxc.network.name= eth1", "lxc.network.name= eth0", "eth0"),
        (
            "cwd",
            "lxc.utsname= foo23",
            "lxc.init.cwd= /nowhere",
            "enter directory /nowhere: No such file or directory (cwd is a directory inside",
        ),
        (
            "console",
            "lxc.utsname= foo23",
            "lxc.console= /nowhere/log",
            "open console log /nowhere/log: No such file or directory",
        ),
    ];
    for (what, line, other, message) in cases {
        assert!(seed.contains(line), "{what}");
        let file = sandbox.file("broken.conf", &seed.replace(line, other));
        for how in [&["-d"][..], &[]] {
            let name = &sandbox.name(&what.replace(' ', "-"));
            let mut words = vec!["lxc-start", "-n", name, "-f", &file];
            words.extend(how);
            words.extend(["--", "/bin/sleep", "1000"]);
            let said = sandbox.boardbox(&words);
            assert_eq!(said.code, 255, "{what}: {said:?}");
            assert!(said.err.contains(message), "{what}: {}", said.err);
            if matches!(*what, "cwd" | "console") {
                let place = format!("{file}:1:{}: container", if *what == "cwd" { 24 } else { 23 });
                assert!(said.err.contains(&place), "{what}: {}", said.err);
            }
            if !matches!(*what, "device" | "fstab") {
                assert!(said.err.contains(&format!("container \"{name}\"")), "{what}: {}", said.err);
            }
            let lines =
                said.err.lines().filter(|line| !line.contains(" outside the root file system: skipped"));
            assert_eq!(lines.count(), 1, "{what}: {}", said.err);
            sandbox.assert_nothing_left(&[name]);
        }
    }
    let name = &sandbox.name("exec");
    for applet in ["lxc-start", "lxc-execute"] {
        let said = sandbox.boardbox(&[applet, "-n", name, "-f", SEED, "-d", "--", "/bin/nothing"]);
        assert_eq!(said.code, 255);
        let want = format!("container \"{name}\": exec /bin/nothing: No such file or directory");
        assert!(said.err.contains(&want), "{}", said.err);
        sandbox.assert_nothing_left(&[name]);
    }
}

#[test]
fn a_name_that_is_taken_is_refused_and_the_first_one_lives_on() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("foo1");
    start_seed(&sandbox, name);
    let pid = sandbox.pid("init", name);
    for how in [&["-d"][..], &["-F"]] {
        let said =
            sandbox.boardbox(&[&["lxc-start", "-n", name, "-f", SEED][..], how, &["/bin/true"]].concat());
        assert_eq!(said.code, 255);
        let want = format!("container \"{name}\" runs already (its pid 1 is process {pid}");
        assert!(said.err.contains(&want), "{}", said.err);
    }
    assert!(sandbox.boardbox(&["lxc-info", "-n", name]).out.contains("RUNNING"));
    let said = sandbox.boardbox(&["lxc-stop", "-n", name]);
    assert_eq!(said.code, 0, "{said:?}");
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn a_hundred_restarts_with_one_mac_succeed() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("mac");
    let settings = "lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.network.type = macvlan\nlxc.network.link = br0\n\
                    lxc.network.macvlan.mode = vepa\nlxc.network.flags = up\nlxc.network.hwaddr = 02:00:00:00:00:17\n";
    let file = sandbox.file("mac.conf", settings);
    for round in 0..100 {
        let said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "--", "/bin/true"]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "round {round}");
    }
    sandbox.assert_nothing_left(&[name]);
}

/// Kernels before 6.13 refuse a NIC a name that the host has, too: it gets it by a pattern of names, or later.
#[test]
fn nics_have_their_names_whatever_the_host_has() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("names");
    let host = ["eth0", "eth1", "eth2", "wan"];
    for link in host {
        assert_eq!(sandbox.sh(&format!("ip link add {link} type veth peer name {link}peer")).code, 0);
    }
    for wanted in [&["eth0", "eth1", "eth2"][..], &["eth1", "eth0", "wan", "lan0"], &["wan", "eth3", "eth0"]]
    {
        let nic = |name: &&str| {
            format!("lxc.network.type = macvlan\nlxc.network.link = br0\nlxc.network.name = {name}\n")
        };
        let nics: Vec<String> = wanted.iter().map(nic).collect();
        let file = sandbox.file(
            "names.conf",
            &format!("lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.mount.auto = sys\n{}", nics.concat()),
        );
        let list = "for nic in /sys/class/net/*; do echo $(cat $nic/ifindex) ${nic##*/}; done | sort -n";
        let said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "--", "/bin/sh", "-c", list]);
        let names: Vec<&str> =
            said.out.lines().filter_map(|line| line.split_once(' ')).map(|(_, name)| name).collect();
        assert_eq!(names, [&["lo"], wanted].concat(), "{said:?}");
        // Not the addresses, which may have any letters.
        let said = sandbox.sh("ip -o link | cut -d : -f 1,2");
        assert!(
            host.iter().all(|link| said.out.contains(&format!(": {link}"))) && !said.out.contains("bb"),
            "{said:?}"
        );
    }
    // One name twice: refused, and nothing is left.
    let nic = "lxc.network.type = macvlan\nlxc.network.link = br0\nlxc.network.name = wan0\n";
    let file = sandbox.file("twice.conf", &format!("lxc.rootfs = /var/lib/lxc/temp/rootfs\n{nic}{nic}"));
    let said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "--", "/bin/true"]);
    assert!(said.code == 255 && said.err.contains("two interfaces of a container have one name"), "{said:?}");
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn a_killed_monitor_takes_its_container_along_and_the_next_start_cleans_up() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("foo1");
    start_seed(&sandbox, name);
    let (monitor, init) = (sandbox.pid("monitor", name), sandbox.pid("init", name));
    sandbox.sh(&format!("kill -9 {monitor}"));
    sandbox.until("the container's end", || !std::path::Path::new(&format!("/proc/{init}")).exists());
    assert_ne!(sandbox.cgroups(name).len(), 0);
    let said = sandbox.boardbox(&["lxc-info", "-n", name]);
    assert!(said.out.contains("STOPPED"), "{said:?}");
    let said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", SEED, "--", "/bin/true"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("was killed and left its record"), "{}", said.err);
    sandbox.assert_nothing_left(&[name]);

    // So do stop, which has nothing to stop, and down, which could unmount no hierarchy else.
    for (command, code) in [(&["stop", name.as_str()][..], 4), (&["down"], 0)] {
        start_seed(&sandbox, name);
        let (monitor, init) = (sandbox.pid("monitor", name), sandbox.pid("init", name));
        sandbox.sh(&format!("kill -9 {monitor}"));
        sandbox.until("the container's end", || !std::path::Path::new(&format!("/proc/{init}")).exists());
        assert_ne!(sandbox.cgroups(name).len(), 0);
        let said = sandbox.boardbox(command);
        assert_eq!(said.code, code, "{said:?}");
        assert!(!said.err.contains("has outlived it"), "{said:?}");
        sandbox.assert_nothing_left(&[name]);
        assert!(sandbox.sh("ls -d /run/boardbox").code != 0);
    }
}

/// A pid 1 that changes its user loses the signal that ties its life to its monitor's.
#[test]
fn a_container_that_outlives_its_monitor_is_ended_by_whoever_comes_next() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("outlives");
    let file = sandbox.file(
        "board.toml",
        &format!(
            "[board]\nname = 't'\n[[container]]\nname = '{name}'\nrootfs = '/var/lib/lxc/temp/rootfs'\n\
             command = ['/bin/su', 'u', '-c', 'exec sleep 1000']\n"
        ),
    );
    let passwd = "printf 'u:x:1000:1000::/:/bin/sh\\n' >/var/lib/lxc/temp/rootfs/etc/passwd";
    assert_eq!(sandbox.sh(passwd).code, 0);
    let start = || sandbox.boardbox(&["start", &file, name]);
    let outlive = || {
        let init = sandbox.pid("init", name);
        let path = format!("/proc/{init}");
        let owner = || std::fs::metadata(&path).map(|there| std::os::unix::fs::MetadataExt::uid(&there));
        sandbox.until("its change of user", || owner().is_ok_and(|uid| uid == 1000));
        let monitor = sandbox.pid("monitor", name);
        assert_eq!(sandbox.sh(&format!("kill -9 {monitor}")).code, 0);
        sandbox.until("the monitor's end", || !std::path::Path::new(&format!("/proc/{monitor}")).exists());
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(std::path::Path::new(&path).exists());
        path
    };
    let runs =
        |path: &str| std::fs::read_to_string(format!("{path}/stat")).is_ok_and(|stat| !stat.contains(") Z "));

    assert_eq!(start().code, 0);
    let first = outlive();
    // Whoever looks is told.
    let pid = first.trim_start_matches("/proc/");
    for command in [&["ps"][..], &["status", &file], &["info", name]] {
        let said = sandbox.boardbox(command);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains("its monitor was killed, but pid 1 still runs"), "{command:?}: {said:?}");
        assert!(
            command[0] == "info" || all.contains(pid) && all.contains("STOPPED"),
            "{command:?}: {said:?}"
        );
    }
    let said = sandbox.boardbox(&["ps", "--json"]);
    assert!(said.out.contains(&format!("\"pid\":{pid}")), "{said:?}");
    let said = start();
    assert!(said.code == 0 && said.err.contains("has outlived it"), "{said:?}");
    assert!(!runs(&first));

    // Also a frozen one.
    let second = outlive();
    let frozen = "for group in $(sed -n 's/^cgroup [^ ]* //p' /run/boardbox/*/record); do
        echo FROZEN 2>/dev/null >$group/freezer.state || echo 1 2>/dev/null >$group/cgroup.freeze; done; true";
    assert_eq!(sandbox.sh(frozen).code, 0);
    let said = sandbox.boardbox(&["stop", name]);
    assert!(said.code == 0 && said.err.contains("has outlived it"), "{said:?}");
    assert!(!runs(&second));
    sandbox.assert_nothing_left(&[name]);

    assert_eq!(start().code, 0);
    let third = outlive();
    let said = sandbox.boardbox(&["down"]);
    assert!(said.code == 0 && said.err.contains("has outlived it"), "{said:?}");
    assert!(!runs(&third));
    sandbox.assert_nothing_left(&[name]);

    // A number that is another's by now is nobody to be killed.
    assert_eq!(start().code, 0);
    let fourth = outlive();
    let record = format!("/run/boardbox/{name}/record");
    assert_eq!(sandbox.sh(&format!("sed -i 's/^started .*/started 1/' {record}")).code, 0);
    let said = sandbox.boardbox(&["down"]);
    assert!(!said.err.contains("has outlived it") && runs(&fourth), "{said:?}");
    assert_eq!(sandbox.sh(&format!("kill -9 {}", fourth.trim_start_matches("/proc/"))).code, 0);
}

#[test]
fn statuses_signals_and_streams_pass_through() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("plain");
    let file = sandbox.file("plain.conf", "lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.utsname = plain\n");
    let run = |applet: &str, script: &str| {
        sandbox.boardbox(&[applet, "-n", name, "-f", &file, "--", "/bin/sh", "-c", script])
    };
    for applet in ["lxc-start", "lxc-execute"] {
        let said = run(applet, "echo out; echo err >&2; exit 7");
        let hint = "lxc-execute runs boardbox inside: test the static file (scripts/test host)";
        assert_eq!(
            (said.code, said.out.as_str(), said.err.as_str()),
            (7, "out\n", "err\n"),
            "{applet}: {hint}"
        );
        assert_eq!(run(applet, "hostname").out, "plain\n");
        let environment = run(applet, "env").out;
        assert!(environment.contains("container=lxc\n") && !environment.contains("CARGO"), "{environment}");
    }
    // pid 2 under an init of ours is killed by its own signal; pid 1 cannot be.
    assert_eq!(run("lxc-execute", "kill -TERM $$").code, 128 + 15);
    assert_eq!(run("lxc-execute", "echo $$").out, "2\n");
    assert_eq!(run("lxc-start", "echo $$").out, "1\n");
    assert_eq!(run("lxc-execute", "(sleep 0.3; echo late) & exit 4").code, 4);
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn a_terminal_signal_ends_a_foreground_container_even_if_pid_1_ignores_it() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("plain");
    let file = sandbox.file("plain.conf", "lxc.rootfs = /var/lib/lxc/temp/rootfs\n");
    for (script, code) in [("exec sleep 1000", 137), ("trap 'exit 5' TERM; while :; do sleep 0.1; done", 5)] {
        let words = ["lxc-start", "-n", name, "-f", &file, "--", "/bin/sh", "-c", script];
        let mut child = sandbox.boardbox_command(&words).spawn().unwrap();
        sandbox
            .until("RUNNING", || sandbox.boardbox(&["lxc-info", "-n", name, "-s"]).out.contains("RUNNING"));
        let init = sandbox.pid("init", name);
        if code == 5 {
            // The shell needs a moment to set its trap.
            sandbox.until("the trap", || {
                let status = std::fs::read_to_string(format!("/proc/{init}/status")).unwrap_or_default();
                let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap_or("0");
                u64::from_str_radix(mask, 16).unwrap() & (1 << 14) != 0
            });
        }
        let monitor = sandbox.pid("monitor", name);
        sandbox.sh(&format!("kill -TERM {monitor}"));
        assert_eq!(child.wait().unwrap().code(), Some(code), "{script}");
        sandbox.assert_nothing_left(&[name]);
    }
}

#[test]
fn freezing_stopping_and_killing_a_frozen_container() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("foo1");
    for last in [&["lxc-kill", "-n"][..], &["lxc-stop", "-n"], &["lxc-stop", "-k", "-n"]] {
        start_seed(&sandbox, name);
        let state = || sandbox.boardbox(&["lxc-info", "-n", name, "-s"]).out;
        assert_eq!(sandbox.boardbox(&["lxc-freeze", "-n", name]).code, 0);
        assert!(state().contains("FROZEN"));
        let said = sandbox.boardbox(&["lxc-attach", "-n", name, "--", "/bin/true"]);
        assert!(said.code == 255 && said.err.contains("is frozen"), "{said:?}");
        assert_eq!(sandbox.boardbox(&["lxc-unfreeze", "-n", name]).code, 0);
        assert!(state().contains("RUNNING"));
        assert_eq!(sandbox.boardbox(&["lxc-freeze", "-n", name]).code, 0);
        let begun = std::time::Instant::now();
        assert_eq!(sandbox.boardbox(&[last, &[name.as_str()]].concat()).code, 0);
        assert_eq!(sandbox.boardbox(&["lxc-wait", "-n", name, "-s", "STOPPED", "-t", "10"]).code, 0);
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{last:?} hung");
        sandbox.until("the monitor's end", || !sandbox.sh("ls /run/boardbox").out.contains(name.as_str()));
        sandbox.assert_nothing_left(&[name]);
    }
}

#[test]
fn a_stop_asks_first_and_kills_when_the_time_is_over() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("init");
    let file = sandbox.file("init.conf", "lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.stopsignal = SIGUSR1\n");
    // The file tells that the trap is set; the last container's must be gone before this one's is waited for.
    let start = |trap: &str| {
        sandbox.sh("rm -f /var/lib/lxc/temp/rootfs/tmp/ready");
        let script = format!("{trap}; touch /tmp/ready; while :; do sleep 0.05; done");
        let said =
            sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "-d", "--", "/bin/sh", "-c", &script]);
        assert_eq!(said.code, 0, "{said:?}");
        sandbox.until("the trap", || sandbox.sh("ls /var/lib/lxc/temp/rootfs/tmp/ready").code == 0);
    };
    start("trap 'touch /tmp/asked; exit 0' USR1");
    assert_eq!(sandbox.boardbox(&["lxc-stop", "-n", name]).code, 0);
    assert_eq!(sandbox.sh("ls /var/lib/lxc/temp/rootfs/tmp/asked").code, 0);
    start("trap : USR1");
    let begun = std::time::Instant::now();
    assert_eq!(sandbox.boardbox(&["lxc-stop", "-n", name, "-t", "1"]).code, 0);
    let took = begun.elapsed().as_secs_f32();
    assert!((0.9..5.0).contains(&took), "{took}");
    start(":");
    let said = sandbox.boardbox(&["lxc-stop", "-n", name, "-t", "30"]);
    assert_eq!(said.code, 0);
    assert!(said.err.contains("no handler for SIGUSR1"), "{said:?}");
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn an_end_for_want_of_memory_is_told_from_others() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("oom");
    let run = |script: &str| {
        let words = [
            "run",
            "--rootfs",
            "/var/lib/lxc/temp/rootfs",
            "--name",
            name,
            "--memory",
            "6M",
            "--",
            "/bin/sh",
            "-c",
        ];
        sandbox.boardbox(&[&words[..], &[script]].concat())
    };
    let greedy = "awk 'BEGIN { s = \"x\"; while (1) s = s s }'";
    let said = run(&format!("exec {greedy}"));
    assert_eq!(said.code, 137, "{said:?}");
    let want = format!(
        "container \"{name}\": it ran out of memory: the kernel killed 1 process at its memory limit"
    );
    assert!(said.err.contains(&want), "{said:?}");
    let said = run("kill -9 $$; exit 3");
    assert!(said.code == 3 && !said.err.contains("memory"), "{said:?}");

    let file = sandbox
        .file("oom.conf", "lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.cgroup.memory.limit_in_bytes = 6M\n");
    let script = format!("{greedy}; sleep 1000");
    let said =
        sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "-d", "--", "/bin/sh", "-c", &script]);
    assert_eq!(said.code, 0, "{said:?}");
    sandbox.until("out of memory in info", || {
        sandbox.boardbox(&["info", name]).out.contains("out of memory, the kernel killed 1 of its processes")
    });
    assert_eq!(sandbox.boardbox(&["lxc-stop", "-k", "-n", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn nics_are_born_inside_and_a_plain_run_takes_few_system_calls() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("foo1");
    let binary = env!("CARGO_BIN_EXE_boardbox");
    let trace = sandbox.dir.join("trace");
    let trace = trace.to_str().unwrap();
    let said = sandbox.sh(&format!(
        "strace -f -s 200 -e trace=sendto,sendmsg,setns -o {trace} {binary} lxc-start -n {name} -f {SEED} -- /bin/true"
    ));
    assert_eq!(said.code, 0, "{said:?}");
    let calls = read(trace);
    assert_eq!(calls.lines().filter(|line| line.contains("macvlan")).count(), 2, "{calls}");
    assert!(!calls.contains("setns("), "{calls}");
    sandbox.assert_nothing_left(&[name]);

    let counted = sandbox.sh(&format!(
        "strace -f -c -o {trace} {binary} run --plain --rootfs /var/lib/lxc/temp/rootfs --controllers= -- /bin/true"
    ));
    assert_eq!(counted.code, 0, "{counted:?}");
    let table = read(trace);
    let total = table.lines().rev().find(|line| line.ends_with("total")).unwrap();
    let calls: u32 = total.split_ascii_whitespace().nth(3).unwrap().parse().unwrap();
    // The debug build's own checks (fcntl before each close) are not the program's: the release file has far fewer.
    let checks: u32 = table
        .lines()
        .find(|line| line.ends_with(" fcntl"))
        .map_or(0, |line| line.split_ascii_whitespace().nth(3).unwrap().parse().unwrap());
    assert!(calls - checks <= 150, "{table}");
}

/// Its record is there before its cgroups are: whoever comes next knows of them.
#[test]
fn a_monitor_that_is_killed_while_it_makes_cgroups_leaves_none_to_the_next() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("early");
    let binary = env!("CARGO_BIN_EXE_boardbox");
    for number in 3..9 {
        let inject = format!("trace=mkdir -e inject=mkdir:signal=KILL:when={number}");
        sandbox.sh(&format!(
            "strace -f -qq -o /dev/null -e {inject} {binary} lxc-start -d -n {name} -f {SEED} /bin/sleep 1000"
        ));
        let said = sandbox.boardbox(&["down"]);
        assert_eq!(said.code, 0, "{number}: {said:?}");
        sandbox.assert_nothing_left(&[name]);
        assert!(sandbox.sh("ls -d /run/boardbox").code != 0, "{number}");
    }
}

#[test]
fn a_container_without_a_root_file_system_has_its_terminals() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("host");
    let file = sandbox.file(
        "host.toml",
        &format!("[board]\nname = 't'\n[[container]]\nname = '{name}'\ncommand = ['/bin/sleep', '1000']\n"),
    );
    let said = sandbox.boardbox(&["start", &file, name]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let said =
        sandbox.boardbox(&["exec", name, "sh", "-c", "stat -c %t:%T /dev/console /dev/null; ls /dev/pts"]);
    assert!(said.code == 0 && said.out.starts_with("88:") && said.out.contains("\n1:3\n"), "{said:?}");
    assert_eq!(sandbox.boardbox(&["stop", "-k", name]).code, 0);
    let file = sandbox.file("host.conf", "lxc.tty = 2\nlxc.pts = 1024\nlxc.network.type = empty\n");
    let said = sandbox.boardbox(&[
        "lxc-start",
        "-n",
        name,
        "-f",
        &file,
        "--",
        "/bin/sh",
        "-c",
        "ls /dev/pts; echo here",
    ]);
    assert!(said.code == 0 && said.out.ends_with("here\n"), "{said:?}");
    sandbox.assert_nothing_left(&[name]);
}
