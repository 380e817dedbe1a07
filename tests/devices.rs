//! Device rules against the kernel: the model against v1's controller, the program against the model on v2, by what a
//! process may really do. As root; only in cgroups of these tests' own, a mount namespace of their own, and with device
//! numbers that no driver has: a permission is asked for before the driver is, so ENXIO means allowed.

mod nodes;

use boardbox::apply::{devices, host};
use boardbox::plan::devices::{MKNOD, Policy, READ, Verb, WRITE, evaluate};
use boardbox::plan::host::Version;
use boardbox::profile::value::{DeviceKind, DeviceRule};
use boardbox::sys::{bpf, cgroup};
use nix::errno::Errno;
use nodes::{Device, Nodes, Random};
use std::fs::{self, File};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

fn text(rules: &[(Verb, DeviceRule)]) -> String {
    rules.iter().map(|(verb, rule)| format!("{verb} {rule}\n")).collect()
}

/// A cgroup of this test's own, which goes with it.
struct Group {
    dir: String,
    own: bool,
}

impl Group {
    fn new(root: &str, name: &str) -> Self {
        let dir = format!("{root}/boardbox/devices-{name}-{}", std::process::id());
        // Other tests remove the parent when it is empty.
        while let Err(error) = fs::create_dir_all(&dir) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{dir}: {error}");
        }
        Self { dir, own: true }
    }

    fn below(&self, name: &str) -> Self {
        let dir = format!("{}/{name}", self.dir);
        fs::create_dir(&dir).unwrap();
        Self { dir, own: true }
    }

    fn join(&self) {
        cgroup::join(cgroup::open_tasks(&self.dir).unwrap().as_fd()).unwrap();
    }

    /// Writes a rule as v1 takes it; the errno if it does not.
    fn write(&self, verb: Verb, rule: &DeviceRule) -> i32 {
        let file = if verb == Verb::Allow { "devices.allow" } else { "devices.deny" };
        cgroup::write(&self.dir, file, &rule.to_string()).map_or_else(|error| error.errno, |()| 0)
    }

    fn write_all(&self, rules: &[(Verb, DeviceRule)]) {
        for (verb, rule) in rules {
            assert_eq!(self.write(*verb, rule), 0, "{verb} {rule} of\n{}", text(rules));
        }
    }

    fn list(&self) -> String {
        fs::read_to_string(format!("{}/devices.list", self.dir)).unwrap()
    }

    /// How many programs are attached here.
    fn programs(&self) -> usize {
        bpf::query(File::open(&self.dir).unwrap().as_fd(), false).unwrap().len()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.own {
            return;
        }
        let _ = cgroup::remove(&self.dir, Duration::from_secs(1));
        if let Some((parent, _)) = self.dir.rsplit_once('/')
            && parent.ends_with("/boardbox")
        {
            let _ = fs::remove_dir(parent);
        }
    }
}

/// What is said to a process that is to enter a cgroup: which part of which test it runs, and where.
const PART: &str = "BOARDBOX_TEST_PART";
const WHERE: &str = "BOARDBOX_TEST_CGROUP";

/// Runs a part of a test in a process of its own: it enters cgroups that nobody else should be in. Not forked: that would
/// take along what locks the other threads hold just then.
fn run(part: &str, group: &Group) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "part", "--ignored", "--nocapture", "--test-threads=1"]);
    let output = child.env(PART, part).env(WHERE, &group.dir).output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    println!("{said}");
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{part} in a process of its own: see above"
    );
}

#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn part() {
    let (Ok(part), Ok(dir)) = (std::env::var(PART), std::env::var(WHERE)) else { return };
    let group = Group { dir, own: false };
    match part.as_str() {
        "model" => model(&group),
        "program" => program(&group),
        "refusals" => refusals(&group),
        "nested" => nested(&group),
        "exchange" => exchange(&group),
        _ => lacking(part.parse().unwrap(), &group),
    }
}

