//! `up` and `down` against the kernel, in mount namespaces of their own, with controllers that this machine has not mounted.

use boardbox::apply::{board, host, run, status};
use boardbox::error::Error;
use boardbox::plan::Planned;
use boardbox::profile::Board;
use boardbox::sys::file;
use boardbox::sys::lock::Lock;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Gets a tmpfs of the test's own.
const BASE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/base");
const MOUNTPOINT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/base/hierarchies");
const FREE: [&str; 3] = ["net_cls", "net_prio", "perf_event"];

/// Runs the test `name` of this file once more as a process in a mount namespace of its own, with a tmpfs on `BASE`
/// and on /run, and does `body` there. A hierarchy is the whole kernel's, so one test at a time.
fn in_own(name: &str, body: fn()) {
    if std::env::var_os("BOARD_TEST").is_some() {
        return body();
    }
    let _one = Lock::take("/sys/fs/cgroup", Duration::from_secs(120)).unwrap();
    let host = host::read(false).unwrap();
    let free = |name: &str| {
        host.hierarchy(name).is_none() && host.controller(name).is_some_and(|controller| controller.enabled)
    };
    if !FREE.iter().all(|name| free(name)) {
        return println!("skipped: {FREE:?} are not all free on this machine");
    }
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    fs::create_dir_all(BASE).unwrap();
    let set_up = "mount -t tmpfs tmpfs $0 && mount -t tmpfs tmpfs /run && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", set_up, BASE])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("BOARD_TEST", name)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}

fn profile(controllers: &[&str], comount: &[&[&str]]) -> Board {
    let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let mut board = Board::default();
    board.cgroup.mountpoint = MOUNTPOINT.into();
    board.cgroup.controllers = owned(controllers);
    board.cgroup.comount = comount.iter().map(|group| owned(group)).collect();
    board
}

fn net_and_perf() -> Board {
    profile(&["net_cls", "perf_event", "net_prio"], &[&["net_cls", "net_prio"]])
}

fn up(board: &Board) -> Result<Vec<Planned>, Error> {
    board::up(board, None, &mut |_, _, _| {})
}

fn all_down() {
    let errors = board::down(None).unwrap();
    assert!(errors.is_empty(), "{}", errors.iter().map(Error::to_string).collect::<Vec<_>>().join("; "));
}

/// What is mounted below `BASE`: mount point, type and options of the file system.
fn mounted() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let line = |fields: Vec<String>| format!("{} {} {}", fields[4], fields[7], fields[9]);
    text.lines().map(fields).filter(|fields| fields[4].starts_with(&format!("{BASE}/"))).map(line).collect()
}

/// A directory that is removed at the end, if it is still there.
struct Gone(String);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn nothing_is_left() {
    assert_eq!(mounted(), [""; 0]);
    assert_eq!(fs::read_dir(BASE).unwrap().count(), 0);
    assert!(fs::metadata(run::DIR).is_err());
}

#[test]
fn up_mounts_what_is_missing_and_down_unmounts_only_that() {
    in_own("up_mounts_what_is_missing_and_down_unmounts_only_that", || {
        let board = net_and_perf();
        let mut told = Vec::new();
        board::up(&board, None, &mut |number, count, step| told.push(format!("{number}/{count} {step}")))
            .unwrap();
        let (tmpfs, net, perf) = (
            MOUNTPOINT.to_owned(),
            format!("{MOUNTPOINT}/net_cls,net_prio"),
            format!("{MOUNTPOINT}/perf_event"),
        );
        assert_eq!(told[1], format!("2/6 mount tmpfs on {tmpfs}"));
        assert_eq!(told[5], format!("6/6 mount cgroup hierarchy perf_event on {perf}"));
        let there = mounted();
        assert_eq!(there.len(), 3, "{there:?}");
        assert!(there[0].starts_with(&format!("{tmpfs} tmpfs rw")), "{}", there[0]);
        assert_eq!(there[1], format!("{net} cgroup rw,net_cls,net_prio"));
        assert_eq!(there[2], format!("{perf} cgroup rw,perf_event"));

        assert!(up(&board).unwrap().is_empty());
        assert_eq!(mounted(), there);
        let told = status::read(&board).unwrap().to_string();
        assert!(told.contains(&format!("cgroup  net_prio    {net}, by up\n")), "{told}");

        all_down();
        nothing_is_left();
        all_down();
    });
}

#[test]
fn favordynmods_is_asked_for_where_the_kernel_has_it() {
    in_own("favordynmods_is_asked_for_where_the_kernel_has_it", || {
        let mut board = profile(&["net_prio"], &[]);
        board.cgroup.favordynmods = true;
        up(&board).unwrap();
        let has_it = boardbox::sys::process::kernel_release() >= (6, 0);
        let option = if has_it { ",favordynmods" } else { "" };
        assert_eq!(mounted()[1], format!("{MOUNTPOINT}/net_prio cgroup rw,net_prio{option}"));
        all_down();
        nothing_is_left();
    });
}

#[test]
fn what_was_there_before_stays() {
    in_own("what_was_there_before_stays", || {
        fs::create_dir_all(format!("{MOUNTPOINT}/mine")).unwrap();
        let mine =
            ["-t", "cgroup", "-o", "perf_event", "cgroup", &format!("{MOUNTPOINT}/mine")].map(String::from);
        assert!(Command::new("mount").args(mine).status().unwrap().success());
        let before = mounted();
        // No tmpfs this time: it would hide the one that is there.
        assert_eq!(up(&net_and_perf()).unwrap().len(), 2);
        assert_eq!(mounted().len(), 2);
        all_down();
        assert_eq!(mounted(), before);
        assert!(fs::metadata(format!("{MOUNTPOINT}/net_cls,net_prio")).is_err());
        assert!(!status::read(&net_and_perf()).unwrap().controllers.iter().any(|controller| controller.ours));
    });
}

