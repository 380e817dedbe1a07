//! Those who are connected to a container's control socket. They stay from one life of the container to the next.

use super::control::{MAX_MESSAGE, Reply, Request, State};
use crate::error::Result;
use crate::sys::events::Events;
use crate::sys::socket;
use crate::sys::stream::{self, Got};
use std::os::fd::{AsFd, OwnedFd};

/// How many processes may be connected at once. The last seat is for those who do not wait for a state: however many do, one can
/// ask and stop.
const CLIENTS: usize = 17;

/// The token of the socket itself in a set of events.
pub const CONTROL: u64 = 1;
/// That of the first client; the others follow.
pub const FIRST_CLIENT: u64 = 16;

const TOO_MANY: Reply<'_> =
    Reply::Failed { errno: libc::EAGAIN, text: "too many processes wait for this container already" };

const NOT_FROZEN: Reply<'_> =
    Reply::Failed { errno: libc::ECANCELED, text: "the container was unfrozen or stopped meanwhile" };

/// Room for one request.
pub type Room = [u8; MAX_MESSAGE];

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Nothing: its next request.
    Nothing,
    /// One of these states (`State::bit`).
    States(u32),
    /// The end.
    Stop,
    /// All tasks standing still.
    Frozen,
}

/// Somebody who connected to the control socket.
struct Client {
    socket: OwnedFd,
    waiting: Waiting,
}

/// The socket and those who are connected.
pub struct Clients {
    control: OwnedFd,
    seats: [Option<Client>; CLIENTS],
}

impl Clients {
    /// Nobody yet; from now on one can connect to `path`.
    pub fn listen(path: &str) -> Result<Self> {
        Ok(Self { control: socket::listen(path, 0o600)?, seats: [const { None }; CLIENTS] })
    }

    /// Puts all of them into a set of events.
    pub fn watch(&self, events: &Events) -> Result<()> {
        events.add(self.control.as_fd(), CONTROL)?;
        for (client, token) in self.seats.iter().zip(FIRST_CLIENT..) {
            if let Some(client) = client {
                events.add(client.socket.as_fd(), token)?;
            }
        }
        Ok(())
    }

    /// Those who want to connect.
    #[inline(never)]
    pub fn accept(&mut self, events: &Events) {
        while let Ok(Some(socket)) = socket::accept(self.control.as_fd()) {
            let free = self.seats.iter_mut().zip(FIRST_CLIENT..).find(|(client, _)| client.is_none());
            match free {
                Some((client, token)) if events.add(socket.as_fd(), token).is_ok() => {
                    *client = Some(Client { socket, waiting: Waiting::Nothing });
                }
                _ => drop(socket::send(socket.as_fd(), &TOO_MANY.encode())),
            }
        }
    }

    /// The request of the client with this token, and its number; what is none is answered here.
    pub fn hear<'a>(&mut self, token: u64, room: &'a mut Room) -> Option<(usize, Request<'a>)> {
        let index = usize::try_from(token.checked_sub(FIRST_CLIENT)?).ok()?;
        let client = self.seats.get(index)?.as_ref()?;
        let length = match stream::read(client.socket.as_fd(), room) {
            Got::Bytes(length) => length,
            Got::Nothing => return None,
            Got::End => {
                self.dismiss(index);
                return None;
            }
        };
        let request = room.get(..length).and_then(Request::decode);
        if request.is_none() {
            self.reply(index, Reply::Failed { errno: libc::EBADMSG, text: "this is no request" });
        }
        let request = request?;
        if index + 1 == CLIENTS && matches!(request, Request::Wait { .. }) {
            self.reply(index, TOO_MANY);
            self.dismiss(index);
            return None;
        }
        Some((index, request))
    }

    /// From now on it waits for this.
    pub fn waits(&mut self, index: usize, waiting: Waiting) {
        if let Some(Some(client)) = self.seats.get_mut(index) {
            client.waiting = waiting;
        }
    }

    /// Whether anybody waits for this.
    pub fn anybody(&self, waiting: Waiting) -> bool {
        self.seats.iter().flatten().any(|client| client.waiting == waiting)
    }

    /// Answers one of them.
    #[inline(never)]
    pub fn reply(&mut self, index: usize, reply: Reply<'_>) {
        let Some(Some(client)) = self.seats.get(index) else { return };
        // One who does not read its replies is no concern of the others'.
        if socket::send(client.socket.as_fd(), &reply.encode()).is_err() {
            self.dismiss(index);
        }
    }

    /// Tells those who wait for a state that it is reached.
    #[inline(never)]
    pub fn entered(&mut self, state: State, info: Reply<'_>) {
        let info = info.encode();
        for client in self.seats.iter_mut().flatten() {
            match client.waiting {
                Waiting::States(states) if states & state.bit() != 0 => {
                    client.waiting = Waiting::Nothing;
                    let _ = socket::send(client.socket.as_fd(), &info);
                }
                Waiting::Frozen if state == State::Frozen => {
                    client.waiting = Waiting::Nothing;
                    let _ = socket::send(client.socket.as_fd(), &Reply::Done.encode());
                }
                _ => {}
            }
        }
    }

    /// Tells those who wait for it to be frozen that it will not be: as long as one of them waits, it is frozen again and again.
    #[inline(never)]
    pub fn not_frozen(&mut self) {
        for client in self.seats.iter_mut().flatten().filter(|client| client.waiting == Waiting::Frozen) {
            client.waiting = Waiting::Nothing;
            let _ = socket::send(client.socket.as_fd(), &NOT_FROZEN.encode());
        }
    }

    /// Tells those who wait for the end, or for what can not be any more, that it has ended; all who wait for anything, where
    /// there is no further life.
    #[inline(never)]
    pub fn farewell(&mut self, status: i32, note: &str, last: bool) {
        self.not_frozen();
        let reply = Reply::Ended { status, note }.encode();
        for client in self.seats.iter_mut().flatten() {
            let over = match client.waiting {
                Waiting::Nothing | Waiting::Frozen => false,
                Waiting::States(states) => last || states & State::Stopped.bit() != 0,
                Waiting::Stop => true,
            };
            if over {
                client.waiting = Waiting::Nothing;
                let _ = socket::send(client.socket.as_fd(), &reply);
            }
        }
    }

    fn dismiss(&mut self, index: usize) {
        if let Some(client) = self.seats.get_mut(index) {
            // Closing takes it out of the epoll set: nobody else holds this descriptor.
            *client = None;
        }
    }
}
