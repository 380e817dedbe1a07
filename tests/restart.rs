//! What a container's monitor does when the container ends: restarts, the waiting between them, and giving up.

mod sandbox;

use sandbox::Sandbox;

const ROOT: &str = "/var/lib/lxc/temp/rootfs";

/// A board of one container `name` with this command and these keys.
fn board(sandbox: &Sandbox, name: &str, script: &str, keys: &str) -> String {
    let container = format!(
        "[[container]]\nname = \"{name}\"\nrootfs = \"{ROOT}\"\ncommand = ['/bin/sh', '-c', '''{script}''']\n{keys}\n"
    );
    sandbox.file("board.toml", &format!("[board]\nname = \"t\"\n{container}"))
}

#[track_caller]
fn start(sandbox: &Sandbox, name: &str, file: &str) {
    let said = sandbox.boardbox(&["start", file, name]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
}

#[test]
fn one_that_crashes_in_a_loop_is_given_up_and_that_can_be_found() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("crash");
    let script = "echo x >>/tmp/lives; exit 3";
    let keys = "restart = 'on-failure'\nrestart-delay = '30ms'\nrestart-limit = 2";
    let file = &board(&sandbox, name, script, keys);
    start(&sandbox, name, file);
    let said = sandbox.boardbox(&["wait", "-t", "20", name]);
    assert_eq!(said.code, 0, "{said:?}");
    let info = || sandbox.boardbox(&["info", name]).err;
    sandbox.until("its end", || info().contains("gave up"));
    assert_eq!(sandbox.sh(&format!("wc -l <{ROOT}/tmp/lives")).out.trim(), "3");
    let why = "ended (exit code 3), gave up after 2 restarts in a row";
    assert!(info().contains(&format!("container \"{name}\" is not running: {why} (start it")), "{}", info());
    assert!(sandbox.boardbox(&["status", file]).out.contains(&format!("{name}  STOPPED, {why}\n")));
    let json = sandbox.boardbox(&["status", "--json", file]).out;
    assert!(json.contains(&format!("\"ended\":\"{why}\"")), "{json}");
    let log = sandbox.sh(&format!("dmesg | grep {name}")).out;
    let told: Vec<&str> = log.lines().filter_map(|line| line.split("ended ").nth(1)).collect();
    assert_eq!(
        told,
        [
            "(exit code 3): restart 1 in 30 ms",
            "(exit code 3): restart 2 in 60 ms",
            "(exit code 3): gave up after 2 restarts in a row",
        ]
    );
    sandbox.assert_nothing_left(&[name]);

    // The next start begins anew, and down forgets.
    start(&sandbox, name, file);
    sandbox.until("its second end", || info().contains("gave up"));
    assert_eq!(sandbox.boardbox(&["down"]).code, 0);
    assert!(!info().contains("gave up"), "{}", info());
    assert!(sandbox.sh("ls -d /run/boardbox").code != 0);
}

