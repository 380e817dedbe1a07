//! inotify(7), to be woken when something appears in a directory.

use crate::error::{Error, Result};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::os::fd::AsFd;
use std::time::Duration;

/// Directories being watched.
pub struct Watch(Inotify);

impl Watch {
    /// Nothing yet. Fails where the kernel is built without CONFIG_INOTIFY_USER.
    pub fn new() -> Result<Watch> {
        Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map(Watch)
            .map_err(|errno| Error::sys("watch directories", errno))
    }

    /// Also watches for entries made in or moved into `dir`. Watching it twice is watching it once.
    pub fn add(&self, dir: &str) -> Result<()> {
        let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
        self.0.add_watch(dir, flags).map(|_| ()).map_err(|errno| Error::sys(format!("watch {dir}"), errno))
    }

    /// Waits until something appeared, `timeout` at most; true when something did.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        let seen = super::poll::readable(self.0.as_fd(), Some(timeout))?;
        // What it was does not matter, only that the queue is empty again.
        let mut events = [0; 4096];
        while let Ok(1..) = nix::unistd::read(&self.0, &mut events) {}
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_for_a_new_entry_once() {
        let dir = std::env::temp_dir().join(format!("boardbox-inotify-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let watch = Watch::new().unwrap();
        watch.add(dir.to_str().unwrap()).unwrap();
        watch.add(dir.to_str().unwrap()).unwrap();
        assert!(!watch.wait(Duration::ZERO).unwrap());
        std::fs::write(dir.join("a"), "").unwrap();
        std::fs::write(dir.join("b"), "").unwrap();
        assert!(watch.wait(Duration::from_secs(5)).unwrap());
        assert!(!watch.wait(Duration::ZERO).unwrap());
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(watch.add(dir.to_str().unwrap()).unwrap_err().is(nix::errno::Errno::ENOENT));
    }
}
