//! boardbox's commands, and what LXC's names add to them, on containers that run.

mod sandbox;

use sandbox::{Said, Sandbox, hierarchies_of};
use std::time::Duration;

const ROOT: &str = "/var/lib/lxc/temp/rootfs";

/// `boardbox run` with the sandbox's root file system.
fn run(sandbox: &Sandbox, options: &[&str], script: &str) -> Said {
    let name = sandbox.name("run");
    let mut words = vec!["run", "--rootfs", ROOT, "--name", &name];
    words.extend(options);
    words.extend(["--", "/bin/sh", "-c", script]);
    let said = sandbox.boardbox(&words);
    sandbox.assert_nothing_left(&[&name]);
    said
}

/// Starts a container in the background that runs `script`, from an LXC file.
fn start(sandbox: &Sandbox, name: &str, script: &str) {
    let file = sandbox.file("plain.conf", &format!("lxc.rootfs = {ROOT}\nlxc.mount.auto = proc:mixed\n"));
    let said = sandbox.boardbox(&["start", "-f", &file, "-n", name, "--", "/bin/sh", "-c", script]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""));
}

#[track_caller]
fn says(said: &Said, code: i32, out: &str) {
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (code, out, ""));
}

#[test]
fn run_does_what_its_flags_say() {
    let sandbox = Sandbox::new();
    let name = sandbox.name("run");
    says(&run(&sandbox, &[], "echo $0 in; exit 7"), 7, "/bin/sh in\n");
    says(&run(&sandbox, &[], "hostname"), 0, &format!("{name}\n"));
    says(&run(&sandbox, &["--hostname=h"], "hostname"), 0, "h\n");
    says(&run(&sandbox, &["--cwd=/tmp", "-eA=b c"], "pwd; echo $A"), 0, "/tmp\nb c\n");
    says(&run(&sandbox, &["-u5", "-g6"], "id -u; id -g"), 0, "5\n6\n");
    says(&run(&sandbox, &["--init"], "echo $$"), 0, "2\n");
    says(
        &run(&sandbox, &["--tmpfs=/tmp:size=64k"], "grep -c ' /tmp tmpfs rw.*size=64k' /proc/mounts"),
        0,
        "1\n",
    );
    let bind = format!("{}:/host:ro", sandbox.dir.display());
    sandbox.file("x", "content\n");
    let said = run(&sandbox, &["--bind", &bind], "cat /host/x; touch /host/y");
    assert_eq!((said.code, said.out.as_str()), (1, "content\n"), "{said:?}");
    assert!(said.err.contains("Read-only file system"), "{said:?}");
    let said = run(&sandbox, &["--readonly"], "touch /x");
    assert!(said.code == 1 && said.err.contains("Read-only file system"), "{said:?}");
}

#[test]
fn run_has_a_network_of_its_own_unless_it_is_told_otherwise() {
    let sandbox = Sandbox::new();
    let links = "ip -o link | sed 's/^[0-9]*: *\\([^:@]*\\).*/\\1/' | sort | tr '\\n' ' '";
    says(&run(&sandbox, &[], links), 0, "lo ");
    let said = run(&sandbox, &["--network=host"], links);
    assert!(said.code == 0 && said.out.contains("br0"), "{said:?}");
}

#[test]
fn run_is_held_to_its_controllers() {
    let sandbox = Sandbox::new();
    let name = sandbox.name("run");
    let joined = format!("grep -c boardbox/{name} /proc/self/cgroup");
    says(&run(&sandbox, &["--controllers="], &joined), 1, "0\n");
    says(&run(&sandbox, &["-c", "cpu,pids"], &joined), 0, &format!("{}\n", hierarchies_of(&["cpu", "pids"])));
    let said = run(&sandbox, &["--cpus=0"], "grep Cpus_allowed_list /proc/self/status");
    says(&said, 0, "Cpus_allowed_list:\t0\n");
    let said = run(
        &sandbox,
        &["--devices=standard"],
        "mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg; rm /tmp/kmsg; echo x >/dev/null",
    );
    assert!(said.code == 0 && said.err.contains("Operation not permitted"), "{said:?}");
    let said = run(
        &sandbox,
        &["--devices=all"],
        "mknod /tmp/zero2 c 1 5 && head -c1 /tmp/zero2 | wc -c; rm /tmp/zero2",
    );
    says(&said, 0, "1\n");
    let said = run(&sandbox, &["--cpus=900"], "true");
    assert!(said.code == 255 && said.err.contains("there is no cpu 900"), "{said:?}");
}