#[test]
fn one_that_crashes_in_a_loop_has_not_run_for_the_time_that_makes_it_ready() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("young");
    let keys = "restart = 'always'\nrestart-delay = '10ms'\nrestart-limit = 50\nready = 'delay:600ms'\nready-timeout = '3s'";
    let file = &board(&sandbox, name, "sleep 0.3; exit 1", keys);
    let said = sandbox.boardbox(&["up", file]);
    assert_eq!(said.code, 6, "{said:?}");
    assert!(said.err.contains("not ready within 3000 ms: it has not run for 600 ms"), "{said:?}");
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    sandbox.assert_nothing_left(&[name]);

    // It is, once it stays.
    let file =
        &board(&sandbox, name, "test -e /tmp/lived || { touch /tmp/lived; exit 1; }; sleep 1000", keys);
    let begun = std::time::Instant::now();
    let said = sandbox.boardbox(&["up", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(begun.elapsed().as_millis() < 2000, "{said:?}");
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn while_it_waits_it_answers_and_can_be_stopped() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("wait");
    let file = &board(&sandbox, name, "exit 0", "restart = 'always'\nrestart-delay = '1000s'");
    start(&sandbox, name, file);
    assert_eq!(sandbox.boardbox(&["wait", "-s", "RESTARTING", "-t", "20", name]).code, 0);
    let info = sandbox.boardbox(&["info", name]);
    assert!(info.out.contains("state:    RESTARTING\n"), "{info:?}");
    assert!(info.out.contains("restarts: 1, the last end: exit code 0\n"), "{info:?}");
    assert!(sandbox.boardbox(&["ps"]).out.contains("RESTARTING"));
    let ps = sandbox.boardbox(&["ps", "--json"]).out;
    assert!(
        ps.contains("\"state\":\"RESTARTING\",\"pid\":null") && ps.contains("\"last_exit_code\":0"),
        "{ps}"
    );
    // Nothing of it is left but its monitor, and what needs more says so.
    assert!(sandbox.cgroups(name).is_empty());
    assert_eq!(sandbox.boardbox(&["exec", name, "true"]).code, 255);
    let said = sandbox.boardbox(&["freeze", name]);
    assert!(said.code == 3 && said.err.contains("has ended and will be restarted"), "{said:?}");
    let said = sandbox.boardbox(&["start", file, name]);
    assert!(said.code == 5 && said.err.contains("waits to be restarted"), "{said:?}");
    // It sleeps: no time of the cpu goes by.
    let monitor = sandbox.pid("monitor", name);
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{monitor}/stat")).unwrap();
        let fields: Vec<String> =
            stat.rsplit(')').next().unwrap().split_whitespace().map(String::from).collect();
        (fields[11].clone(), fields[12].clone())
    };
    let before = ticks();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(ticks(), before);

    let said = sandbox.boardbox(&["stop", name]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    sandbox.assert_nothing_left(&[name]);
    assert_eq!(sandbox.boardbox(&["info", name]).code, 4);
    sandbox.until("its monitor's end", || !std::path::Path::new(&format!("/proc/{monitor}")).exists());

    // A SIGTERM to the monitor is an end that is wanted, too.
    start(&sandbox, name, file);
    assert_eq!(sandbox.boardbox(&["wait", "-s", "RESTARTING", "-t", "20", name]).code, 0);
    assert_eq!(sandbox.sh(&format!("kill {}", sandbox.pid("monitor", name))).code, 0);
    assert_eq!(sandbox.boardbox(&["wait", "-t", "20", name]).code, 0);
    sandbox.until("its traces to go", || sandbox.sh(&format!("ls /run/boardbox/{name}")).code != 0);
}

#[test]
fn the_pidfile_stays_as_long_as_the_monitor() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("pidfile");
    let file = &board(&sandbox, name, "exit 0", "restart = 'always'\nrestart-delay = '1000s'");
    let pidfile = sandbox.dir.join("pid");
    let text = || std::fs::read_to_string(&pidfile).ok();
    let path = pidfile.to_str().unwrap();
    assert_eq!(sandbox.boardbox(&["start", "-p", path, file, name]).code, 0);
    assert_eq!(sandbox.boardbox(&["wait", "-s", "RESTARTING", "-t", "20", name]).code, 0);
    assert_eq!(text(), Some(format!("{}\n", sandbox.pid("monitor", name))));
    assert_eq!(sandbox.boardbox(&["stop", name]).code, 0);
    assert_eq!(text(), None);

    // A start that fails takes no other one's.
    std::fs::write(&pidfile, "1\n").unwrap();
    let file = &board(&sandbox, name, "exit 0", "mounts = [{ bind = '/nowhere', to = 'tmp' }]");
    assert_eq!(sandbox.boardbox(&["start", "-p", path, file, name]).code, 3);
    assert_eq!(text().as_deref(), Some("1\n"));
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn a_failure_is_restarted_a_wanted_end_and_a_success_are_not() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("fail");
    let script = "trap 'exit 1' PWR; test -e /tmp/good && exit 0; touch /tmp/on; sleep 1000 & wait";
    let keys = "restart = 'on-failure'\nrestart-delay = '10ms'";
    let file = &board(&sandbox, name, script, keys);
    start(&sandbox, name, file);
    let (monitor, init) = (sandbox.pid("monitor", name), sandbox.pid("init", name));
    assert_eq!(sandbox.boardbox(&["kill", name]).code, 0);
    sandbox.until("a restart", || ![0, init].contains(&sandbox.pid("init", name)));
    assert_eq!(sandbox.pid("monitor", name), monitor);
    let info = sandbox.boardbox(&["info", name]).out;
    assert!(info.contains("RUNNING") && info.contains("restarts: 1, the last end: SIGKILL"), "{info}");
    // The settings it has been given meanwhile stay with it.
    assert_eq!(sandbox.boardbox(&["exec", name, "true"]).code, 0);
    let said = sandbox.boardbox(&["stop", name]);
    assert_eq!(said.code, 0, "{said:?}");
    sandbox.assert_nothing_left(&[name]);

    assert_eq!(sandbox.sh(&format!("rm {ROOT}/tmp/on")).code, 0);
    start(&sandbox, name, file);
    sandbox.until("its command", || sandbox.sh(&format!("ls {ROOT}/tmp/on")).code == 0);
    assert_eq!(sandbox.sh(&format!("touch {ROOT}/tmp/good")).code, 0);
    assert_eq!(sandbox.boardbox(&["kill", name]).code, 0);
    sandbox.until("its good end", || sandbox.boardbox(&["ps"]).out.lines().count() == 1);
    assert!(sandbox.boardbox(&["info", name]).err.contains("is not running (start it"));
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn a_restart_that_can_not_be_set_up_is_a_failure_like_another() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("setup");
    let keys = "restart = 'always'\nrestart-delay = '10ms'\nrestart-limit = 3";
    let file = &board(&sandbox, name, "sleep 1000", keys);
    start(&sandbox, name, file);
    assert_eq!(sandbox.sh(&format!("mv {ROOT} {ROOT}.away")).code, 0);
    assert_eq!(sandbox.boardbox(&["kill", name]).code, 0);
    let info = || sandbox.boardbox(&["info", name]).err;
    sandbox.until("giving up", || info().contains("gave up after 3 restarts in a row"));
    assert!(info().contains("rootfs") && info().contains("exit code 255"), "{}", info());
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn without_a_delay_a_start_that_keeps_failing_does_not_spin_and_is_stopped() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("atonce");
    let file = &board(&sandbox, name, "sleep 1000", "restart = 'always'\nrestart-delay = '0s'");
    start(&sandbox, name, file);
    assert_eq!(sandbox.sh(&format!("mv {ROOT} {ROOT}.away")).code, 0);
    assert_eq!(sandbox.boardbox(&["kill", name]).code, 0);
    let log = || sandbox.sh(&format!("dmesg | grep {name}")).out;
    sandbox.until("its third restart", || log().contains("restart 3 in "));
    let log = log();
    let delays: Vec<&str> =
        log.lines().filter_map(|line| line.rsplit_once(" in ").map(|(_, time)| time)).collect();
    assert_eq!(delays[..3], ["0 ms", "100 ms", "200 ms"], "{log}");
    let said = sandbox.boardbox(&["stop", name]);
    assert_eq!(said.code, 0, "{said:?}");
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn one_that_reboots_at_once_waits_in_between_and_can_be_stopped() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("reboots");
    let file = &board(&sandbox, name, "echo x >>/tmp/lives; exec reboot -f", "capabilities = ['sys_boot']");
    start(&sandbox, name, file);
    assert_eq!(sandbox.boardbox(&["wait", "-s", "RESTARTING", "-t", "10", name]).code, 0);
    let lives = || sandbox.sh(&format!("wc -l <{ROOT}/tmp/lives")).out.trim().parse::<u32>().unwrap();
    sandbox.until("some lives", || lives() >= 4);
    // 100, 200 and 400 ms have gone by; the next one takes 800.
    assert!(lives() < 8, "{}", lives());
    let said = sandbox.boardbox(&["stop", name]);
    assert_eq!(said.code, 0, "{said:?}");
    sandbox.assert_nothing_left(&[name]);
}

