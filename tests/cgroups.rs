//! A container's cgroup against the kernel's own hierarchies, v1 or v2, whichever has the controller: only directories of these
//! tests' own names.

use boardbox::apply::{Undo, host, perform, undo_all};
use boardbox::error::{Error, Kind, Origin};
use boardbox::plan::cgroups;
use boardbox::plan::devices::Verb;
use boardbox::plan::host::Version;
use boardbox::plan::{Place, Planned, Step};
use boardbox::sys::{bpf, cgroup};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The mount point of the hierarchy that has a controller here, and which version it is of.
fn root(controller: &str) -> (String, Version) {
    let host = host::read(false).unwrap();
    let found = cgroups::home(controller, &host).filter(|hierarchy| !hierarchy.read_only);
    let found = found.unwrap_or_else(|| panic!("controller {controller} is not mounted writable here"));
    (found.mountpoint.clone(), found.version)
}

/// As v1 says it, or as v2 does.
fn either<T>(version: Version, v1: T, v2: T) -> T {
    if version == Version::V1 { v1 } else { v2 }
}

fn done(step: Step, undo: &mut Vec<Undo>) -> Result<(), Error> {
    perform(&Planned { place: Place::Host, step, origin: Origin::default() }, undo)
}

fn make(controller: &str, root: &str, name: &str, undo: &mut Vec<Undo>) -> Result<String, Error> {
    let path = format!("boardbox/{name}-{}", std::process::id());
    let dir = format!("{root}/{path}");
    let (root, controllers) = (root.to_string(), vec![controller.to_string()]);
    let step = match fs::metadata(format!("{root}/cgroup.subtree_control")) {
        Err(_) => Step::MakeCgroup { controllers, root, path },
        Ok(_) => Step::MakeUnified { root, path, enable: controllers, also: Vec::new(), payload: false },
    };
    done(step, undo).map(|()| dir)
}

fn write(dir: &str, file: &str, value: &str) -> Result<(), Error> {
    done(Step::WriteCgroup { dir: dir.into(), file: file.into(), value: value.into() }, &mut Vec::new())
}

fn value(dir: &str, file: &str) -> String {
    fs::read_to_string(format!("{dir}/{file}")).unwrap().trim_end().to_owned()
}

/// A process in a cgroup, until it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn new(dir: &str) -> Self {
        let mut sleep = Command::new("sleep");
        let sleeper = Self(sleep.arg("600").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        fs::write(format!("{dir}/cgroup.procs"), sleeper.0.id().to_string()).unwrap();
        sleeper
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Leaves nothing behind when a test fails: the machine's hierarchies are everybody's.
struct Gone(String);

fn gone(root: &str, name: &str) -> Gone {
    Gone(format!("{root}/boardbox/{name}-{}", std::process::id()))
}

impl Drop for Gone {
    fn drop(&mut self) {
        let dir = Path::new(&self.0);
        // It goes by descriptors: one of them is nested deeper than a path can say.
        let _ = Command::new("find").arg(dir).args(["-depth", "-type", "d", "-delete"]).output();
        let _ = fs::remove_dir(dir.parent().unwrap());
    }
}

#[test]
fn a_cpuset_is_filled_so_that_a_task_can_enter_and_taken_back_when_it_is_empty() {
    let (root, version) = root("cpuset");
    let (_gone, mut undo) = (gone(&root, "fill"), Vec::new());
    let dir = make("cpuset", &root, "fill", &mut undo).unwrap();
    // On v2 an empty one has what there is above.
    for file in
        either(version, ["cpuset.cpus", "cpuset.mems"], ["cpuset.cpus.effective", "cpuset.mems.effective"])
    {
        assert_eq!(value(&dir, file), value(&root, file));
        assert_eq!(value(&format!("{root}/boardbox"), file), value(&root, file));
    }
    assert_eq!(undo.len(), 1);
    write(&dir, "cpuset.cpus", "0").unwrap();
    // Made again while it is empty: what a killed run left serves again, as it is.
    make("cpuset", &root, "fill", &mut Vec::new()).unwrap();
    assert_eq!(value(&dir, "cpuset.cpus"), "0");

    let child = Sleeper::new(&dir);
    let taken = make("cpuset", &root, "fill", &mut undo).unwrap_err();
    assert_eq!(taken.kind, Kind::Taken);
    assert!(
        taken.to_string().contains("processes are in it already (a process of an earlier container"),
        "{taken}"
    );
    assert_eq!(undo.len(), 1, "somebody else's cgroup is not ours to remove");

    // Cgroups in it, and a task that goes a little later: all are waited for.
    fs::create_dir_all(format!("{dir}/a/b")).unwrap();
    fs::create_dir(format!("{dir}/c")).unwrap();
    let end = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(child);
    });
    let errors = undo_all(&mut undo);
    end.join().unwrap();
    assert!(errors.is_empty(), "{}", errors[0]);
    assert!(fs::metadata(&dir).is_err());
}

