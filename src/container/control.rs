//! What is said over a container's control socket, `/run/boardbox/NAME/control` (SOCK_SEQPACKET): one request a
//! message, one reply a message. A `Wait` is answered when the state is reached; everything else at once.
//!
//! A message is a tag byte, then the fields in order: integers 4 bytes in the machine's own order (both ends are the
//! same machine), text and bytes take what is left, or a 2-byte length where something follows.

use crate::error::{Error, Result};

/// The largest message in bytes; a cgroup file longer than this is cut.
pub const MAX_MESSAGE: usize = 4096;

/// `Stop::timeout_ms` of one who wants no SIGKILL.
pub const NEVER: u32 = u32::MAX;

/// A message's buffer.
pub type Buffer = heapless::Vec<u8, MAX_MESSAGE>;

/// A container's state, in LXC's words and one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It does not run, or has ended.
    Stopped = 0,
    /// Its set-up is under way.
    Starting = 1,
    /// It runs.
    Running = 2,
    /// It has been asked to stop.
    Stopping = 3,
    /// Its start failed and is being undone.
    Aborting = 4,
    /// It is being frozen.
    Freezing = 5,
    /// It is frozen.
    Frozen = 6,
    /// It has ended and will be started again.
    Restarting = 7,
}

impl State {
    /// All of them, in the order of their numbers.
    pub const ALL: [State; 8] = [
        State::Stopped,
        State::Starting,
        State::Running,
        State::Stopping,
        State::Aborting,
        State::Freezing,
        State::Frozen,
        State::Restarting,
    ];

    /// LXC's upper-case name.
    pub fn name(self) -> &'static str {
        match self {
            State::Stopped => "STOPPED",
            State::Starting => "STARTING",
            State::Running => "RUNNING",
            State::Stopping => "STOPPING",
            State::Aborting => "ABORTING",
            State::Freezing => "FREEZING",
            State::Frozen => "FROZEN",
            State::Restarting => "RESTARTING",
        }
    }

    /// From a name in any case.
    pub fn from_name(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(name))
    }

    /// The bit of this state in a set.
    pub fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A request to the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// State and pids: answered by `Reply::Info`.
    Info,
    /// A signal to the container's first user process (pid 2 under an init of ours, else pid 1), thawed before.
    Kill {
        /// Signal number.
        signal: i32,
    },
    /// The stop signal, then SIGKILL after `timeout_ms`; at once where the signal is not caught or `timeout_ms` is 0. With
    /// [`NEVER`] the signal is all, whether it is caught or not.
    /// Answered by `Reply::Ended` when it is over.
    Stop {
        /// Milliseconds until SIGKILL.
        timeout_ms: u32,
        /// The signal; 0 means the container's own stop signal.
        signal: i32,
    },
    /// Freeze; answered when it is frozen.
    Freeze,
    /// Thaw; answered when it is thawed.
    Unfreeze,
    /// Wait for one of a set of states; answered by `Reply::Info` or, for `Stopped`, by `Reply::Ended`.
    Wait {
        /// `State::bit`s.
        states: u32,
    },
    /// Read a cgroup file: answered by `Reply::Value`.
    CgroupGet {
        /// `cpuset.cpus`.
        file: &'a str,
    },
    /// Write cgroup files: all of them or, where one is refused, none.
    CgroupSet {
        /// In their order.
        settings: Settings<'a>,
    },
    /// Make the cgroup settings those of a profile, likewise; what it does not name gets its default. Answered by
    /// `Reply::Value`: a line for each change.
    Apply {
        /// All of the profile's.
        settings: Settings<'a>,
    },
    /// What `Apply` would change: answered by `Reply::Value`, a line for each.
    Compare {
        /// All of the profile's.
        settings: Settings<'a>,
    },
    /// Take back what the last `Apply` did.
    Revert,
    /// What the container was started with, as `container::fields` has it: answered by `Reply::Value`.
    Fields,
}

/// Files and values, each of them ended by a NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings<'a>(pub &'a str);