/// A relative path of an LXC file is from where it was started, for all of its lives.
#[test]
fn a_relative_mount_table_is_found_after_a_reboot() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("relative");
    sandbox.file("table", "tmpfs mnt tmpfs size=64k,create=dir 0 0\n");
    let file = sandbox.file(
        "relative.conf",
        &format!("lxc.rootfs = {ROOT}\nlxc.mount = table\nlxc.network.type = empty\n"),
    );
    let said = sandbox.sh(&format!(
        "cd {} && {} start -f {file} -n {name} -- /bin/sh -c 'echo x >>/tmp/lives; exec reboot -f'",
        sandbox.dir.display(),
        env!("CARGO_BIN_EXE_boardbox")
    ));
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let lives = || sandbox.sh(&format!("wc -l <{ROOT}/tmp/lives")).out.trim().parse::<u32>().unwrap_or(0);
    sandbox.until("a third life", || lives() >= 3);
    assert_eq!(sandbox.boardbox(&["stop", name]).code, 0);
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn one_that_powers_itself_off_has_not_failed() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("off");
    let keys = "capabilities = ['sys_boot']\nrestart = 'on-failure'\nrestart-delay = '1000s'";
    let file = &board(&sandbox, name, "exec poweroff -f", keys);
    start(&sandbox, name, file);
    let said = sandbox.boardbox(&["wait", "-s", "STOPPED|RESTARTING", "-t", "20", name]);
    assert_eq!(said.code, 0, "{said:?}");
    sandbox.until("its end", || sandbox.boardbox(&["info", name]).code == 4);
    let said = sandbox.boardbox(&["info", name]);
    assert!(
        said.err.contains("is not running: ended (SIGINT), it has powered itself off (start it"),
        "{said:?}"
    );
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn a_full_run_directory_does_not_end_a_monitor_between_two_lives() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("full");
    let file = &board(&sandbox, name, "sleep 1000", "restart = 'always'\nrestart-delay = '50ms'");
    start(&sandbox, name, file);
    let init = sandbox.pid("init", name);
    sandbox.sh("mount -o remount,size=256k /run && dd if=/dev/zero of=/run/fill bs=4k 2>&1");
    assert_eq!(sandbox.boardbox(&["kill", name]).code, 0);
    let log = || sandbox.sh(&format!("dmesg | grep {name}")).out;
    sandbox.until("the second restart", || log().contains("restart 2 in "));
    assert!(log().contains("No space left on device"), "{}", log());
    assert_eq!(sandbox.sh("rm /run/fill").code, 0);
    sandbox.until("its next life", || ![0, init].contains(&sandbox.pid("init", name)));
    let said = sandbox.boardbox(&["stop", name]);
    assert_eq!(said.code, 0, "{said:?}");
    sandbox.assert_nothing_left(&[name]);
}