fn v1() -> Option<String> {
    let host = host::read(false).unwrap();
    let found = host.hierarchy("devices").filter(|found| found.version == Version::V1 && !found.read_only);
    if found.is_none() {
        println!("skipped: the devices controller is not on v1 here");
    }
    Some(found?.mountpoint.clone())
}

fn v2() -> Option<String> {
    let hierarchies = host::read(false).unwrap().hierarchies;
    let found = hierarchies.iter().find(|found| found.version == Version::V2 && !found.read_only);
    if found.is_none() {
        println!("skipped: there is no cgroup v2 here");
    }
    Some(found?.mountpoint.clone())
}

fn rules(lines: &str) -> Vec<(Verb, DeviceRule)> {
    let rule = |line: &str| match line.trim().split_once(' ').unwrap() {
        ("allow", rule) => (Verb::Allow, rule.parse().unwrap()),
        (_, rule) => (Verb::Deny, rule.parse().unwrap()),
    };
    lines.lines().map(rule).collect()
}

fn errno(result: boardbox::error::Result<()>) -> i32 {
    result.map_or_else(|error| error.errno, |()| 0)
}

/// How many lists are tried; an emulated board may want fewer.
fn lists() -> u32 {
    std::env::var("BOARDBOX_TEST_LISTS").map_or(2500, |count| count.parse().unwrap())
}

/// Lists that nearly always say the same would find nothing.
fn balanced(answers: [u32; 2], start: Instant) {
    let least = (answers[0] + answers[1]) / 5;
    assert!(answers.iter().all(|&count| count > least), "no and yes: {answers:?}");
    println!("{} refused, {} allowed, {:.1} s", answers[0], answers[1], start.elapsed().as_secs_f32());
}

#[test]
fn v1_does_what_the_model_says() {
    let Some(root) = v1() else { return };
    run("model", &Group::new(&root, "model"));
}

fn model(group: &Group) {
    let (nodes, start, mut answers) = (Nodes::new(), Instant::now(), [0; 2]);
    let (mut random, everything) = (Random(0x4080_0001), "a".parse().unwrap());
    group.join();
    for _ in 0..lists() {
        let rules = random.list();
        group.write_all(&[(Verb::Allow, everything)]);
        group.write_all(&rules);
        let policy = evaluate(&rules);
        assert!(
            group.list() == policy.to_string(),
            "devices.list is\n{}after\n{}",
            group.list(),
            text(&rules)
        );
        let [no, yes] = nodes.compare(&policy, &|| text(&rules));
        answers = [answers[0] + no, answers[1] + yes];
    }
    balanced(answers, start);
}

#[test]
fn the_program_does_on_v2_what_the_model_says() {
    let Some(root) = v2() else { return };
    run("program", &Group::new(&root, "program"));
}

fn program(group: &Group) {
    let (nodes, start, mut answers) = (Nodes::new(), Instant::now(), [0; 2]);
    // Other lists than v1's would do, but these are known to be the same there.
    let mut random = Random(0x4080_0001);
    group.join();
    for _ in 0..lists() {
        let rules = random.list();
        let policy = evaluate(&rules);
        devices::set(&group.dir, &policy).unwrap();
        let [no, yes] = nodes.compare(&policy, &|| text(&rules));
        answers = [answers[0] + no, answers[1] + yes];
    }
    balanced(answers, start);
    assert_eq!(group.programs(), 1);
}

#[test]
fn v1_refuses_what_the_model_refuses() {
    let Some(root) = v1() else { return };
    run("refusals", &Group::new(&root, "refusals"));
}

