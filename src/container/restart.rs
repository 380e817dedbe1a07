//! Between two lives of a container: whether it is started again, and the waiting until then.

use super::clients::{CONTROL, Clients, Room, Waiting};
use super::control::{Reply, Request, State};
use super::fields::fields;
use crate::error::Result;
use crate::profile::Container;
use crate::profile::startup::{LONGEST_DELAY, Restart, growing};
use crate::sys::events::Events;
use crate::sys::signal::Signals;
use crate::sys::{kmsg, process};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const SIGNALS: u64 = 0;

/// What is counted from life to life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Restarts since it was started.
    pub restarts: u32,
    /// Those in a row, of lives shorter than [`LONGEST_DELAY`].
    row: u32,
    /// Reboots in a row, of lives shorter than [`SHORT`].
    reboots: u32,
    /// The wait(2) status of the last end.
    pub last: Option<i32>,
}

/// Nobody boots and reboots on purpose within this.
const SHORT: Duration = Duration::from_secs(1);

/// What follows an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing; it was not to be restarted.
    End,
    /// Nothing: there were too many.
    GiveUp,
    /// Another life, after this time.
    Again(Duration),
}

/// How something ended, for people: `exit code 1`, `signal 9`.
pub fn ending(status: i32) -> String {
    match process::ending_signal(status) {
        Some(signal) => crate::profile::value::Signal(signal).to_string(),
        None => format!("exit code {}", process::exit_code(status)),
    }
}

/// Whether reboot(2) has ended it, to halt or to power off: that ends a pid namespace's pid 1 by SIGINT, which nothing else
/// can (pid_namespaces(7)).
pub fn powered_off(status: i32) -> bool {
    process::ending_signal(status) == Some(libc::SIGINT)
}

impl Tally {
    /// Counts the end of a life of this length, and says what is next.
    pub fn ended(&mut self, status: i32, lived: Duration, restart: &Restart) -> Next {
        self.last = Some(status);
        if lived >= Duration::from_millis(LONGEST_DELAY.into()) {
            self.row = 0;
        }
        // What it wanted itself is no failure.
        let status = if powered_off(status) { 0 } else { status };
        match restart.after(Some(status), self.row) {
            Some(delay) => {
                self.row = self.row.saturating_add(1);
                self.restarts = self.restarts.saturating_add(1);
                Next::Again(Duration::from_millis(delay.into()))
            }
            None if self.row > 0 && restart.after(Some(status), 0).is_some() => Next::GiveUp,
            None => Next::End,
        }
    }

    /// Counts a reboot after a life of this length, and says how long to wait: one that reboots at once would else take the
    /// whole cpu.
    pub fn rebooted(&mut self, status: i32, lived: Duration) -> Option<Duration> {
        self.last = Some(status);
        if lived >= SHORT {
            self.reboots = 0;
            return None;
        }
        let delay = growing(self.reboots);
        self.reboots = self.reboots.saturating_add(1);
        Some(Duration::from_millis(delay.into()))
    }

    /// Tells the kernel's log, where an operator looks who was not there; of a long row not each.
    pub fn tell(&self, container: &Container, status: i32, note: &str, next: &Next) {
        let name = &container.name;
        let mut ended = format!("container \"{name}\" ended ({})", ending(status));
        if !note.is_empty() {
            ended.push_str(&format!(", {note}"));
        }
        match next {
            Next::Again(delay) if self.row <= 8 || self.row.is_power_of_two() => {
                kmsg::warn(&format!("{ended}: restart {} in {} ms", self.row, delay.as_millis()));
            }
            Next::Again(_) | Next::End => {}
            Next::GiveUp => kmsg::warn(&format!("{ended}: {}", self.gave_up())),
        }
    }

    /// The sentence for it.
    pub fn gave_up(&self) -> String {
        format!("gave up after {} restarts in a row", self.row)
    }
}

