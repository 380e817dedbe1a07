//! Command lines: getopt's habits, the options that all programs have.

use super::{Case, Lxc, Ours};

pub const CASES: &[Case] = &[
    Case {
        what: "the ways to name a container",
        config: "",
        script: "lxc-start -d -n $N -- sleep 1000; for o in \"-n $N\" -n$N --name=$N \"--name $N\" --na=$N $N; do lxc-info -sH $o; lxc-info $o -sH; done",
        lxc: Lxc::Prints("RUNNING\nRUNNING\nRUNNING\nRUNNING\nRUNNING\nRUNNING\nRUNNING\nRUNNING\nRUNNING\nRUNNING\nRUNNING\nRUNNING"),
        ours: Ours::Same,
    },
    Case {
        what: "letters bundle, the last one may have a value",
        config: "",
        script: "lxc-start -Cdn$N -- sleep 1000; echo $?; lxc-info -sHn $N; lxc-stop -kn$N; echo $?",
        lxc: Lxc::Prints("0\nRUNNING\n0"),
        ours: Ours::Same,
    },
    Case {
        what: "of -d and -F the last one counts",
        config: "",
        script: "lxc-start -Fdn$N -- sleep 1000; lxc-info -sHn $N; lxc-stop -kn$N; lxc-start -dFn$N -- sh -c 'sleep 0.2; touch /tmp/ran'; ls $R/tmp",
        lxc: Lxc::Prints("RUNNING\nran"),
        ours: Ours::Same,
    },
    Case {
        what: "options end at --",
        config: "",
        script: "lxc-execute -n $N -- echo -n x --name=y -- -d; echo; lxc-execute -n $N -- sh -c 'echo $1' sh --",
        lxc: Lxc::Prints("x --name=y -- -d\n--"),
        ours: Ours::Same,
    },
    Case {
        what: "without -- they stand among the command's words",
        config: "",
        script: "lxc-execute -n $N echo a b; lxc-execute echo -n $N a b; lxc-execute $N echo a b",
        lxc: Lxc::Prints("a b\na b\na b"),
        ours: Ours::Same,
    },
    Case {
        what: "--help, -h and --usage are 0, a wrong option and a missing value 1",
        config: "",
        script: "for p in start execute attach info wait stop freeze unfreeze cgroup; do echo $p
                 for o in --help -h --usage --version --bogus \"-Z -n x\" \"-n\" \"-n x --name\"; do lxc-$p $o >/dev/null 2>&1; printf '%s ' $?; done; echo; done",
        lxc: Lxc::Prints(
            "start\n0 0 0 0 1 1 1 1\nexecute\n0 0 0 0 1 1 1 1\nattach\n0 0 0 0 1 1 1 1\ninfo\n0 0 0 0 1 1 1 1\nwait\n0 0 0 0 1 1 1 1\nstop\n0 0 0 0 1 1 1 1\nfreeze\n0 0 0 0 1 1 1 1\nunfreeze\n0 0 0 0 1 1 1 1\ncgroup\n0 0 0 0 1 1 1 1",
        ),
        ours: Ours::Same,
    },
    Case {
        what: "without a container, 1",
        config: "",
        script: "for p in start execute attach info wait stop freeze unfreeze cgroup; do lxc-$p 2>/dev/null; printf '%s ' $?; done",
        lxc: Lxc::Prints("1 1 1 1 1 1 1 1 1"),
        ours: Ours::Same,
    },
    Case {
        what: "help goes to standard output",
        config: "",
        script: "lxc-info --help 2>/dev/null | grep -c -e --name",
        lxc: Lxc::Prints("0"),
        ours: Ours::Differs { prints: "1", because: "whoever asks for it pipes it into a pager" },
    },
    Case {
        what: "-P",
        config: "lxc.uts.name = inside",
        script: "mkdir -p P/other; cp $F P/other/config; lxc-execute -P $T/P -n other -- hostname; lxc-start -d --lxcpath=$T/P -n other -- sleep 1000
                 lxc-info -P $T/P -n other -sH; lxc-stop -k -P $T/P -n other; echo $?",
        lxc: Lxc::Prints("inside\nRUNNING\n0"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-checkconfig",
        config: "",
        script: "printf 'CONFIG_NAMESPACES=y\\nCONFIG_UTS_NS=y\\nCONFIG_PID_NS=y\\nCONFIG_CGROUPS=y\\nCONFIG_MACVLAN=y\\n' >config
                 CONFIG=$T/config lxc-checkconfig | sed 's/\\x1b\\[[0-9;]*m//g; s/, \\(not \\)*loaded$//' | grep -E '^((Namespaces|Utsname namespace|Ipc namespace|Pid namespace|Network namespace|Cgroups|Bridges|Macvlan): |Note|--- Name)' | sort
                 CONFIG=$T/nothing lxc-checkconfig >/dev/null 2>&1; echo $?",
        lxc: Lxc::Prints(
            "--- Namespaces ---\nBridges: missing\nCgroups: enabled\nIpc namespace: required\nMacvlan: enabled\nNamespaces: enabled\nNetwork namespace: missing\nNote : Before booting a new kernel, you can check its configuration\nPid namespace: enabled\nUtsname namespace: enabled\n1",
        ),
        ours: Ours::Same,
    },
    Case {
        what: "-o writes the log to a file, -q keeps it off standard error",
        config: "",
        script: "lxc-start -F -n $N -o log -- /bin/nothing 2>err; [ -s log ] && echo logged; lxc-start -F -q -n $N -o log2 -- /bin/nothing 2>err; [ -s err ] && echo heard; [ -s log2 ] && echo logged",
        lxc: Lxc::Prints("logged\nheard\nlogged"),
        ours: Ours::Differs { prints: "logged\nlogged", because: "-q is quiet" },
    },
];
