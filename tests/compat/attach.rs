//! lxc-attach.

use super::{Case, Lxc, Ours};

pub const CASES: &[Case] = &[
    Case {
        what: "the command's status passes",
        config: "",
        script: r#"lxc-start -d -n $N -- /bin/sleep 1000; for i in 0 1 9 126 255; do lxc-attach -n $N -- sh -c "exit $i"; echo $i $?; done
                   for i in HUP KILL TERM; do lxc-attach -n $N -- sh -c "kill -$i \$\$"; echo $i $?; done"#,
        lxc: Lxc::Prints("0 0\n1 1\n9 9\n126 126\n255 255\nHUP 129\nKILL 137\nTERM 143"),
        ours: Ours::Same,
    },
    Case {
        what: "a command that is not there",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-attach -n $N -- /bin/nothing; echo $?",
        lxc: Lxc::Prints("127"),
        ours: Ours::Differs { prints: "255", because: "255 is 0.9.0's, and 127 may be the command's own" },
    },
    Case {
        what: "streams, host name, processes and files are the container's",
        config: "lxc.uts.name = inside\nlxc.mount.auto = proc",
        script: "lxc-start -d -n $N -- sleep 1000; echo in | lxc-attach -n $N -- sh -c 'cat; hostname; echo err >&2' 2>err; cat err
                 lxc-attach -n $N -- cat /proc/1/cmdline | tr '\\0' ' '; echo; lxc-attach -n $N -- ls -d /run/case-$N",
        lxc: Lxc::Prints("in\ninside\nerr\nsleep 1000"),
        ours: Ours::Same,
    },
    Case {
        what: "without a command it is a shell",
        config: "",
        script: "lxc-start -d -n $N -- sleep 1000; echo 'echo in a shell; exit 4' | SHELL=/bin/sh lxc-attach -n $N; echo $?",
        lxc: Lxc::Prints("in a shell\n4"),
        ours: Ours::Same,
    },
    Case {
        what: "the environment is the caller's with container=lxc",
        config: "lxc.environment = OF=file",
        script: "lxc-start -d -n $N -- sleep 1000; env -i PATH=$PATH A=1 lxc-attach -n $N -- env | grep -v ^PATH | sort",
        lxc: Lxc::Prints("A=1\nOF=file\ncontainer=lxc"),
        ours: Ours::Differs {
            prints: "A=1\ncontainer=lxc",
            because: "0.9.0's: the file's environment is the first process's, and the monitor keeps no copy",
        },
    },
    Case {
        what: "--clear-env, --keep-var and -v",
        config: "",
        script: "lxc-start -d -n $N -- sleep 1000; export A=1 B=2 TERM=vt100; lxc-attach -n $N --clear-env -- env | sort; echo
                 lxc-attach -n $N --clear-env --keep-var A -v X=Y -v Z= -- env | sort; echo
                 lxc-attach -n $N --keep-env -v A=3 -- env | grep '^[AB]=' | sort",
        lxc: Lxc::Prints(
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\ncontainer=lxc\n
A=1\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nX=Y\nZ=\ncontainer=lxc\n\nA=3\nB=2",
        ),
        ours: Ours::Same,
    },
    Case {
        what: "the working directory is the caller's where the container has it, else /",
        config: "",
        script: "lxc-start -d -n $N -- sleep 1000; cd /run; lxc-attach -n $N -- pwd; cd $T; lxc-attach -n $N -- pwd",
        lxc: Lxc::Prints("/run\n/"),
        ours: Ours::Same,
    },
    Case {
        what: "-u and -g",
        config: "",
        script: "lxc-start -d -n $N -- sleep 1000; lxc-attach -n $N -u 1000 -g 1001 -- id; lxc-attach -n $N --uid=1000 -- id
                 lxc-attach -n $N --gid 1000 -- id",
        lxc: Lxc::Prints("uid=1000 gid=1001\nuid=1000 gid=0\nuid=0 gid=1000"),
        ours: Ours::Same,
    },
    Case {
        what: "capabilities are the container's, unless -e",
        config: "lxc.mount.auto = proc\nlxc.cap.drop = sys_admin sys_module",
        script: r#"lxc-start -d -n $N -- sleep 1000; I=$(lxc-info -n $N -p | tr -dc 0-9)
                   bounding() { lxc-attach -n $N $1 -- grep CapBnd /proc/self/status; }
                   [ "$(bounding)" = "$(grep CapBnd /proc/$I/status)" ] && echo the container\'s
                   [ "$(bounding -e)" = "$(grep CapBnd /proc/self/status)" ] && echo the caller\'s
                   [ "$(bounding)" = "$(bounding -e)" ] || echo not the same"#,
        lxc: Lxc::Prints("the container's\nthe caller's\nnot the same"),
        ours: Ours::Same,
    },
    Case {
        what: "it is in the container's cgroups, unless -e",
        config: "",
        script: r#"lxc-start -d -n $N -- sleep 1000; cgroups() {
                       lxc-attach -n $N $1 -- sleep $2$$ >/dev/null & sleep 0.2; pid=$(pgrep -f "^sleep $2$$\$"); grep -c $N /proc/$pid/cgroup
                   }
                   [ $(cgroups "" 7) -ge 8 ] && echo in; cgroups -e 8"#,
        lxc: Lxc::Prints("in\n0"),
        ours: Ours::Same,
    },
    Case {
        what: "-s joins what it names and nothing else",
        config: "lxc.uts.name = inside\nlxc.net.0.type = empty",
        script: "lxc-start -d -n $N -- sleep 1000; lxc-attach -n $N -s UTSNAME -- sh -c 'hostname; ls -d /run/case-*$N'
                 lxc-attach -n $N -s 'MOUNT|PID' -- sh -c '[ $(hostname) = inside ] || echo host; ls -d /run/case-$N'
                 lxc-attach -n $N -s NETWORK -- sh -c 'ip -o link | wc -l'; lxc-attach -n $N -s BOGUS -- true; echo $?",
        lxc: Lxc::Prints("inside\n/run/case-NAME\nhost\n1\n1"),
        ours: Ours::Same,
    },
    Case {
        what: "-s PID -R has a /proc of its own",
        config: "",
        script: "lxc-start -d -n $N -- sleep 1000; lxc-attach -n $N -s PID -R -- sh -c 'tr \"\\0\" \" \" </proc/1/cmdline'; echo
                 [ \"$(cat /proc/1/comm)\" != sleep ] && echo the host\\'s is as it was",
        lxc: Lxc::Prints("sleep 1000\nthe host's is as it was"),
        ours: Ours::Same,
    },
    Case {
        what: "-a",
        config: "",
        script: "lxc-start -d -n $N -- sleep 1000; lxc-attach -n $N -a i686 -- uname -m; lxc-attach -n $N -a bogus -- true; echo $?",
        lxc: Lxc::Prints("i686\n1"),
        ours: Ours::Same,
    },
    Case {
        what: "descriptors of the caller's are not open inside",
        config: "lxc.mount.auto = proc",
        script: "lxc-start -d -n $N -- sleep 1000; exec 7</dev/zero 8<$T; lxc-attach -n $N -- ls /proc/self/fd | grep -c '[78]'",
        lxc: Lxc::Prints("2"),
        ours: Ours::Differs {
            prints: "0",
            because: "an open directory of the host's is a way out of the container",
        },
    },
    Case {
        what: "it ends with the container",
        config: "",
        script: "lxc-start -d -n $N -- sleep 1000; lxc-attach -n $N -- sh -c 'touch /in; exec sleep 1000' & attach=$!
                 i=0; until [ -e $R/in ] || [ $i = 100 ]; do i=$((i + 1)); sleep 0.1; done; lxc-stop -k -n $N; wait $attach; echo $?; rm $R/in",
        lxc: Lxc::Prints("137"),
        ours: Ours::Same,
    },
    Case {
        what: "at a terminal, the command is at one of the container's own",
        config: "lxc.pty.max = 16\nlxc.autodev = 1",
        script: "lxc-start -d -n $N -- sleep 1000
                 script -qec \"lxc-attach -n $N -u 1000 -- sh -c 'stat -c %u:%t \\$(tty)'\" /dev/null </dev/null | tr -d '\\r^@'",
        lxc: Lxc::Prints("1000:88"),
        ours: Ours::Same,
    },
];
