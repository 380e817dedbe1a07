//! Whether a container that runs is ready, as its profile understands that.

use super::client;
use super::control::{Reply, Request, State};
use crate::error::{Error, Kind, Result};
use crate::profile::Container;
use crate::profile::startup::Ready;
use crate::sys::connect;
use crate::sys::rootfs::{Links, Root};
use std::time::Duration;

/// How long a monitor that is just starting its container may keep the others from being looked at.
const PATIENCE: Duration = Duration::from_millis(100);

/// What one look has found.
pub enum Look {
    /// It is ready.
    Ready,
    /// Not yet.
    NotYet,
    /// It does not run, and will not by itself.
    Gone,
    /// This process has not come back from its network namespace: nothing may be started from there.
    Lost(Error),
}

/// Which of a container's lives is looked at, as far as it is known.
#[derive(Clone, Copy)]
pub struct Life {
    /// It has run since then, in the caller's milliseconds.
    pub since: u64,
    restarts: u32,
    init: i32,
}

impl Life {
    /// The first one.
    pub fn since(since: u64) -> Self {
        Self { since, restarts: 0, init: 0 }
    }

    /// Another one begins `now` where it has been restarted since the last look, or has another pid 1: it has rebooted.
    fn goes_on(&mut self, now: u64, init: i32, restarts: u32) {
        if init == 0 || restarts != self.restarts || (self.init != 0 && init != self.init) {
            self.since = now;
        }
        self.restarts = restarts;
        if init != 0 {
            self.init = init;
        }
    }
}

/// Looks at it `now`. Who was not started here has run for nobody knows how long.
pub fn look(container: &Container, life: &mut Life, now: u64, ours: bool) -> Result<Look> {
    let Some((state, init, restarts)) = self::now(container)? else { return Ok(Look::Gone) };
    // Else the monitor is too busy to say.
    if init != 0 || state == State::Restarting {
        life.goes_on(now, init, restarts);
    }
    if init == 0 || matches!(state, State::Stopping | State::Restarting) {
        return Ok(Look::NotYet);
    }
    let ready = match &container.startup.ready {
        Ready::Exec => true,
        Ready::Delay(time) => !ours || now.saturating_sub(life.since) >= u64::from(*time),
        Ready::File(path) => Root::open(&format!("/proc/{init}/root"))
            .and_then(|root| root.resolve(path, Links::Inside))
            .is_ok(),
        Ready::Tcp(address) => match connect::accepts(&connect::own_network()?, init, *address) {
            Ok(accepted) => accepted,
            Err(error) => return Ok(Look::Lost(error)),
        },
    };
    // What was looked at may have been another process's by then.
    let still = ready && self::now(container)?.is_some_and(|(_, then, _)| then == init);
    Ok(if still { Look::Ready } else { Look::NotYet })
}

/// Its state, its pid 1 and how often it was restarted; `None` when it does not run.
fn now(container: &Container) -> Result<Option<(State, i32, u32)>> {
    match client::request(&container.name, &Request::Info, Some(PATIENCE)) {
        Ok(answer) => match answer.reply() {
            Reply::Info { state, init, restarts, .. } => Ok(Some((state, init, restarts))),
            _ => Ok(None),
        },
        Err(error) if error.kind == Kind::NotRunning => Ok(None),
        Err(error) if error.kind == Kind::Timeout => Ok(Some((State::Starting, 0, 0))),
        Err(error) => Err(error),
    }
}

/// Its time is over: what is missing.
pub fn late(container: &Container) -> Error {
    let missing = match &container.startup.ready {
        Ready::Exec => "its command was not executed".to_string(),
        Ready::Delay(time) => format!("it has not run for {time} ms"),
        Ready::File(path) => format!("there is no {path} inside"),
        Ready::Tcp(address) => format!("nobody accepts connections at {address} inside"),
    };
    Error::new(Kind::Timeout, format!("not ready within {} ms: {missing}", container.startup.ready_timeout))
        .tried(format!("container \"{}\"", container.name))
        .hint("it is left as it is; ready and ready-timeout say what up waits for")
        .at(&container.origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_and_a_reboot_begin_another_life() {
        let mut life = Life::since(10);
        let mut at = |now, init, restarts| {
            life.goes_on(now, init, restarts);
            life.since
        };
        assert_eq!([at(20, 7, 0), at(30, 7, 0)], [10, 10]);
        // Its end, the waiting, its next life; that reboots.
        assert_eq!([at(40, 0, 1), at(50, 8, 1), at(60, 8, 1), at(70, 9, 1)], [40, 50, 50, 70]);
        // Restarted before anybody has looked.
        let mut life = Life::since(10);
        life.goes_on(20, 7, 1);
        assert_eq!(life.since, 20);
    }
}