/// What root inside a container may make below its own cgroup, frozen, and thawed in one walk.
#[test]
fn cgroups_of_any_name_and_depth_are_reached_and_removed() {
    let (root, version) = root("freezer");
    let (_gone, mut undo) = (gone(&root, "odd"), Vec::new());
    // On v2 every group can be frozen, and freezer is no controller to pass down.
    let dir = make(either(version, "freezer", "pids"), &root, "odd", &mut undo).unwrap();
    let (file, frozen, thawed) =
        either(version, (c"freezer.state", "FROZEN", "THAWED"), (c"cgroup.freeze", "1", "0"));
    let freeze = |at: &OwnedFd| {
        let file = openat(at, file, OFlag::O_WRONLY, Mode::empty()).unwrap();
        nix::unistd::write(&file, frozen.as_bytes()).unwrap();
    };
    let open = |path: &Path| fs::File::open(path).map(OwnedFd::from).unwrap();
    // More than one read of the directory brings.
    let many = (0..40).map(|number| format!("many-{number}").into_bytes());
    for name in [&b"a\xff"[..], b"\xfe\xff", b"plain", b"a b", b"-"].map(Vec::from).into_iter().chain(many) {
        let path = Path::new(&dir).join(OsStr::from_bytes(&name));
        fs::create_dir_all(path.join("x")).unwrap();
        let last = path.join(OsStr::from_bytes(b"z\xff"));
        fs::create_dir(&last).unwrap();
        [&path, &last].into_iter().for_each(|path| freeze(&open(path)));
    }
    // 24 x 200 bytes: more than PATH_MAX.
    let mode = Mode::from_bits_truncate(0o755);
    let mut at = open(Path::new(&dir));
    for _ in 0..24 {
        let name = "d".repeat(200);
        mkdirat(&at, name.as_str(), mode).unwrap();
        mkdirat(&at, "beside", mode).unwrap();
        at = openat(&at, name.as_str(), OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        freeze(&at);
    }
    drop(at);
    let count = || {
        let (file, frozen) = (file.to_str().unwrap(), format!("^{frozen}$"));
        let mut find = Command::new("find");
        find.args([&dir, "-name", file, "-execdir", "grep", "-h", &frozen, "{}", ";"]);
        find.output().unwrap().stdout.split(|byte| *byte == b'\n').count() - 1
    };
    // On v1 those below say so, too.
    assert!(count() >= 2 * 45 + 24);
    cgroup::write_below(&dir, file, thawed, Instant::now() + Duration::from_secs(60));
    assert_eq!(count(), 0);

    // One that is in use keeps what is above it, and is waited for.
    let child = Sleeper::new(&format!("{dir}/plain/x"));
    let errors = undo_all(&mut undo.clone());
    assert!(errors[0].to_string().ends_with(" (it still holds processes)"), "{}", errors[0]);
    drop(child);
    let errors = undo_all(&mut undo);
    assert!(errors.is_empty(), "{}", errors[0]);
    assert!(fs::metadata(&dir).is_err());
}

#[test]
fn a_cgroup_with_a_task_is_not_removed_and_the_error_says_why() {
    let (root, _) = root("cpu");
    let (_gone, mut undo) = (gone(&root, "busy"), Vec::new());
    let dir = make("cpu", &root, "busy", &mut undo).unwrap();
    let child = Sleeper::new(&dir);
    let errors = undo_all(&mut undo.clone());
    assert_eq!(
        errors[0].to_string(),
        format!("remove cgroup {dir}: Device or resource busy (it still holds processes)")
    );
    drop(child);
    assert!(undo_all(&mut undo).is_empty());
    assert!(undo_all(&mut vec![Undo::RemoveCgroup { dir }]).is_empty(), "gone already is no error");
}

#[test]
fn settings_are_written_and_refusals_say_what_to_do() {
    let (root, version) = root("cpu");
    let (_gone, mut undo) = (gone(&root, "shares"), Vec::new());
    let dir = make("cpu", &root, "shares", &mut undo).unwrap();
    let shares = either(version, "cpu.shares", "cpu.weight");
    write(&dir, shares, "1234").unwrap();
    assert_eq!(value(&dir, shares), "1234");
    let error = |file: &str, value: &str| write(&dir, file, value).unwrap_err().to_string();
    assert_eq!(
        error(shares, "x"),
        format!("write \"x\" to {dir}/{shares}: Invalid argument ({shares} does not take this value)")
    );
    assert_eq!(
        error("cpu.share", "1"),
        format!(
            "write \"1\" to {dir}/cpu.share: No such file or directory (the kernel's controller \"cpu\" has no such file)"
        )
    );
    assert!(undo_all(&mut undo).is_empty());
    let gone = write(&dir, shares, "1").unwrap_err();
    assert!(gone.hint.is_empty(), "{gone}");
}

#[test]
fn a_real_time_budget_is_had_from_above() {
    let (root, _) = root("cpu");
    if fs::metadata(format!("{root}/cpu.rt_runtime_us")).is_err() {
        println!("skipped: this kernel has no CONFIG_RT_GROUP_SCHED");
        return;
    }
    let _gone = gone(&root, "rt");
    let mut undo = Vec::new();
    let dir = make("cpu", &root, "rt", &mut undo).unwrap();
    write(&dir, "cpu.rt_runtime_us", "100000").unwrap();
    assert_eq!(value(&dir, "cpu.rt_runtime_us"), "100000");
    // More than the kernel has is still refused.
    let error = write(&dir, "cpu.rt_runtime_us", "990000").unwrap_err().to_string();
    assert!(error.contains("cpu.rt_runtime_us"), "{error}");
    write(&dir, "cpu.rt_runtime_us", "0").unwrap();
    assert!(undo_all(&mut undo).is_empty());
}

#[test]
fn a_cpuset_that_does_not_fit_names_the_cpus_there_are() {
    let (root, version) = root("cpuset");
    let (_gone, mut undo) = (gone(&root, "cpus"), Vec::new());
    let dir = make("cpuset", &root, "cpus", &mut undo).unwrap();
    let of = |which: &str| value(&root, &format!("cpuset.{which}{}", either(version, "", ".effective")));
    let (cpus, mems) = (of("cpus"), of("mems"));
    for (bad, which, there) in [("1000", "cpus", &cpus), ("x", "cpus", &cpus), ("63", "mems", &mems)] {
        let error = write(&dir, &format!("cpuset.{which}"), bad).unwrap_err().to_string();
        assert!(error.contains(&format!("that the cgroup above has: {there}")), "{error}");
    }
    if version == Version::V1 {
        let child = Sleeper::new(&dir);
        let emptied = write(&dir, "cpuset.cpus", "").unwrap_err().to_string();
        drop(child);
        assert!(emptied.contains("(a cpuset in use can not be emptied)"), "{emptied}");
    }
    assert!(undo_all(&mut undo).is_empty());
}

#[test]
fn device_rules_are_written_one_by_one() {
    let (root, version) = root("devices");
    let (_gone, mut undo) = (gone(&root, "rules"), Vec::new());
    if version == Version::V2 {
        // A program instead; what it does is for tests/devices.rs to say.
        let path = format!("boardbox/rules-{}", std::process::id());
        let dir = format!("{root}/{path}");
        let none = Vec::new();
        let make = Step::MakeUnified { root, path, enable: none.clone(), also: none, payload: false };
        done(make, &mut undo).unwrap();
        let rules = vec![(Verb::Deny, "a".parse().unwrap()), (Verb::Allow, "c 1:3 rw".parse().unwrap())];
        done(Step::DeviceProgram { dir: dir.clone(), rules }, &mut undo).unwrap();
        assert_eq!(bpf::query(fs::File::open(&dir).unwrap().as_fd(), false).unwrap().len(), 1);
        assert!(undo_all(&mut undo).is_empty());
        return;
    }
    let dir = make("devices", &root, "rules", &mut undo).unwrap();
    write(&dir, "devices.deny", "a").unwrap();
    write(&dir, "devices.allow", "c 1:3 rw").unwrap();
    write(&dir, "devices.allow", "b 8:0 rw").unwrap();
    assert_eq!(value(&dir, "devices.list"), "c 1:3 rw\nb 8:0 rw");
    let error = write(&dir, "devices.allow", "z 1:3 rw").unwrap_err().to_string();
    assert!(error.ends_with("(\"a\", or type, major:minor and access, as in \"c 1:3 rwm\")"), "{error}");
    assert!(undo_all(&mut undo).is_empty());
}

/// The last container to end removes the directory that another one is just making its own in.
#[test]
fn starts_and_ends_of_many_do_not_get_in_each_others_way() {
    let (root, version) = root("cpuset");
    // A part of them on an emulated machine, where each takes long.
    let share = std::env::var("BOARDBOX_TEST_SHARE").ok().and_then(|share| share.parse().ok());
    let rounds = either(version, 300, 50) / share.unwrap_or(1);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let root = &root;
            scope.spawn(move || {
                for _ in 0..rounds {
                    let (_gone, mut undo) = (gone(root, &format!("many{thread}")), Vec::new());
                    let dir = make("cpuset", root, &format!("many{thread}"), &mut undo);
                    let dir = dir.unwrap_or_else(|error| panic!("{error}"));
                    let file = either(version, "cpuset.cpus", "cpuset.cpus.effective");
                    assert_eq!(value(&dir, file), value(root, file));
                    assert!(undo_all(&mut undo).is_empty());
                }
            });
        }
    });
}