#[test]
fn a_failure_takes_back_what_this_run_made_and_no_more() {
    in_own("a_failure_takes_back_what_this_run_made_and_no_more", || {
        // A file where a mount point has to be: the third hierarchy fails.
        fs::create_dir(MOUNTPOINT).unwrap();
        assert!(Command::new("mount").args(["-t", "tmpfs", "tmpfs", MOUNTPOINT]).status().unwrap().success());
        up(&profile(&["net_prio"], &[])).unwrap();
        fs::write(format!("{MOUNTPOINT}/net_cls"), "").unwrap();
        let before = mounted();
        let error = up(&profile(&["net_prio", "perf_event", "net_cls"], &[])).unwrap_err();
        assert_eq!(error.to_string(), format!("make directory {MOUNTPOINT}/net_cls: Not a directory"));
        assert_eq!(mounted(), before);
        assert!(fs::metadata(format!("{MOUNTPOINT}/perf_event")).is_err());
        // The first run's is still known, and taken back.
        all_down();
        assert_eq!(mounted().len(), 1);
    });
}

#[test]
fn a_comount_the_host_has_otherwise_is_refused_before_anything_is_done() {
    in_own("a_comount_the_host_has_otherwise_is_refused_before_anything_is_done", || {
        up(&profile(&["net_prio"], &[])).unwrap();
        let before = mounted();
        let error = up(&profile(&["perf_event"], &[&["perf_event", "net_prio"]])).unwrap_err().to_string();
        let place = format!(
            "cgroup comount perf_event,net_prio: net_prio is mounted on {MOUNTPOINT}/net_prio already ("
        );
        assert!(error.contains(&place), "{error}");
        assert_eq!(mounted(), before);
        all_down();
        nothing_is_left();
    });
}

#[test]
fn a_hierarchy_in_use_is_kept_and_told_of() {
    in_own("a_hierarchy_in_use_is_kept_and_told_of", || {
        up(&net_and_perf()).unwrap();
        let used = format!("{MOUNTPOINT}/perf_event/somebody");
        fs::create_dir(&used).unwrap();
        // A hierarchy with a cgroup in it outlives its mount: also a failure of this test must not leave one.
        let _guard = Gone(used.clone());
        let errors = board::down(None).unwrap();
        assert_eq!(errors.len(), 1);
        assert_eq!(
            errors[0].to_string(),
            format!("unmount {MOUNTPOINT}/perf_event: cgroup {used} is still there (remove it first)")
        );
        assert_eq!(mounted().len(), 2);
        fs::remove_dir(&used).unwrap();
        // An empty directory of ours is no reason to stay.
        let own = Gone(format!("{MOUNTPOINT}/perf_event/boardbox"));
        fs::create_dir(&own.0).unwrap();
        all_down();
        nothing_is_left();
    });
}

#[test]
fn a_run_that_is_killed_at_any_step_is_taken_back_by_down() {
    in_own("a_run_that_is_killed_at_any_step_is_taken_back_by_down", || {
        if let Ok(at) = std::env::var("KILLED_AT") {
            let at: usize = at.parse().unwrap();
            let mut kill = |number: usize, _: usize, _: &_| {
                if number == at {
                    nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).unwrap();
                }
            };
            board::up(&net_and_perf(), None, &mut kill).unwrap();
            unreachable!();
        }
        for at in 1..=6 {
            let name = "a_run_that_is_killed_at_any_step_is_taken_back_by_down";
            let mut again = Command::new(std::env::current_exe().unwrap());
            let status =
                again.args(["--exact", name]).env("KILLED_AT", at.to_string()).output().unwrap().status;
            assert!(!status.success());
            // A line whose step was never done: the end came right after it was written.
            let record = format!("{}/.up", run::DIR);
            let lines = fs::read_to_string(&record).unwrap_or_default();
            assert_eq!(lines.lines().count(), at - 1, "{lines}");
            fs::write(&record, format!("{lines}unmount-hierarchy {MOUNTPOINT}/perf_event\n")).unwrap();
            all_down();
            nothing_is_left();
        }
    });
}

#[test]
fn where_run_is_on_flash_the_record_is_in_memory_all_the_same() {
    in_own("where_run_is_on_flash_the_record_is_in_memory_all_the_same", || {
        let flash = format!("{}/run-on-flash", env!("CARGO_TARGET_TMPDIR"));
        // What a failed run left there.
        let _ = fs::remove_dir_all(&flash);
        fs::create_dir_all(&flash).unwrap();
        assert!(Command::new("mount").args(["--bind", &flash, "/run"]).status().unwrap().success());
        if file::in_memory("/run").unwrap() {
            return println!("skipped: {flash} is in memory");
        }
        up(&net_and_perf()).unwrap();
        assert!(file::in_memory(run::DIR).unwrap());
        run::prepare().unwrap();
        fs::create_dir(format!("{}/foo", run::DIR)).unwrap();
        // Not while a container is in there.
        all_down();
        assert!(fs::metadata(format!("{}/foo", run::DIR)).is_ok());
        fs::remove_dir(format!("{}/foo", run::DIR)).unwrap();
        run::release();
        nothing_is_left();

        let ro = ["-o", "remount,bind,ro", "/run"];
        assert!(Command::new("mount").args(ro).status().unwrap().success());
        let error = up(&net_and_perf()).unwrap_err().to_string();
        assert_eq!(
            error,
            "make directory /run/boardbox: Read-only file system (boardbox keeps its state there: mount a tmpfs on /run)"
        );
    });
}
