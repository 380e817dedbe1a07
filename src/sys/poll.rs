//! poll(2), with a time limit that signals do not stretch.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Which of them have something to read or are at their end, by their places; none when the time is over. At most 64 are looked
/// at; the others' turn comes.
pub fn any_readable(fds: &[BorrowedFd<'_>], timeout: Duration) -> Result<Vec<usize>> {
    let mut all: Vec<PollFd> = fds.iter().take(64).map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    // Rounded up: a rest of under a millisecond must not spin.
    let timeout = timeout.checked_add(Duration::from_micros(999)).unwrap_or(timeout);
    match poll(&mut all, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(Error::sys("poll", errno)),
    }
    let has_news = |(_, fd): &(usize, &PollFd)| fd.revents().is_some_and(|news| !news.is_empty());
    Ok(all.iter().enumerate().filter(has_news).map(|(index, _)| index).collect())
}

/// Waits until `fd` has something to read, or its other end is gone. `None` waits for ever; false means that the time
/// is over.
pub fn readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> Result<bool> {
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    loop {
        let left = match end {
            None => PollTimeout::NONE,
            // Rounded up: a rest of under a millisecond must not spin.
            Some(end) => end
                .saturating_duration_since(Instant::now())
                .checked_add(Duration::from_micros(999))
                .and_then(|left| PollTimeout::try_from(left).ok())
                .unwrap_or(PollTimeout::MAX),
        };
        match poll(&mut fds, left) {
            Ok(0) if end.is_some_and(|end| Instant::now() >= end) => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(Error::sys("poll", errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn tells_data_an_end_and_a_time_limit_apart() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let start = Instant::now();
        assert!(!readable(reader.as_fd(), Some(Duration::from_millis(30))).unwrap());
        assert!(start.elapsed() >= Duration::from_millis(30));
        assert!(!readable(reader.as_fd(), Some(Duration::ZERO)).unwrap());
        writer.write_all(b"x").unwrap();
        assert!(readable(reader.as_fd(), Some(Duration::ZERO)).unwrap());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(writer);
        assert!(readable(reader.as_fd(), None).unwrap());
    }

    #[test]
    fn of_several_those_with_news_are_told() {
        let (one, _held) = std::io::pipe().unwrap();
        let (two, mut writer) = std::io::pipe().unwrap();
        let fds = [one.as_fd(), two.as_fd()];
        assert!(any_readable(&fds, Duration::from_millis(5)).unwrap().is_empty());
        writer.write_all(b"x").unwrap();
        assert_eq!(any_readable(&fds, Duration::from_secs(5)).unwrap(), [1]);
    }
}
