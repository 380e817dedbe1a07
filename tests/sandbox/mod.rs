//! A small machine for a test: network, mount and uts namespaces of its own, a root file system of BusyBox, br0 with an
//! uplink. The machine's own interfaces, mounts and host name stay untouched; cgroups are made below */boardbox only.
#![allow(dead_code)] // each test file uses what it needs

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Everything a test may leave goes with this.
pub struct Sandbox {
    holder: Child,
    /// A directory of the test's own on the machine.
    pub dir: PathBuf,
    /// Appended to container names, so that tests which run at the same time have cgroups of their own.
    pub tag: String,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Run by `sh` in the fresh namespaces.
const SET_UP: &str = r#"
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
root=/var/lib/lxc/temp/rootfs
for dir in bin sbin lib proc sys dev etc tmp run; do mkdir -p $root/$dir; done
cp "$(command -v busybox)" $root/bin/busybox
mknod -m 666 $root/dev/null c 1 3
mknod -m 666 $root/dev/zero c 1 5
mknod -m 666 $root/dev/tty c 5 0
: >$root/dev/console
: >/var/lib/lxc/temp/fstab
ip link set lo up
ip link add up0 type veth peer name wire0
ip link set wire0 up
ip link add br0 type bridge
ip link set up0 master br0
ip link set br0 address "$(ip -o link show up0 | sed 's/.*ether \([^ ]*\).*/\1/')"
ip link set up0 up
ip link set br0 up
"#;

impl Sandbox {
    /// Makes one. Needs root and busybox-static.
    pub fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(format!("boardbox-test-{tag}"));
        std::fs::create_dir_all(&dir).unwrap();
        let holder = Command::new("unshare")
            .args(["--net", "--mount", "--uts", "--", "sleep", "2147483647"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare(1) of util-linux");
        let sandbox = Self { holder, dir, tag };
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        sandbox.until("its namespaces", || {
            let net = std::fs::read_link(format!("/proc/{}/ns/net", sandbox.holder.id()));
            let exe = std::fs::read_link(format!("/proc/{}/exe", sandbox.holder.id()));
            net.is_ok_and(|net| net != own) && exe.is_ok_and(|exe| exe.ends_with("sleep"))
        });
        let said = sandbox.sh(SET_UP);
        assert_eq!(said.code, 0, "the sandbox needs root and busybox-static: {}", said.err);
        // By hand: a process for each of four hundred links takes longer than most tests, on an emulated machine above all.
        let inside = Path::new("/proc").join(sandbox.holder.id().to_string()).join("root");
        let bin = inside.join("var/lib/lxc/temp/rootfs/bin");
        let applets = Command::new("busybox").arg("--list").output().unwrap().stdout;
        for applet in String::from_utf8(applets).unwrap().lines().filter(|applet| *applet != "busybox") {
            std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
        }
        sandbox
    }

    /// One that sees the unified hierarchy only: freezing and devices, which v2 has without a controller, are its own then.
    pub fn unified() -> Self {
        let sandbox = Self::new();
        let said = sandbox.sh(
            "grep -q ' - cgroup2 ' /proc/self/mountinfo || { mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified; }
             for target in $(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) .* - cgroup .*/\\1/p' /proc/self/mountinfo); do umount $target || exit 1; done",
        );
        assert_eq!(said.code, 0, "{said:?}");
        sandbox
    }

    /// `name` with the tag.
    pub fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.tag)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.holder.id().to_string(), "--net", "--mount", "--uts", "--"]);
        // Whoever runs the tests in the background (nohup) ignores SIGHUP, and so would everything in here: some cases are
        // about just that.
        command.args(["env", "--default-signal=HUP", program]);
        command.current_dir("/").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command
    }

    /// Runs a script inside.
    pub fn sh(&self, script: &str) -> Said {
        self.run(self.command("sh").args(["-c", script]))
    }

    /// Starts a script inside and lets it run.
    pub fn spawn(&self, script: &str) -> Child {
        self.command("sh").args(["-c", script]).spawn().unwrap()
    }

    /// Runs boardbox inside, by the name of an applet or as itself: `["lxc-start", "-n", …]`, `["boardbox", "up"]`.
    pub fn boardbox(&self, words: &[&str]) -> Said {
        self.run(&mut self.boardbox_command(words))
    }

    /// The same, not run yet.
    pub fn boardbox_command(&self, words: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_boardbox"));
        let words = if words.first() == Some(&"boardbox") { &words[1..] } else { words };
        command.args(words);
        command
    }

    /// With 60 s to end in: nothing may hang.
    fn run(&self, command: &mut Command) -> Said {
        // A group of its own: what hangs is rarely the shell itself, but what it waits for.
        let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let group = nix::unistd::Pid::from_raw(child.id() as i32);
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            if is_done.recv_timeout(Duration::from_secs(60))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
            }
        });
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        drop(done);
        watch.join().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Said { code: status.code().unwrap_or(-1), out: text(&stdout), err: text(&stderr) }
    }

    /// Writes a file that is visible inside and outside; returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Waits for something, 10 s at most.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !holds() {
            assert!(Instant::now() < end, "waited 10 s for {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The value of a line `KEY VALUE` of the container's record, as a pid.
    pub fn pid(&self, key: &str, container: &str) -> i32 {
        let record = self.sh(&format!("cat /run/boardbox/{container}/record")).out;
        let line =
            record.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{record}"));
        line.trim().parse().unwrap()
    }

    /// The container's cgroup directories that are there.
    pub fn cgroups(&self, container: &str) -> Vec<PathBuf> {
        let dirs = hierarchies().into_iter().map(|hierarchy| hierarchy.join("boardbox").join(container));
        dirs.filter(|dir| dir.exists()).collect()
    }

    /// What the kernel has in a file of a container's cgroup, by the name it has here; of a v1 hierarchy or of v2.
    pub fn setting(&self, container: &str, v1: &str, v2: &str) -> String {
        let file = either(v1.split('.').next().unwrap(), v1, v2);
        let dirs = self.cgroups(container);
        let found = dirs.iter().find_map(|dir| std::fs::read_to_string(dir.join(file)).ok());
        found.unwrap_or_else(|| panic!("{file} in {dirs:?}")).trim_end().to_owned()
    }

    /// Nothing of these containers is left: no cgroup, no state, no interface, no mount, no process.
    pub fn assert_nothing_left(&self, containers: &[&str]) {
        for container in containers {
            assert_eq!(self.cgroups(container), Vec::<PathBuf>::new());
            assert!(!self.sh(&format!("ls -d /run/boardbox/{container}")).out.contains(container));
        }
        let links = self.sh("ip -o link show type macvlan").out;
        assert_eq!(links, "");
        let mounts = self.sh("cat /proc/self/mountinfo").out;
        assert!(!mounts.contains("/rootfs"), "{mounts}");
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Whoever lives in its network namespace's mounts: monitors. Their containers go with them.
        let own = std::fs::read_link(format!("/proc/{}/ns/mnt", self.holder.id())).ok();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse::<i32>().ok()) else {
                continue;
            };
            if own.is_some() && std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok() == own {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
        let _ = self.holder.wait();
        let tag = format!("-{}", self.tag);
        // What is frozen has to run to end.
        let thaw = "find /sys/fs/cgroup -path \"*/boardbox/*$1/*\" -name freezer.state -exec sh -c 'for file; do echo THAWED >$file; done' - {} +";
        let _ = Command::new("sh").args(["-c", thaw, "-", &tag]).stderr(Stdio::null()).status();
        for hierarchy in hierarchies() {
            remove_tagged(&hierarchy.join("boardbox"), &tag);
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Whether this machine has a controller, by its v1 name, on cgroup v2.
pub fn on_v2(controller: &str) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let v1 = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        fields[2] == "cgroup" && fields[3].split(',').any(|option| option == controller)
    };
    !mounts.lines().any(v1)
}

/// How many hierarchies these controllers are in here; on v1 each is on its own.
pub fn hierarchies_of(controllers: &[&str]) -> usize {
    let v2 = controllers.iter().filter(|controller| on_v2(controller)).count();
    controllers.len() - v2 + v2.min(1)
}

/// What is to be expected of a controller: as v1 says it, or as v2 does.
pub fn either<T>(controller: &str, v1: T, v2: T) -> T {
    if on_v2(controller) { v2 } else { v1 }
}

/// Where this machine has its cgroup hierarchies.
fn hierarchies() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let cgroups = fields.filter(|fields| matches!(fields[2], "cgroup" | "cgroup2"));
    cgroups.map(|fields| PathBuf::from(fields[1])).collect()
}

fn remove_tagged(parent: &Path, tag: &str) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.ends_with(tag)) {
            for _ in 0..100 {
                if remove_groups(&entry.path()).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
    let _ = std::fs::remove_dir(parent);
}

/// A cgroup and those below it (LXC makes some): its files go with it.
fn remove_groups(group: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(group)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_groups(&entry.path())?;
        }
    }
    std::fs::remove_dir(group)
}