/// Waits, and answers the control socket meanwhile. False when somebody wants an end.
pub fn pause(
    container: &Container,
    clients: &mut Clients,
    signals: &mut Signals,
    time: Duration,
    tally: &Tally,
) -> Result<bool> {
    let info = Reply::Info {
        state: State::Restarting,
        init: 0,
        user: 0,
        monitor: std::process::id() as i32,
        restarts: tally.restarts,
        last: tally.last,
    };
    let events = Events::new()?;
    events.add(signals.as_fd(), SIGNALS)?;
    clients.watch(&events)?;
    clients.entered(State::Restarting, info);
    let end = Instant::now().checked_add(time);
    crate::sys::memory::give_back();
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        for token in events.wait(left)? {
            match token {
                SIGNALS => {
                    while let Some(number) = signals.take() {
                        if wants_an_end(number) {
                            return Ok(false);
                        }
                    }
                }
                CONTROL => clients.accept(&events),
                client => {
                    if answer(container, clients, client, info) {
                        return Ok(false);
                    }
                }
            }
        }
        // Not before: where there is no time to wait, who wants an end is heard all the same.
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(true);
        }
    }
}

/// Whether who sends this to a monitor wants its container to end.
pub fn wants_an_end(signal: i32) -> bool {
    matches!(signal, libc::SIGTERM | libc::SIGINT | libc::SIGHUP | libc::SIGQUIT | libc::SIGPWR)
}

/// True for one who wants an end.
#[inline(never)]
fn answer(container: &Container, clients: &mut Clients, token: u64, info: Reply<'_>) -> bool {
    let mut room: Room = [0; _];
    let Some((client, request)) = clients.hear(token, &mut room) else { return false };
    match request {
        Request::Stop { .. } => {
            clients.waits(client, Waiting::Stop);
            return true;
        }
        Request::Info => clients.reply(client, info),
        Request::Wait { states } if states & State::Restarting.bit() != 0 => clients.reply(client, info),
        Request::Wait { states } => clients.waits(client, Waiting::States(states)),
        Request::Fields => clients.reply(client, Reply::Value { text: &fields(container) }),
        _ => {
            let text = "the container does not run at the moment: it has ended and will be restarted";
            clients.reply(client, Reply::Failed { errno: libc::ESRCH, text });
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::startup::Policy;

    #[test]
    fn a_row_ends_at_the_limit_and_a_long_life_begins_a_new_one() {
        let restart = Restart { policy: Policy::OnFailure, delay: 100, limit: 2 };
        let mut tally = Tally::default();
        let short = Duration::from_millis(5);
        let again = |ms| Next::Again(Duration::from_millis(ms));
        assert_eq!(tally.ended(256, short, &restart), again(100));
        assert_eq!(tally.ended(256, short, &restart), again(200));
        // A minute.
        assert_eq!(tally.ended(9, Duration::from_secs(60), &restart), again(100));
        assert_eq!(tally.ended(9, short, &restart), again(200));
        assert_eq!(tally.ended(9, short, &restart), Next::GiveUp);
        assert_eq!((tally.restarts, tally.last), (4, Some(9)));
        assert_eq!(tally.gave_up(), "gave up after 2 restarts in a row");
        assert_eq!(Tally::default().ended(0, short, &restart), Next::End);
        assert_eq!(Tally::default().ended(256, short, &Restart::default()), Next::End);
        // It has powered itself off.
        let mut off = Tally::default();
        assert_eq!(off.ended(libc::SIGINT, short, &restart), Next::End);
        assert_eq!(off.last, Some(libc::SIGINT));
        let always = Restart { policy: Policy::Always, ..restart };
        assert_eq!(off.ended(libc::SIGINT, short, &always), again(100));
    }

    #[test]
    fn who_reboots_at_once_waits_longer_each_time() {
        let mut tally = Tally::default();
        let mut after = |ms| tally.rebooted(1, Duration::from_millis(ms)).map(|delay| delay.as_millis());
        assert_eq!([5, 5, 999, 1000, 5].map(&mut after), [Some(100), Some(200), Some(400), None, Some(100)]);
        assert_eq!((0..40).map(|_| after(0)).last(), Some(Some(60_000)));
    }

    #[test]
    fn an_end_is_told_in_words() {
        assert_eq!([256, 9].map(ending), ["exit code 1", "SIGKILL"]);
    }
}