fn refusals(outside: &Group) {
    let (nodes, start, mut answers) = (Nodes::new(), Instant::now(), [0; 2]);
    let mut random = Random(0x4080_0003);
    let (mut refused, mut expanded) = ([0; 2], 0);
    let everything: DeviceRule = "a".parse().unwrap();
    for n in 0..lists() / 6 {
        // A new one each time: a cgroup counts as "below" for some time after it was removed.
        let group = outside.below(&n.to_string());
        let above = random.list();
        group.write_all(&above);
        let mut parent = evaluate(&above);
        let below = group.below("below");
        below.join();
        // A new cgroup has its parent's policy.
        let mut policy = parent.clone();
        let mut written = Vec::new();
        for _ in 0..8 {
            let (verb, rule) = random.rule();
            let told = || format!("{verb} {rule} below\n{}after\n{}", text(&above), text(&written));
            let expected = errno(policy.change(&parent, false, verb, &rule));
            assert!(below.write(verb, &rule) == expected, "errno {expected} expected: {}", told());
            assert!(below.list() == policy.to_string(), "devices.list is\n{}after {}", below.list(), told());
            refused[usize::from(expected == 0)] += 1;
            written.push((verb, rule));
        }
        let told = || format!("below\n{}after\n{}", text(&above), text(&written));
        let [no, yes] = nodes.compare(&policy, &told);
        answers = [answers[0] + no, answers[1] + yes];
        for verb in [Verb::Deny, Verb::Allow] {
            let expected = errno(parent.change(&Policy::default(), true, verb, &everything));
            assert_eq!(
                (group.write(verb, &everything), expected),
                (Errno::EINVAL as i32, Errno::EINVAL as i32)
            );
        }
        let verb = parent.default;
        for rule in parent.expand(verb).unwrap() {
            assert_eq!(group.write(verb, &rule), 0);
            parent.change(&Policy::default(), true, verb, &rule).unwrap();
            expanded += 1;
        }
        assert!(parent.exceptions.is_empty());
        assert_eq!(group.list(), parent.to_string());
        outside.join();
    }
    assert!(
        refused.iter().all(|&count| count > lists() / 5) && expanded > lists() / 12,
        "{refused:?} {expanded}"
    );
    balanced(answers, start);
}

/// What a live change does to the cgroups below, which the model does not tell: docs/devices.md.
#[test]
fn on_v1_a_stricter_parent_takes_whole_exceptions_from_those_below() {
    let Some(root) = v1() else { return };
    let parent = Group::new(&root, "live");
    let below = parent.below("below");
    below.write_all(&rules("deny a\nallow c 60:7 rw\nallow c 61:7 rw"));
    // It denies reading only, and another name of the device: below, writing is gone as well.
    parent.write_all(&rules("deny c 60:* r"));
    assert_eq!(below.list(), "c 61:7 rw\n");
    // Given back above, it does not come back below by itself.
    parent.write_all(&rules("allow c 60:* r"));
    assert_eq!(below.list(), "c 61:7 rw\n");
    below.write_all(&rules("allow c 60:7 rw"));

    // The same between two that deny by default: what is denied by its own name is taken bit by bit.
    let closed = Group::new(&root, "closed");
    closed.write_all(&rules("deny a\nallow c 60:* rw\nallow c 61:7 rw"));
    let below = closed.below("below");
    closed.write_all(&rules("deny c 61:7 w"));
    assert_eq!(
        (closed.list().as_str(), below.list().as_str()),
        ("c 60:* rw\nc 61:7 r\n", "c 60:* rw\nc 61:7 r\n")
    );
    // A part of an exception is no exception: nothing happens, and nobody is told.
    closed.write_all(&rules("deny c 60:7 rw"));
    assert_eq!(closed.list(), "c 60:* rw\nc 61:7 r\n");
}

#[test]
fn on_v2_all_programs_on_the_way_are_asked_and_ours_is_replaced() {
    let Some(root) = v2() else { return };
    let parent = Group::new(&root, "nested");
    run("nested", &parent);
    let missing = devices::set(&format!("{}/none", parent.dir), &Policy::default()).unwrap_err().to_string();
    assert_eq!(missing, format!("open cgroup {}/none: No such file or directory", parent.dir));
    let wrong = devices::set("/proc", &Policy::default()).unwrap_err();
    assert!(wrong.to_string().starts_with("device rules of cgroup /proc: "), "{wrong}");
}