impl<'a> Settings<'a> {
    /// Their text.
    pub fn text<'b>(pairs: impl Iterator<Item = (&'b str, &'b str)>) -> String {
        pairs.map(|(file, value)| [file, "\0", value, "\0"].concat()).collect()
    }

    /// File and value.
    pub fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut words = self.0.split_terminator('\0');
        std::iter::from_fn(move || Some((words.next()?, words.next()?)))
    }
}

/// The monitor's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Done.
    Done,
    /// Done, and there is something the operator should know.
    DoneBut {
        /// A sentence.
        note: &'a str,
    },
    /// State and pids.
    Info {
        /// Its state.
        state: State,
        /// Host pid of its pid 1; 0 before there is one.
        init: i32,
        /// Host pid of the first user process: pid 2 under an init of ours.
        user: i32,
        /// The monitor's pid.
        monitor: i32,
        /// How many times its monitor has started it again.
        restarts: u32,
        /// The wait(2) status of its last end, where there was one.
        last: Option<i32>,
    },
    /// It has ended, everything of it is gone.
    Ended {
        /// Its wait(2) status.
        status: i32,
        /// A sentence for the operator, empty in most cases.
        note: &'a str,
    },
    /// A cgroup file's content.
    Value {
        /// As read.
        text: &'a str,
    },
    /// It failed.
    Failed {
        /// errno, 0 if there is none.
        errno: i32,
        /// A whole message.
        text: &'a str,
    },
}

/// No wait(2) status is below zero.
const NO_STATUS: i32 = -1;

fn too_long() -> Error {
    Error::usage("the request is longer than a control message (4096 bytes)")
}

fn put(buffer: &mut Buffer, bytes: &[u8]) -> Result<()> {
    buffer.extend_from_slice(bytes).map_err(|_| too_long())
}

fn put_all(tag: u8, numbers: &[i32], text: &str) -> Result<Buffer> {
    let mut buffer = Buffer::new();
    put(&mut buffer, &[tag])?;
    for number in numbers {
        put(&mut buffer, &number.to_ne_bytes())?;
    }
    put(&mut buffer, text.as_bytes())?;
    Ok(buffer)
}

/// Reads the fields of a message in order; `None` when it is too short.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<i32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(i32::from_ne_bytes(*head))
    }

    fn text(self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }
}

impl<'a> Request<'a> {
    /// To bytes.
    pub fn encode(&self) -> Result<Buffer> {
        match *self {
            Request::Info => put_all(b'i', &[], ""),
            Request::Kill { signal } => put_all(b'k', &[signal], ""),
            Request::Stop { timeout_ms, signal } => put_all(b's', &[timeout_ms as i32, signal], ""),
            Request::Freeze => put_all(b'f', &[], ""),
            Request::Unfreeze => put_all(b'u', &[], ""),
            Request::Wait { states } => put_all(b'w', &[states as i32], ""),
            Request::CgroupGet { file } => put_all(b'g', &[], file),
            Request::CgroupSet { settings } => put_all(b'S', &[], settings.0),
            Request::Apply { settings } => put_all(b'a', &[], settings.0),
            Request::Compare { settings } => put_all(b'c', &[], settings.0),
            Request::Revert => put_all(b'r', &[], ""),
            Request::Fields => put_all(b'F', &[], ""),
        }
    }

    /// From bytes; `None` for what is no request.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let mut fields = Fields(rest);
        Some(match tag {
            b'i' => Request::Info,
            b'k' => Request::Kill { signal: fields.number()? },
            b's' => Request::Stop { timeout_ms: fields.number()? as u32, signal: fields.number()? },
            b'f' => Request::Freeze,
            b'u' => Request::Unfreeze,
            b'w' => Request::Wait { states: fields.number()? as u32 },
            b'g' => Request::CgroupGet { file: fields.text()? },
            b'S' => Request::CgroupSet { settings: Settings(fields.text()?) },
            b'a' => Request::Apply { settings: Settings(fields.text()?) },
            b'c' => Request::Compare { settings: Settings(fields.text()?) },
            b'r' => Request::Revert,
            b'F' => Request::Fields,
            _ => return None,
        })
    }
}