#[test]
fn exec_runs_inside_and_passes_its_end_on() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("exec");
    start(&sandbox, name, "exec sleep 1000");
    let exec = |words: &[&str]| sandbox.boardbox(&[&["exec", name.as_str()][..], words].concat());
    says(&exec(&["/bin/sh", "-c", "exit 3"]), 3, "");
    says(&exec(&["--", "/bin/sh", "-c", "kill -TERM $$"]), 143, "");
    // What follows the command is the command's.
    says(&exec(&["echo", "-v", "--help", "--", "-x=1"]), 0, "-v --help -- -x=1\n");
    says(
        &exec(&[
            "-u",
            "5",
            "-g6",
            "--cwd=/tmp",
            "--env",
            "A=b",
            "--",
            "sh",
            "-c",
            "id -u; id -g; pwd; echo $A",
        ]),
        0,
        "5\n6\n/tmp\nb\n",
    );
    let environment = exec(&["env"]).out;
    assert!(!environment.contains("CARGO") && environment.contains("PATH="), "{environment}");
    let joined = format!("grep -c boardbox/{name} /proc/self/cgroup");
    let all = ["cpuset", "cpu", "cpuacct", "memory", "devices", "freezer", "blkio", "pids"];
    says(&exec(&["sh", "-c", &joined]), 0, &format!("{}\n", hierarchies_of(&all)));
    let said = exec(&["/bin/nothing"]);
    assert!(said.code == 255 && said.err.starts_with("boardbox: "), "{said:?}");
    assert_eq!(sandbox.boardbox(&["stop", "-k", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn what_runs_is_listed_asked_and_ended() {
    let sandbox = Sandbox::new();
    let (a, b) = (&sandbox.name("a"), &sandbox.name("b"));
    start(&sandbox, b, "exec sleep 1000");
    start(&sandbox, a, "trap 'exit 9' TERM; while :; do sleep 0.05; done");
    let list = sandbox.boardbox(&["ps"]).out;
    let names: Vec<&str> = list.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, [a, b]);
    let (init, monitor) = (sandbox.pid("init", a), sandbox.pid("monitor", a));
    let object = format!(
        "{{\"name\":\"{a}\",\"state\":\"RUNNING\",\"pid\":{init},\"command_pid\":{init},\"monitor_pid\":{monitor},\"restarts\":0,\"last_exit_code\":null,\"ended\":null}}"
    );
    says(&sandbox.boardbox(&["info", "--json", a]), 0, &format!("{object}\n"));
    assert!(sandbox.boardbox(&["ps", "--json"]).out.starts_with(&format!("[{object},{{")));
    let text = format!(
        "name:     {a}\nstate:    RUNNING\npid:      {init}\ncommand:  {init}\nmonitor:  {monitor}\n"
    );
    says(&sandbox.boardbox(&["info", a]), 0, &text);

    says(&sandbox.boardbox(&["cgroup", a, "cpu.shares"]), 0, "1024\n");
    says(&sandbox.boardbox(&["cgroup", a, "cpu.shares", "512"]), 0, "");
    says(&sandbox.boardbox(&["cgroup", a, "cpu.shares"]), 0, "512\n");
    let said = sandbox.boardbox(&["cgroup", a, "cpu.shares", "many"]);
    assert!(said.code == 3 && said.err.contains("cpu.shares"), "{said:?}");

    says(&sandbox.boardbox(&["freeze", a, b]), 0, "");
    says(&sandbox.boardbox(&["wait", "--state=FROZEN", b]), 0, "");
    assert_eq!(sandbox.boardbox(&["ps"]).out.matches("FROZEN").count(), 2);
    says(&sandbox.boardbox(&["unfreeze", a]), 0, "");
    assert_eq!(sandbox.boardbox(&["ps"]).out.matches("FROZEN").count(), 1);

    let said = sandbox.boardbox(&["wait", "-t1", "-s", "STOPPED", a]);
    assert_eq!(said.code, 6);
    says(&sandbox.boardbox(&["kill", "-TERM", a]), 0, "");
    says(&sandbox.boardbox(&["wait", a]), 0, "");
    // One that does not run does not keep the other from being stopped.
    let said = sandbox.boardbox(&["stop", a, b]);
    assert_eq!(said.code, 4, "{said:?}");
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(
        lines[0],
        format!("boardbox: container \"{a}\" is not running (start it: boardbox start {a})")
    );
    assert!(lines[1].starts_with(&format!("boardbox: container \"{b}\": ")) && lines.len() == 2, "{lines:?}");
    sandbox.assert_nothing_left(&[a, b]);
    says(&sandbox.boardbox(&["ps", "--json"]), 0, "[]\n");
}

#[test]
fn a_board_comes_up_in_order_and_goes_down_whole() {
    let sandbox = Sandbox::new();
    let (one, bad, two) = (&sandbox.name("one"), &sandbox.name("bad"), &sandbox.name("two"));
    let container = |name: &str, root: &str| {
        format!(
            "[[container]]\nname = \"{name}\"\nrootfs = \"{root}\"\ncommand = [\"/bin/sleep\", \"1000\"]\n"
        )
    };
    let text = [
        "[board]\nname = \"t\"\n[[bridge]]\nname = \"br1\"\nports = [\"eth0\"]\n".to_string(),
        container(one, ROOT),
        container(bad, "/nowhere"),
        container(two, ROOT),
    ];
    let file = &sandbox.file("board.toml", &text.concat());
    sandbox.sh("ip link add p0 type veth peer name p1");

    // A dry run does nothing, and says what up then does.
    let plan = sandbox.boardbox(&["plan", file, "--port=eth0=p0"]);
    assert_eq!((plan.code, plan.err.as_str()), (0, ""));
    assert!(plan.out.contains("  host    make bridge br1  ("), "{}", plan.out);
    assert_eq!(sandbox.boardbox(&["plan", file, "--port=eth0=p0"]).out, plan.out);
    assert!(sandbox.sh("ip link show br1").code != 0);

    let up = sandbox.boardbox(&["-v", "up", file, "--port", "eth0=p0"]);
    assert_eq!(up.code, 2, "{up:?}");
    assert!(up.err.contains(&format!("boardbox: {file}:")) && up.err.contains("/nowhere"), "{}", up.err);
    let performed = |line: &&str| {
        let late = line.contains("  late    ");
        (late && !line.starts_with(bad.as_str()))
            || (line.contains("  host    ") && !line.contains("clone with"))
    };
    let step = |line: &'_ str| {
        let (_, rest) = line.split_once("  host    ").or_else(|| line.split_once("  late    ")).unwrap();
        rest.rsplit_once("  (").unwrap().0.to_string()
    };
    let planned: Vec<String> = plan.out.lines().filter(performed).map(step).collect();
    // Containers start side by side, and so do their lines: those of each are whole and in its order.
    let told = |step: &str| up.err.find(&format!("INFO  [boardbox::apply] {step}"));
    assert_eq!(up.err.matches("INFO  [boardbox::apply] ").count(), planned.len(), "{}", up.err);
    for of in [one, bad, two, "br1"] {
        let places: Vec<_> = planned.iter().filter(|step| step.contains(of)).map(|step| told(step)).collect();
        assert!(!places.is_empty() && !places.contains(&None) && places.is_sorted(), "{of}: {}", up.err);
    }

    let running = || sandbox.boardbox(&["ps"]).out;
    assert!(
        running().contains(one.as_str())
            && running().contains(two.as_str())
            && !running().contains(bad.as_str())
    );
    let status = sandbox.boardbox(&["status"]);
    assert!(status.out.contains("bridge  br1      up, port p0, by up\n"), "{}", status.out);
    assert!(status.out.contains(&format!("container  {bad}  STOPPED\n")), "{}", status.out);
    let json = sandbox.boardbox(&["status", "--json"]).out;
    assert!(json.contains("{\"name\":\"br1\",\"state\":\"up\",\"ports\":[{\"name\":\"p0\",\"enslaved\":true}],\"relay\":null,\"by_up\":true}"), "{json}");

    // What runs is left alone, what does not is started.
    let pid = sandbox.pid("init", one);
    assert_eq!(sandbox.boardbox(&["stop", "-q", two]).code, 0);
    let said = sandbox.boardbox(&["up", file, "--port", "eth0=p0", one, two]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.contains(&format!("{one}  runs already\n")), "{said:?}");
    assert!(said.out.contains(&format!("{two}  ready after ")), "{said:?}");
    assert_eq!(sandbox.pid("init", one), pid);
    let said = sandbox.boardbox(&["start", one]);
    assert!(said.code == 5 && said.err.contains("runs already"), "{said:?}");

    assert_eq!(sandbox.boardbox(&["down", "-q", two]).code, 0);
    assert!(running().contains(one.as_str()) && sandbox.sh("ip link show br1").code == 0);
    says(&sandbox.boardbox(&["start", two]), 0, "");
    says(&sandbox.boardbox(&["down", "-q"]), 0, "");
    assert!(sandbox.sh("ip link show br1").code != 0);
    assert!(sandbox.sh("ls -d /run/boardbox").code != 0);
    sandbox.assert_nothing_left(&[one, bad, two]);
}

#[test]
fn a_profiles_container_runs_in_the_foreground_with_another_command() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("one");
    let text = format!("[board]\nname = \"t\"\n[[container]]\nname = \"{name}\"\nrootfs = \"{ROOT}\"\n");
    let file = &sandbox.file("board.toml", &text);
    let said = sandbox.boardbox(&["start", file, name, "-F", "--", "/bin/sh", "-c", "echo hi; exit 4"]);
    says(&said, 4, "hi\n");
    let pidfile = sandbox.dir.join("pid");
    let pidfile = pidfile.to_str().unwrap();
    says(&sandbox.boardbox(&["start", "--profile", file, "-p", pidfile, "--", "/bin/sleep", "1000"]), 0, "");
    assert_eq!(std::fs::read_to_string(pidfile).unwrap(), format!("{}\n", sandbox.pid("monitor", name)));
    assert_eq!(sandbox.boardbox(&["stop", "-k", name]).code, 0);
    assert!(!std::fs::exists(pidfile).unwrap());
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn lxc_names_take_their_options() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("foo");
    let file = sandbox.file("foo.conf", &format!("lxc.rootfs = {ROOT}\nlxc.mount.auto = proc\n"));
    let console = sandbox.dir.join("console");
    let console = console.to_str().unwrap();

    // It is waited for before it runs.
    let mut waiting =
        sandbox.boardbox_command(&["lxc-wait", "-n", name, "-s", "RUNNING", "-t", "20"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let script = "echo on the console; exec sleep 1000";
    let words = [
        "lxc-start",
        "-dn",
        name,
        "--rcfile",
        &file,
        "-s",
        "lxc.utsname=foo23",
        "-L",
        console,
        "/bin/sh",
        "--",
        "-c",
        script,
    ];
    says(&sandbox.boardbox(&words), 0, "");
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    let pid = sandbox.pid("init", name);
    says(
        &sandbox.boardbox(&["lxc-info", "-n", name]),
        0,
        &format!("state:{:>10}\npid:{pid:>10}\n", "RUNNING"),
    );
    says(&sandbox.boardbox(&["lxc-info", "-pn", name]), 0, &format!("pid:{pid:>10}\n"));
    assert_eq!(sandbox.boardbox(&["lxc-info", "-n", name, "-t", "RUNNING"]).code, 0);
    assert_eq!(sandbox.boardbox(&["lxc-info", "-n", name, "-t", "FROZEN"]).code, 1);
    sandbox.until("the console's log", || {
        std::fs::read_to_string(console).is_ok_and(|text| text.contains("on the console"))
    });

    let attach =
        |words: &[&str]| sandbox.boardbox(&[&["lxc-attach", "-n", name.as_str()][..], words].concat());
    says(&attach(&["--", "hostname"]), 0, "foo23\n");
    says(&attach(&["-v", "A=b", "--set-var=C=d", "--", "sh", "-c", "echo $A$C"]), 0, "bd\n");
    says(
        &attach(&["--clear-env", "--keep-var", "PATH", "--", "sh", "-c", "echo $PATH"]),
        0,
        "/usr/sbin:/usr/bin:/sbin:/bin\n",
    );
    says(&attach(&["-u7", "-g", "8", "--", "sh", "-c", "id -u; id -g"]), 0, "7\n8\n");
    // Only the host name's namespace: the files are the machine's.
    let dir = sandbox.dir.to_str().unwrap();
    says(
        &attach(&["-s", "UTSNAME", "--", "sh", "-c", &format!("hostname; ls -d {dir}")]),
        0,
        &format!("foo23\n{dir}\n"),
    );
    assert_eq!(attach(&["-s", "NET", "--", "true"]).code, 1);
    let joined = format!("grep -c boardbox/{name} /proc/self/cgroup");
    says(&attach(&["-e", "--", "sh", "-c", &joined]), 1, "0\n");

    let said = sandbox.boardbox(&["lxc-start", "-n", name, "-f", &file, "/bin/true"]);
    assert!(
        said.code == 255 && said.err.starts_with("lxc-start: container") && said.err.contains("runs already"),
        "{said:?}"
    );

    says(&sandbox.boardbox(&["lxc-kill", "-n", name, "-9"]), 0, "");
    assert_eq!(sandbox.boardbox(&["lxc-wait", "-n", name, "-s", "STOPPED", "-t", "10"]).code, 0);
    sandbox.until("its end", || !sandbox.sh("ls /run/boardbox").out.contains(name.as_str()));
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn lxc_stop_waits_or_does_not_and_kills_or_does_not() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("stop");
    let config = format!("lxc.rootfs = {ROOT}\nlxc.stopsignal = SIGUSR1\n");
    // Where LXC has its containers.
    sandbox.sh(&format!(
        "mkdir -p /run/lxc/{name} && printf '{}' >/run/lxc/{name}/config",
        config.replace('\n', "\\n")
    ));
    let start = |trap: &str| {
        sandbox.sh(&format!("rm -f {ROOT}/tmp/ready"));
        let script = format!("trap '{trap}' USR1; touch /tmp/ready; while :; do sleep 0.05; done");
        let said = sandbox.boardbox(&[
            "lxc-start",
            "-P",
            "/run/lxc",
            "-n",
            name,
            "-d",
            "--",
            "/bin/sh",
            "-c",
            &script,
        ]);
        says(&said, 0, "");
        sandbox.until("the trap", || sandbox.sh(&format!("ls {ROOT}/tmp/ready")).code == 0);
    };
    let stop = |words: &[&str]| sandbox.boardbox(&[&["lxc-stop", "-n", name.as_str()][..], words].concat());
    let stopped =
        |seconds: &str| sandbox.boardbox(&["lxc-wait", "-n", name, "-s", "STOPPED", "-t", seconds]).code;

    start("sleep 3; exit 0");
    says(&stop(&["--nowait"]), 0, "");
    assert_eq!(stopped("0"), 1);
    assert_eq!(stopped("10"), 0);

    start(":");
    let said = stop(&["--nokill", "-t1"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("no answer within"), "{said:?}");
    assert_eq!(stopped("0"), 1);
    assert!(sandbox.boardbox(&["lxc-info", "-n", name, "-s"]).out.contains("RUNNING"));
    says(&stop(&["-k"]), 0, "");
    assert_eq!(stopped("0"), 0);

    // One that has no handler for the signal never sees it.
    let said =
        sandbox.boardbox(&["lxc-start", "-P", "/run/lxc", "-n", name, "-d", "--", "/bin/sleep", "1000"]);
    says(&said, 0, "");
    let said = stop(&["--nokill", "-t1"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(sandbox.boardbox(&["lxc-info", "-n", name, "-s"]).out.contains("RUNNING"));
    says(&stop(&["-k"]), 0, "");
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn exec_has_no_more_capabilities_than_the_container_was_started_with() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("user");
    let file = sandbox.file(
        "user.conf",
        &format!("lxc.rootfs = {ROOT}\nlxc.mount.auto = proc:mixed\nlxc.cap.drop = sys_module mknod\n"),
    );
    let words = ["start", "-f", &file, "-n", name, "--", "/bin/unshare", "-U", "/bin/sleep", "1000"];
    says(&sandbox.boardbox(&words), 0, "");
    let dropped = 1 << 16 | 1 << 27;
    let masks = |status: &str| -> Vec<u64> {
        let masks = status.lines().filter(|line| ["CapPrm", "CapEff", "CapBnd"].contains(&&line[..6]));
        masks.map(|line| u64::from_str_radix(line[7..].trim(), 16).unwrap()).collect()
    };
    // To the kernel, whoever makes a user namespace has all capabilities: in there.
    let init = sandbox.pid("init", name);
    let status = || std::fs::read_to_string(format!("/proc/{init}/status")).unwrap();
    sandbox.until("a user namespace", || {
        masks(&status()).iter().any(|mask| mask & dropped == dropped) && status().contains("Name:\tsleep")
    });
    let said = sandbox.boardbox(&["exec", name, "grep", "^Cap", "/proc/self/status"]);
    let seen = masks(&said.out);
    assert!(said.code == 0 && seen.len() == 3, "{said:?}");
    assert!(seen.iter().all(|mask| mask & dropped == 0 && mask & 1 != 0), "{said:?}");
    let said = sandbox.boardbox(&["lxc-attach", "-e", "-n", name, "--", "grep", "^Cap", "/proc/self/status"]);
    assert!(masks(&said.out).iter().all(|mask| mask & dropped == dropped), "{said:?}");
    assert_eq!(sandbox.boardbox(&["stop", "-k", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn what_the_caller_has_open_is_none_of_the_monitors_nor_the_containers() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("open");
    let boardbox = env!("CARGO_BIN_EXE_boardbox");
    let file = sandbox.file("open.conf", &format!("lxc.rootfs = {ROOT}\n"));
    let (lock, look) = (sandbox.file("lock", ""), "( : <&9 ) 2>/dev/null && echo open || echo closed");
    let script = format!("{look} >/tmp/seen; exec sleep 1000");
    let said = sandbox.sh(&format!(
        "exec 9</; flock -n {lock} {boardbox} start -f {file} -n {name} -- /bin/sh -c '{script}'; flock -n {lock} echo free"
    ));
    says(&said, 0, "free\n");
    sandbox.until("its look", || !sandbox.sh(&format!("cat {ROOT}/tmp/seen")).out.is_empty());
    assert_eq!(sandbox.sh(&format!("cat {ROOT}/tmp/seen")).out, "closed\n");
    // In the foreground it is the command that somebody holds the lock for.
    let said = sandbox.sh(&format!("exec 9</; {boardbox} exec {name} -- /bin/sh -c '{look}'"));
    says(&said, 0, "closed\n");
    assert_eq!(sandbox.boardbox(&["stop", "-k", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn a_signal_goes_to_own_init_once_the_command_has_ended() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("left");
    let file = sandbox.file("left.conf", &format!("lxc.rootfs = {ROOT}\nlxc.mount.auto = proc:mixed\n"));
    let to_monitor = || {
        let monitor = nix::unistd::Pid::from_raw(sandbox.pid("monitor", name));
        nix::sys::signal::kill(monitor, nix::sys::signal::Signal::SIGTERM).unwrap();
    };
    let by_kill = || says(&sandbox.boardbox(&["kill", "TERM", name]), 0, "");
    for send in [&by_kill as &dyn Fn(), &to_monitor] {
        let script = "sleep 1000 & echo $! >/tmp/daemon; exit 0";
        let said =
            sandbox.boardbox(&["lxc-execute", "-d", "-n", name, "-f", &file, "--", "/bin/sh", "-c", script]);
        says(&said, 0, "");
        let init = sandbox.pid("init", name);
        let children = || {
            let children = std::fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
            children.split_whitespace().map(String::from).collect::<Vec<_>>()
        };
        let runs = |pid: &str| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.starts_with("sleep"))
        };
        sandbox.until("the command's end", || {
            let children = children();
            children.len() == 1 && runs(&children[0])
        });
        send();
        assert_eq!(sandbox.boardbox(&["lxc-wait", "-n", name, "-s", "STOPPED", "-t", "10"]).code, 0);
        sandbox.until("the monitor's end", || !sandbox.sh("ls /run/boardbox").out.contains(name.as_str()));
    }
    sandbox.assert_nothing_left(&[name]);
}

/// Where nobody is denied anything, the kernel does not tell what one device is denied: what was written is known all the same.
#[test]
fn device_rules_that_are_refused_change_nothing() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("refused");
    let file = sandbox.file("open.conf", "lxc.rootfs = /var/lib/lxc/temp/rootfs\n");
    let said = sandbox.boardbox(&["lxc-start", "-d", "-n", name, "-f", &file, "--", "/bin/sleep", "1000"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let write = || sandbox.boardbox(&["exec", name, "sh", "-c", "echo >/dev/null && echo written"]);
    let change = |words: &[&str]| sandbox.boardbox(&[&["cgroup", name.as_str()], words].concat());
    for words in [
        &["devices.deny=c 1:3 w", "devices.allow=rubbish"][..],
        // The kernel's word, in the middle of them.
        &["devices.deny=c 1:3 rwm", "devices.deny=c 4294967295:1 r", "pids.max=nobody"],
    ] {
        let said = change(words);
        assert!(said.code != 0 && !said.err.is_empty(), "{said:?}");
        assert_eq!(write().out, "written\n", "{words:?}: {:?}", write());
    }
    // One that is in force, and stays.
    assert_eq!(change(&["devices.deny=c 1:3 w"]).code, 0);
    assert_ne!(change(&["devices.deny=c 1:3 r", "devices.allow=x"]).code, 0);
    assert!(write().err.contains("Operation not permitted"), "{:?}", write());
    assert_eq!(change(&["devices.allow=c 1:3 w"]).code, 0);
    assert_eq!(write().out, "written\n");
    assert_eq!(sandbox.boardbox(&["stop", "-k", name]).code, 0);
}

#[test]
fn one_whose_monitor_does_not_answer_hides_no_other() {
    let sandbox = Sandbox::new();
    let (one, two) = (&sandbox.name("one"), &sandbox.name("two"));
    let container = |name: &str| {
        format!(
            "[[container]]\nname = '{name}'\nrootfs = '/var/lib/lxc/temp/rootfs'\ncommand = ['/bin/sleep', '1000']\n"
        )
    };
    let file =
        &sandbox.file("board.toml", &format!("[board]\nname = 't'\n{}{}", container(one), container(two)));
    assert_eq!(sandbox.boardbox(&["up", "-q", file]).code, 0);
    let monitor = sandbox.pid("monitor", one);
    assert_eq!(sandbox.sh(&format!("kill -STOP {monitor}")).code, 0);
    let said = sandbox.boardbox(&["ps"]);
    assert!(said.code == 0 && said.out.contains("its monitor has not answered for 2 s"), "{said:?}");
    assert!(
        said.out.lines().any(|line| line.starts_with(two.as_str()) && line.contains("RUNNING")),
        "{said:?}"
    );
    let said = sandbox.boardbox(&["status", file]);
    assert!(
        said.code == 7 && said.out.contains(&format!("drift  {one}  its monitor has not answered for 2 s\n")),
        "{said:?}"
    );
    assert!(said.out.contains(&format!("container  {two}  RUNNING, pid ")), "{said:?}");
    assert_eq!(sandbox.sh(&format!("kill -CONT {monitor}")).code, 0);
    let said = sandbox.boardbox(&["status", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert_eq!(sandbox.boardbox(&["down", "-q", "-t", "1"]).code, 0);
    sandbox.assert_nothing_left(&[one, two]);
}

#[test]
fn a_cgroup_that_somebody_is_in_is_told_at_once() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("taken");
    let file = &sandbox.file(
        "board.toml",
        &format!("[board]\nname = 't'\n[[container]]\nname = '{name}'\nrootfs = '/var/lib/lxc/temp/rootfs'\ncommand = ['/bin/sleep', '1000']\n"),
    );
    let pids = sandbox.sh("sed -n 's/^[^ ]* \\([^ ]*\\) cgroup [^ ]*pids.*/\\1/p' /proc/mounts").out;
    let root = if pids.trim().is_empty() { "/sys/fs/cgroup" } else { pids.trim() };
    let mut inside = sandbox.spawn(&format!(
        "mkdir -p {root}/boardbox/{name} && echo $$ >{root}/boardbox/{name}/cgroup.procs && exec sleep 1000"
    ));
    sandbox.until("it is in", || {
        !std::fs::read_to_string(format!("{root}/boardbox/{name}/cgroup.procs"))
            .unwrap_or_default()
            .is_empty()
    });
    for command in [&["start", file.as_str(), name.as_str()][..], &["up", file]] {
        let begun = std::time::Instant::now();
        let said = sandbox.boardbox(command);
        assert!(said.code == 5 && said.err.contains("processes are in it already"), "{said:?}");
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
    inside.kill().unwrap();
    inside.wait().unwrap();
    assert_eq!(sandbox.boardbox(&["up", "-q", file]).code, 0);
    assert_eq!(sandbox.boardbox(&["down", "-q", "-t", "1"]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn a_containers_log_goes_where_its_keys_say() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("logs");
    let log = sandbox.dir.join("log").to_str().unwrap().to_owned();
    let board = |log: &str| {
        let keys = format!("log-file = '{log}'\nlog-level = 'info'\nrootfs = '/var/lib/lxc/temp/rootfs'");
        sandbox.file(
            "board.toml",
            &format!("[board]\nname = 't'\n[[container]]\nname = '{name}'\n{keys}\ncommand = ['/bin/sleep', '1000']\n"),
        )
    };
    let said = sandbox.boardbox(&["up", &board(&log)]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("INFO: clone\n") && text.contains("INFO: set lo up\n"), "{text}");
    assert_eq!(sandbox.boardbox(&["down", "-q", "-t", "1"]).code, 0);
    // What can not be written to is told where it stands, and nothing starts.
    let said = sandbox.boardbox(&["up", &board("/nodir/x")]);
    assert!(
        said.code == 3 && said.err.contains("board.toml:5:12: container \"") && said.err.contains("/nodir/x"),
        "{said:?}"
    );
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);

    // An LXC file's, unless the command line says otherwise.
    let (other, text) = (
        format!("{log}.other"),
        format!("lxc.rootfs = /var/lib/lxc/temp/rootfs\nlxc.logfile = {log}.lxc\nlxc.loglevel = 1\n"),
    );
    let file = sandbox.file("logs.conf", &text);
    let start = |more: &[&str]| {
        let said = sandbox.boardbox(
            &[&["lxc-start", "-F", "-n", name, "-f", &file][..], more, &["--", "/bin/true"]].concat(),
        );
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    };
    start(&[]);
    let first = std::fs::read_to_string(format!("{log}.lxc")).unwrap();
    assert!(first.contains("INFO: clone\n"), "{first}");
    start(&["-o", &other, "-l", "INFO"]);
    assert_eq!(std::fs::read_to_string(format!("{log}.lxc")).unwrap(), first);
    assert!(std::fs::read_to_string(&other).unwrap().contains("INFO: clone\n"));
    sandbox.assert_nothing_left(&[name]);
}
