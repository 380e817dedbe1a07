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

/// Looks at it; it has run for `ran` milliseconds.
pub fn look(container: &Container, ran: u64) -> Result<Look> {
    let Some((state, init)) = now(container)? else { return Ok(Look::Gone) };
    if init == 0 || matches!(state, State::Stopping | State::Restarting) {
        return Ok(Look::NotYet);
    }
    let ready = match &container.startup.ready {
        Ready::Exec => true,
        Ready::Delay(time) => ran >= u64::from(*time),
        Ready::File(path) => Root::open(&format!("/proc/{init}/root"))
            .and_then(|root| root.resolve(path, Links::Inside))
            .is_ok(),
        Ready::Tcp(address) => match connect::accepts(&connect::own_network()?, init, *address) {
            Ok(accepted) => accepted,
            Err(error) => return Ok(Look::Lost(error)),
        },
    };
    // What was looked at may have been another process's by then.
    let still = ready && now(container)?.is_some_and(|(_, then)| then == init);
    Ok(if still { Look::Ready } else { Look::NotYet })
}

/// Its state and its pid 1; `None` when it does not run.
fn now(container: &Container) -> Result<Option<(State, i32)>> {
    match client::request(&container.name, &Request::Info, Some(PATIENCE)) {
        Ok(answer) => match answer.reply() {
            Reply::Info { state, init, .. } => Ok(Some((state, init))),
            _ => Ok(None),
        },
        Err(error) if error.kind == Kind::NotRunning => Ok(None),
        Err(error) if error.kind == Kind::Timeout => Ok(Some((State::Starting, 0))),
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
