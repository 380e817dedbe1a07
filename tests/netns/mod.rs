//! Network namespaces of the test's own: nothing here touches the machine's interfaces.
#![allow(dead_code)] // each test file uses its share

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::process::{Child, Command, Stdio};

/// Runs `test` in a thread with a network namespace of its own, which commands it starts inherit.
pub fn in_own<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests make network namespaces: run them as root");
        test()
    };
    match std::thread::spawn(run).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs a command line and returns what it prints; it has to succeed.
pub fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// True when the command line succeeds.
pub fn succeeds(line: &str) -> bool {
    Command::new("sh").args(["-c", line]).output().unwrap().status.success()
}

/// A process in a network namespace of its own.
pub struct Inside(Child);

impl Inside {
    pub fn new() -> Self {
        let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let child =
            Command::new("unshare").args(["-n", "sleep", "600"]).stdin(Stdio::null()).spawn().unwrap();
        let inside = Self(child);
        while std::fs::read_link(format!("/proc/{}/ns/net", inside.pid())).unwrap() == own {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        inside
    }

    pub fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// Runs `work` in a thread that has joined this namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.pid())).unwrap();
        std::thread::scope(|scope| {
            let run = move || {
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            };
            match scope.spawn(run).join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Runs a command line in there.
    pub fn sh(&self, line: &str) -> String {
        self.run(|| sh(line))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