impl<'a> Reply<'a> {
    /// To bytes; text that does not fit is cut at a character.
    pub fn encode(&self) -> Buffer {
        let cut = |text: &'a str| {
            let mut end = text.len().min(MAX_MESSAGE - 32);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.get(..end).unwrap_or("")
        };
        let encoded = match *self {
            Reply::Done => put_all(b'd', &[], ""),
            Reply::DoneBut { note } => put_all(b'b', &[], cut(note)),
            Reply::Info { state, init, user, monitor, restarts, last } => {
                let last = last.unwrap_or(NO_STATUS);
                put_all(b'i', &[state as i32, init, user, monitor, restarts as i32, last], "")
            }
            Reply::Ended { status, note } => put_all(b'e', &[status], cut(note)),
            Reply::Value { text } => put_all(b'v', &[], cut(text)),
            Reply::Failed { errno, text } => put_all(b'x', &[errno], cut(text)),
        };
        encoded.unwrap_or_default()
    }

    /// From bytes; `None` for what is no reply.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let mut fields = Fields(rest);
        Some(match tag {
            b'd' => Reply::Done,
            b'b' => Reply::DoneBut { note: fields.text()? },
            b'i' => {
                let number = usize::try_from(fields.number()?).ok()?;
                let state = *State::ALL.get(number)?;
                Reply::Info {
                    state,
                    init: fields.number()?,
                    user: fields.number()?,
                    monitor: fields.number()?,
                    restarts: fields.number()? as u32,
                    last: fields.number().filter(|status| *status != NO_STATUS),
                }
            }
            b'e' => Reply::Ended { status: fields.number()?, note: fields.text()? },
            b'v' => Reply::Value { text: fields.text()? },
            b'x' => Reply::Failed { errno: fields.number()?, text: fields.text()? },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_and_reply_survives_the_wire() {
        for request in [
            Request::Info,
            Request::Kill { signal: 9 },
            Request::Stop { timeout_ms: 1500, signal: 0 },
            Request::Freeze,
            Request::Unfreeze,
            Request::Wait { states: State::Running.bit() | State::Stopped.bit() },
            Request::CgroupGet { file: "cpuset.cpus" },
            Request::CgroupSet { settings: Settings("cpu.shares\x001234\0") },
            Request::Apply { settings: Settings("") },
            Request::Compare { settings: Settings("pids.max\x0064\0") },
            Request::Revert,
            Request::Fields,
        ] {
            let bytes = request.encode().unwrap();
            assert_eq!(Request::decode(&bytes), Some(request));
        }
        for reply in [
            Reply::Done,
            Reply::DoneBut { note: "x" },
            Reply::Info {
                state: State::Frozen,
                init: 12,
                user: 13,
                monitor: 14,
                restarts: 3,
                last: Some(256),
            },
            Reply::Info { state: State::Restarting, init: 0, user: 0, monitor: 1, restarts: 0, last: None },
            Reply::Ended { status: 256, note: "" },
            Reply::Value { text: "0-1\n" },
            Reply::Failed { errno: 22, text: "no" },
        ] {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
    }

    #[test]
    fn cut_or_foreign_messages_are_refused_not_believed() {
        let whole = Request::Kill { signal: 9 }.encode().unwrap();
        for end in 0..5 {
            assert_eq!(Request::decode(&whole[..end]), None);
        }
        assert_eq!(Request::decode(b"S\xffabc"), None);
        let pairs = |text| Settings(text).pairs().collect::<Vec<_>>();
        assert_eq!(pairs("a.b\x001 2\0c.d\0\0"), [("a.b", "1 2"), ("c.d", "")]);
        assert!(pairs("a.b\0").is_empty());
        assert_eq!(Reply::decode(b"i\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), None);
        assert_eq!(Request::decode(b"z"), None);
    }

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        let long = "ä".repeat(MAX_MESSAGE);
        let bytes = Reply::Value { text: &long }.encode();
        assert!(matches!(Reply::decode(&bytes), Some(Reply::Value { text }) if text.len() > 4000));
    }
}
