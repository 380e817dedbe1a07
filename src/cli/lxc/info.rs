//! lxc-info.

use super::{Applet, Call, flag, with};
use crate::cli::Run;
use crate::cli::control::{Seen, look};
use crate::cli::output::print;
use crate::container::client::{self, PROMPT};
use crate::container::control::{Reply, Request, State};
use crate::container::network;
use crate::error::{Error, Result};
use crate::profile::text::shown;

pub const INFO: Applet = Applet {
    name: "lxc-info",
    usage: "-n NAME [OPTIONS]",
    about: "Prints a container's state and the pid of its init. With -i, -S or -H the lines are those of today's LXC.",
    options: &[
        flag('s', "state", "the state"),
        flag('p', "pid", "the pid of its init"),
        with('t', "state-is", "STATE", "print nothing; exit code 0 when that is the state, else 1"),
        flag('i', "ips", "its addresses"),
        flag('S', "stats", "what it has used of cpu time, block devices and memory"),
        flag('H', "no-humanize", "bare numbers, and a single -s, -p or -i without its name"),
        with('c', "config", "KEY", "not supported yet"),
    ],
    run: info,
};

fn info(call: Call<'_>) -> Run {
    call.refuse(&["config"])?;
    call.operands(0)?;
    let wanted = call.given.value("state-is").map(|state| {
        State::from_name(state).ok_or_else(|| Error::usage(format!("\"{}\" is no state", shown(state))))
    });
    let wanted = wanted.transpose()?;
    let seen = look(&call.name)?;
    if let Some(wanted) = wanted {
        return Ok(u8::from(seen.state != wanted));
    }
    let has = |long| call.given.has(long);
    // Each option as the scripts of its time read it: 0.9.0's have 0.9.0's lines, those added since today's.
    let text = match has("ips") || has("stats") || has("no-humanize") {
        true => todays(&call, &seen)?,
        false => old(has("state"), has("pid"), &seen),
    };
    print(format_args!("{text}"))?;
    Ok(0)
}

/// As 0.9.0 prints it, which has a pid, -1, for what does not run, too.
fn old(state: bool, pid: bool, seen: &Seen) -> String {
    let mut text = String::new();
    if state || !pid {
        text.push_str(&format!("state:{:>10}\n", seen.state.name()));
    }
    if pid || !state {
        text.push_str(&format!("pid:{:>10}\n", if seen.init > 0 { seen.init } else { -1 }));
    }
    text
}

/// As today's prints it; what does not run has a state only.
fn todays(call: &Call<'_>, seen: &Seen) -> Result<String> {
    let asked = ["state", "pid", "ips", "stats"].map(|long| call.given.has(long));
    let all = asked == [false; 4];
    let [state, pid, ips, stats] = asked.map(|asked| asked || all);
    let human = !call.given.has("no-humanize");
    let bare = !human && asked.iter().filter(|asked| **asked).count() == 1;
    let mut text = String::new();
    let mut line = |key: &str, value: &str| match bare {
        true => text.push_str(&format!("{value}\n")),
        false => text.push_str(&format!("{key:15} {value}\n")),
    };
    if all {
        line("Name:", call.name.as_str());
    }
    if state {
        line("State:", seen.state.name());
    }
    if seen.init > 0 {
        if pid {
            line("PID:", &seen.init.to_string());
        }
        if ips {
            for address in network::addresses(seen.init)? {
                line("IP:", &address.to_string());
            }
        }
    }
    if seen.init > 0 && stats {
        for (key, file) in STATS {
            if let Some(value) = used(call, file) {
                let value = match (human, key) {
                    (false, _) => value.to_string(),
                    (true, "CPU use:") => format!("{} seconds", hundredths(value, 1_000_000_000)),
                    (true, _) => bytes(value),
                };
                text.push_str(&format!("{key:15} {value}\n"));
            }
        }
    }
    Ok(text)
}

/// What is counted, and in which file.
const STATS: [(&str, &str); 4] = [
    ("CPU use:", "cpuacct.usage"),
    ("BlkIO use:", "blkio.throttle.io_service_bytes"),
    ("Memory use:", "memory.usage_in_bytes"),
    ("KMem use:", "memory.kmem.usage_in_bytes"),
];

/// The number in a cgroup file, which is its only or its last one; `None` where the container has no such file.
fn used(call: &Call<'_>, file: &str) -> Option<u64> {
    let answer = client::request(&call.name, &Request::CgroupGet { file }, Some(PROMPT)).ok()?;
    match answer.reply() {
        Reply::Value { text } => text.split_ascii_whitespace().next_back()?.parse().ok(),
        _ => None,
    }
}

/// `number / unit` with two digits after the point.
fn hundredths(number: u64, unit: u64) -> String {
    format!("{}.{:02}", number / unit, number % unit * 100 / unit)
}

fn bytes(number: u64) -> String {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    match units.iter().rfind(|(_, shift)| number >> shift != 0) {
        Some((unit, shift)) => format!("{} {unit}", hundredths(number, 1 << shift)),
        None => format!("{number} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people_have_two_digits_after_the_point() {
        assert_eq!(hundredths(1_234_567_890, 1_000_000_000), "1.23");
        assert_eq!([0, 1023, 1024, 188_416].map(bytes), ["0 bytes", "1023 bytes", "1.00 KiB", "184.00 KiB"]);
        assert_eq!(bytes(3 << 40), "3.00 TiB");
        assert_eq!(bytes(u64::MAX), "16777215.99 TiB");
    }
}