fn nested(parent: &Group) {
    let below = &parent.below("below");
    let nodes = Nodes::new();
    below.join();
    let asked = |group: &Group, lines: &str| {
        devices::set(&group.dir, &evaluate(&rules(lines))).unwrap();
        assert_eq!(group.programs(), 1);
        let device = Device { kind: DeviceKind::Char, major: 60, minor: 7 };
        [READ, WRITE, MKNOD].map(|wanted| nodes.allowed(device, wanted))
    };
    assert_eq!(asked(parent, "deny a\nallow c 60:* rw"), [true, true, false]);
    // Beyond the parent: no error as on v1, but no access either.
    assert_eq!(asked(below, "deny a\nallow c 60:7 rm"), [true, false, false]);
    // Where v1 refuses to change the default, this just does it.
    assert_eq!(asked(parent, "deny a"), [false; 3]);
    assert_eq!(asked(parent, "allow a"), [true, false, true]);
    // And what is given back above is back below.
    assert_eq!(asked(parent, "deny c 60:* r"), [false, false, true]);
    assert_eq!(asked(below, "allow a"), [false, true, true]);
    let directory = File::open(&below.dir).unwrap();
    assert_eq!(bpf::query(directory.as_fd(), true).unwrap().len(), 2);

    // Too long a list: the error names the cgroup, and what was there is there.
    let long: String = (0..=bpf::MAX_EXCEPTIONS).map(|minor| format!("deny c 62:{minor} r\n")).collect();
    let error =
        devices::set(&below.dir, &evaluate(&rules(&(long + "deny c 60:7 w")))).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "device rules of cgroup {}: more than 480 different device rules (name ranges, as in \"c 4:* rw\")",
            below.dir
        )
    );
    assert_eq!(asked(parent, "allow a"), [true; 3]);

    // Somebody else's program stays, and has its say.
    let other = foreign(false);
    bpf::attach(directory.as_fd(), other.as_fd(), None).unwrap();
    devices::set(&below.dir, &Policy::default()).unwrap();
    let device = Device { kind: DeviceKind::Char, major: 60, minor: 7 };
    assert!(below.programs() == 2 && !nodes.allowed(device, READ));
    devices::clear(&below.dir).unwrap();
    assert!(below.programs() == 1 && !nodes.allowed(device, READ));
    bpf::detach(directory.as_fd(), other.as_fd()).unwrap();
    // What is gone already is no error.
    bpf::detach(directory.as_fd(), other.as_fd()).unwrap();
    assert!(below.programs() == 0 && nodes.allowed(device, READ));
    parent.join();
}

/// A program without boardbox's name on it.
fn foreign(allow: bool) -> OwnedFd {
    let program = bpf::assemble(allow, &[]).unwrap();
    let instructions = program.instructions();
    let (at, license) = (instructions.as_ptr() as usize as u64, c"GPL".as_ptr() as usize as u64);
    let attributes: [u64; 6] = [0, at, license, 0, 0, 0];
    let mut attributes: Vec<u8> = attributes.iter().flat_map(|word| word.to_ne_bytes()).collect();
    attributes[..4].copy_from_slice(&15u32.to_ne_bytes());
    attributes[4..8].copy_from_slice(&(instructions.len() as u32).to_ne_bytes());
    let command: nix::libc::c_long = 5;
    // SAFETY: 48 bytes of attributes, which point to the program and to a string; all of them outlive the call.
    let fd = unsafe { nix::libc::syscall(nix::libc::SYS_bpf, command, attributes.as_ptr(), 48usize) };
    // SAFETY: checked to be a descriptor, which is new.
    unsafe { OwnedFd::from_raw_fd(Errno::result(fd).unwrap() as i32) }
}

