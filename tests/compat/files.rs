//! How a configuration file is read: quotes, empty values, what is off.

use super::{Case, Lxc, Ours};

pub const CASES: &[Case] = &[
    Case {
        what: "a pair of quotes is none of the value",
        config: "lxc.uts.name = \"inside\"\nlxc.environment = 'A=b c'",
        script: "lxc-execute -n $N -- sh -c 'hostname; echo $A'",
        lxc: Lxc::Prints("inside\nb c"),
        ours: Ours::Same,
    },
    Case {
        what: "an empty value takes back what was said",
        config: "lxc.uts.name = inside\nlxc.uts.name =\nlxc.environment = A=1\nlxc.environment =\nlxc.init.uid = 7\nlxc.init.uid =
lxc.init.gid = 8\nlxc.init.gid =\nlxc.tty.max = 3\nlxc.tty.max =\nlxc.mount.entry = /nothing tmp none bind 0 0\nlxc.mount.entry =
lxc.cap.drop = mknod\nlxc.cap.drop =\nlxc.signal.halt = SIGINT\nlxc.signal.halt =
lxc.no_new_privs = 1\nlxc.no_new_privs =\nlxc.mount.auto = sys\nlxc.mount.auto =",
        script: "before=$(hostname); lxc-execute -n $N -- sh -c 'hostname; id; echo \"[$A]\"; touch /tmp/file && echo written; ls -d /sys/kernel' 2>&1 |
                 sed \"s/^$before$/the host\\'s/\"",
        lxc: Lxc::Prints("the host's\nuid=0 gid=0\n[]\nwritten\nls: /sys/kernel: No such file or directory"),
        ours: Ours::Same,
    },
    Case {
        what: "an empty value of a cgroup setting takes that one back",
        config: "lxc.cgroup.cpu.shares = many\nlxc.cgroup.cpuset.cpus = 0\nlxc.cgroup.cpu.shares =",
        script: "lxc-start -d -n $N -- sleep 1000; for f in cpuset.cpus cpu.shares; do lxc-cgroup -n $N $f | grep .; done",
        lxc: Lxc::Prints("0\n1024"),
        ours: Ours::Same,
    },
    Case {
        what: "what is off, or empty, needs nobody who could do it",
        config: "lxc.seccomp.profile =\nlxc.hook.pre-start =\nlxc.ephemeral = 0\nlxc.monitor.unshare = 0\nlxc.sysctl.kernel.domainname =
lxc.prlimit.nofile =\nlxc.apparmor.allow_nesting = 0\nlxc.log.syslog =",
        script: "lxc-execute -n $N -- echo runs",
        lxc: Lxc::Prints("runs"),
        ours: Ours::Same,
    },
    Case {
        what: "type none is the host's network",
        config: "lxc.net.0.type = none",
        script: "lxc-start -d -n $N -- sleep 1000
                 [ $(readlink /proc/$(lxc-info -n $N -p | tr -dc 0-9)/ns/net) = $(readlink /proc/self/ns/net) ] && echo \"the host's\"",
        lxc: Lxc::Prints("the host's"),
        ours: Ours::Same,
    },
    Case {
        what: "a file with today's names and without interfaces is alone with its loopback",
        config: "lxc.signal.stop = SIGKILL",
        script: "lxc-execute -n $N -- ip -o link | grep -o -e '^[0-9]*: [a-z0-9]*' | head -n 3",
        lxc: Lxc::Prints("1: lo"),
        ours: Ours::Same,
    },
    Case {
        what: "a limit of memory with swap may stand before that of memory",
        config: "lxc.cgroup.memory.memsw.limit_in_bytes = 96M\nlxc.cgroup.memory.limit_in_bytes = 64M",
        script: "lxc-start -d -n $N -- sleep 1000; for f in limit memsw.limit; do lxc-cgroup -n $N memory.${f}_in_bytes | grep .; done",
        lxc: Lxc::Prints("67108864\n100663296"),
        ours: Ours::Same,
    },
    Case {
        what: "the signal that asks it to stop, and the last resort",
        config: "lxc.signal.halt = SIGTERM\nlxc.signal.stop = SIGKILL",
        script: "lxc-start -d -n $N -- sh -c 'trap \"echo halted >/tmp/said; exit\" TERM; touch /tmp/ready; while :; do sleep 0.1; done'
                 for i in 1 2 3 4 5 6 7 8 9; do [ -e $R/tmp/ready ] || sleep 0.1; done; lxc-stop -n $N; cat $R/tmp/said",
        lxc: Lxc::Prints("halted"),
        ours: Ours::Same,
    },
];