#[test]
fn one_that_waits_to_be_restarted_keeps_no_other_from_being_planned_and_changed() {
    let sandbox = Sandbox::new();
    let [wait, other] = &["wait", "other"].map(|name| sandbox.name(name));
    let profile = |limit: u32| {
        let container = |name: &str, script: &str, keys: &str| {
            format!(
                "[[container]]\nname = '{name}'\nrootfs = '/var/lib/lxc/temp/rootfs'\n\
                 command = ['/bin/sh', '-c', '{script}']\npids = {{ max = {limit} }}\n{keys}\n"
            )
        };
        let other = container(other, "sleep 1000", "");
        let wait = container(wait, "exit 0", "restart = 'always'\nrestart-delay = '1000s'");
        sandbox.file("board.toml", &format!("[board]\nname = 't'\n{other}{wait}"))
    };
    let file = &profile(64);
    assert_eq!(sandbox.boardbox(&["up", "-q", file]).code, 0);
    assert_eq!(sandbox.boardbox(&["wait", "-s", "RESTARTING", "-t", "20", wait]).code, 0);
    profile(65);
    let said = sandbox.boardbox(&["plan", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(
        said.out.contains(&format!("{wait}  ")) && said.out.contains("has ended and waits to be restarted\n"),
        "{said:?}"
    );
    assert!(said.out.contains("65"), "{said:?}");
    let said = sandbox.boardbox(&["apply", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.contains(&format!("{wait}: waits to be restarted: not changed\n")), "{said:?}");
    assert_eq!(sandbox.setting(other, "pids.max", "pids.max"), "65");
    // Who names it is told that it can not be.
    let said = sandbox.boardbox(&["apply", file, wait]);
    assert!(said.code == 3 && said.err.contains("has ended and will be restarted"), "{said:?}");
    assert_eq!(sandbox.boardbox(&["down", "-q"]).code, 0);
    sandbox.assert_nothing_left(&[wait, other]);
}

#[test]
fn however_many_wait_for_a_container_it_can_be_asked_and_stopped() {
    let sandbox = Sandbox::new();
    let name = &sandbox.name("wanted");
    let file = &board(&sandbox, name, "sleep 1000", "");
    start(&sandbox, name, file);
    let wait = ["wait", "-s", "FROZEN|STOPPED", name];
    let mut waiting: Vec<_> = (0..16).map(|_| sandbox.boardbox_command(&wait).spawn().unwrap()).collect();
    let monitor = sandbox.pid("monitor", name);
    // Its seats are taken when it has this many more descriptors.
    let sockets = || {
        let fds = std::fs::read_dir(format!("/proc/{monitor}/fd")).unwrap();
        let socket = |target: std::path::PathBuf| target.to_string_lossy().starts_with("socket:");
        fds.flatten().filter(|fd| std::fs::read_link(fd.path()).is_ok_and(socket)).count()
    };
    sandbox.until("sixteen", || sockets() >= 17);
    let said = sandbox.boardbox(&wait);
    assert!(
        said.code == 3 && said.err.contains("too many processes wait for this container already"),
        "{said:?}"
    );
    let said = sandbox.boardbox(&["info", name]);
    assert!(said.code == 0 && said.out.contains("RUNNING"), "{said:?}");
    let said = sandbox.boardbox(&["stop", "-k", name]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(waiting.iter_mut().all(|one| one.wait().unwrap().success()));
    sandbox.assert_nothing_left(&[name]);
}