/// From now on bpf(2) with this command, and attributes of this size, answers `errno` to this process.
fn refuse(command: Option<u32>, size: Option<u32>, errno: Errno) {
    use nix::libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter, sock_fprog};
    let low = if cfg!(target_endian = "big") { 4 } else { 0 };
    let instruction = |code: u32, jf: u8, k: u32| sock_filter { code: code as u16, jt: 0, jf, k };
    let tests = [(0, Some(nix::libc::SYS_bpf as u32)), (16 + low, command), (32 + low, size)];
    let tests: Vec<(u32, u32)> = tests.into_iter().filter_map(|(at, value)| Some((at, value?))).collect();
    let mut filter = Vec::new();
    for (n, (at, value)) in tests.iter().enumerate() {
        filter.push(instruction(BPF_LD | BPF_W | BPF_ABS, 0, *at));
        // Past the other tests and the refusal.
        filter.push(instruction(BPF_JMP | BPF_JEQ | BPF_K, ((tests.len() - n - 1) * 2 + 1) as u8, *value));
    }
    filter.push(instruction(BPF_RET | BPF_K, 0, nix::libc::SECCOMP_RET_ERRNO | errno as u32));
    filter.push(instruction(BPF_RET | BPF_K, 0, nix::libc::SECCOMP_RET_ALLOW));
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the filter is valid for the calls, which copy it.
    unsafe {
        assert_eq!(nix::libc::prctl(nix::libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(nix::libc::prctl(nix::libc::PR_SET_SECCOMP, nix::libc::SECCOMP_MODE_FILTER, &program), 0);
    }
}

#[test]
fn old_kernels_do_it_another_way_or_it_is_said_what_they_lack() {
    let Some(root) = v2() else { return };
    let group = Group::new(&root, "old");
    for part in 0..LACKING.len() {
        run(&part.to_string(), &group);
        assert_eq!(group.programs(), 0);
    }
    run("exchange", &group);
}

const LOAD: u32 = 5;
const ATTACH: u32 = 8;
const LACKS: &str = "the kernel lacks CONFIG_CGROUP_BPF: v2 has no devices controller without it \
                     (Linux 4.15 or later with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF has it)";
const ROOT_ONLY: &str = "Operation not permitted (this needs root in the host's user namespace)";
const LACKING: [(Option<u32>, Errno, &str); 4] = [
    (None, Errno::ENOSYS, LACKS),
    (Some(LOAD), Errno::EINVAL, LACKS),
    (Some(LOAD), Errno::E2BIG, LACKS),
    (Some(LOAD), Errno::EPERM, ROOT_ONLY),
];

fn lacking(part: usize, group: &Group) {
    let limit = |set: Option<u64>| {
        let resource = nix::libc::RLIMIT_MEMLOCK;
        let mut limit = nix::libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `limit` is valid for both calls.
        unsafe {
            assert_eq!(nix::libc::getrlimit(resource, &mut limit), 0);
            if let Some(set) = set {
                limit.rlim_cur = set;
                assert_eq!(nix::libc::setrlimit(resource, &limit), 0);
            }
        }
        limit.rlim_cur
    };
    limit(Some(65536));
    let (command, errno, why) = LACKING[part];
    refuse(command, None, errno);
    let seed = evaluate(&rules("deny a\nallow c 1:3 rw\nallow b 8:0 rw"));
    let error = devices::set(&group.dir, &seed).unwrap_err().to_string();
    assert_eq!(error, format!("device rules of cgroup {}: load a device program: {why}", group.dir));
    assert_eq!(limit(None), 65536);
}

/// Before 5.6 no program is replaced by another in one step.
fn exchange(group: &Group) {
    let nodes = Nodes::new();
    group.join();
    refuse(Some(ATTACH), Some(20), Errno::EINVAL);
    let device = Device { kind: DeviceKind::Block, major: 60, minor: 0 };
    for (lines, expected) in [("deny a", false), ("deny b 60:1 r", true), ("deny b 60:* r", false)] {
        devices::set(&group.dir, &evaluate(&rules(lines))).unwrap();
        assert_eq!((group.programs(), nodes.allowed(device, READ)), (1, expected), "{lines}");
    }
}
