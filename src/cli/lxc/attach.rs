//! lxc-attach.

use super::{Applet, Call, flag, with};
use crate::cli::getopt::{Opt, Value};
use crate::cli::{Run, passed_on};
use crate::container::attach::{self, Attach, Namespace};
use crate::error::{Error, Kind, Result};
use crate::profile::container::Personality;
use crate::profile::field;
use crate::profile::text::shown;

pub const ATTACH: Applet = Applet {
    name: "lxc-attach",
    usage: "-n NAME [OPTIONS] [-- COMMAND...]",
    about: "Runs a command in a running container. Without one it is /bin/sh.",
    options: &[
        Opt {
            short: 'e',
            long: "elevated-privileges",
            value: Value::May("WHICH"),
            help: "keep all capabilities and stay out of its cgroups, whatever WHICH says",
        },
        with('a', "arch", "ARCH", "show the command this architecture: ppc, i686, x86_64 ..."),
        with(
            's',
            "namespaces",
            "LIST",
            "join only these, by '|': MOUNT PID UTSNAME IPC NETWORK CGROUP; implies -e",
        ),
        flag('R', "remount-sys-proc", "with -s: mount /proc and /sys anew for the namespaces joined"),
        flag('\0', "clear-env", "start without the caller's environment"),
        flag('\0', "keep-env", "keep the caller's environment, the default"),
        with('\0', "keep-var", "NAME", "with --clear-env: keep this variable; repeatable"),
        with('v', "set-var", "NAME=VALUE", "set a variable; repeatable"),
        with('u', "uid", "UID", "run the command as this user id"),
        with('g', "gid", "GID", "run the command with this group id"),
        with('L', "pty-log", "FILE", "not supported yet"),
        with('c', "context", "CONTEXT", "not supported yet"),
    ],
    run: attach,
};

/// `MOUNT|PID`: LXC's words. USER is one of them, but a container without id maps has none of its own.
fn namespaces(list: &str) -> Result<Vec<Namespace>> {
    let mut chosen = Vec::new();
    for word in list.split('|') {
        chosen.push(match word {
            "MOUNT" => Namespace::Mount,
            "PID" => Namespace::Pid,
            "UTSNAME" => Namespace::Uts,
            "IPC" => Namespace::Ipc,
            "NETWORK" => Namespace::Network,
            "CGROUP" => Namespace::Cgroup,
            "USER" => continue,
            _ => {
                return Err(Error::usage(format!("\"{}\" is no namespace", shown(word)))
                    .hint("MOUNT PID UTSNAME IPC NETWORK CGROUP, separated by '|'"));
            }
        });
    }
    match chosen.is_empty() {
        // For `Attach` that would mean all of them.
        true => Err(Error::usage(format!("the container shares {} with the host", shown(list)))),
        false => Ok(chosen),
    }
}

fn attach(call: Call<'_>) -> Run {
    call.refuse(&["pty-log", "context"])?;
    let given = &call.given;
    let usage = |error: Error| error.kind(Kind::Usage);
    let id = |long| {
        let id = given.value(long).map(|id| field::number(id, 0, u32::MAX - 1)).transpose();
        id.map_err(|error| usage(error).tried(format!("--{long}")))
    };
    let clear_env = given.has("clear-env") && !given.has("keep-env");
    let mut environment = Vec::new();
    for name in given.values("keep-var") {
        if let Ok(value) = std::env::var(name) {
            environment.push((name.to_string(), value));
        }
    }
    let set: Vec<String> = given.values("set-var").map(String::from).collect();
    environment.extend(crate::cli::container::environment(&set)?);
    let attach = Attach {
        name: call.name.clone(),
        command: given.operands.iter().map(|word| word.to_string()).collect(),
        namespaces: given.value("namespaces").map(namespaces).transpose()?.unwrap_or_default(),
        clear_env,
        environment,
        elevated: given.has("elevated-privileges") || given.has("namespaces"),
        remount_proc: given.has("remount-sys-proc"),
        uid: id("uid")?,
        gid: id("gid")?,
        cwd: None,
        personality: match given.value("arch") {
            Some(arch) => field::personality(arch).map_err(usage)?,
            None => Personality::Native,
        },
    };
    Ok(passed_on(attach::exec(&attach).map_err(|error| call.hint(error))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_lxcs_words() {
        assert_eq!(namespaces("MOUNT|NETWORK").unwrap(), [Namespace::Mount, Namespace::Network]);
        assert_eq!(namespaces("USER|PID").unwrap(), [Namespace::Pid]);
        assert!(namespaces("USER").unwrap_err().to_string().contains("shares USER"));
        assert!(namespaces("NET").unwrap_err().to_string().contains("\"NET\" is no namespace"));
        assert!(namespaces("").is_err());
    }
}
