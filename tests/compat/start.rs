//! lxc-start and lxc-execute: what is started, with which streams, and how it is told that it ended.

use super::{Case, Lxc, Ours};

pub const CASES: &[Case] = &[
    Case {
        what: "the exit status of lxc-execute's command passes",
        config: "",
        script: r#"for i in 0 1 2 63 126 127 128 255; do lxc-execute -n $N -- sh -c "exit $i"; echo $i $?; done"#,
        lxc: Lxc::Prints("0 0\n1 1\n2 2\n63 63\n126 126\n127 127\n128 128\n255 255"),
        ours: Ours::Same,
    },
    Case {
        what: "a signal that ends lxc-execute's command is 128 and its number",
        config: "",
        script: r#"for i in HUP INT KILL USR1 TERM; do lxc-execute -n $N -- sh -c "kill -$i \$\$"; echo $i $?; done"#,
        lxc: Lxc::Prints("HUP 129\nINT 130\nKILL 137\nUSR1 138\nTERM 143"),
        ours: Ours::Same,
    },
    Case {
        what: "in the foreground, lxc-start's command has the caller's streams, and its status passes",
        config: "",
        script: r#"lxc-start -F -n $N -- sh -c 'echo out; echo err >&2; touch /tmp/ran; exit 7' 2>err
                   echo $?; cat err; ls $R/tmp"#,
        lxc: Lxc::Prints("0\nran"),
        ours: Ours::Differs {
            prints: "out\n7\nerr\nran",
            because: "0.9.0 did; 5.0 gives it a console that nobody reads, and ends with 0 whatever happened",
        },
    },
    Case {
        what: "in the foreground, lxc-start's command reads the caller's standard input",
        config: "",
        script: "echo in | lxc-start -F -n $N -- cat; echo $?",
        lxc: Lxc::Cannot("it waits for input on a console that nobody is at, for ever"),
        ours: Ours::Differs { prints: "in\n0", because: "0.9.0 did" },
    },
    Case {
        what: "lxc-execute's command has the caller's streams",
        config: "",
        script: "echo in | lxc-execute -n $N -- sh -c 'cat; echo out; echo err >&2' 2>err; cat err",
        lxc: Lxc::Prints("in\nout\nerr"),
        ours: Ours::Same,
    },
    Case {
        what: "pid 1 of lxc-execute is an init that reaps, its command is pid 2",
        config: "",
        script: r#"lxc-execute -n $N -- sh -c 'echo $$; (sleep 0.2; echo late) & exit 4'; echo $?"#,
        lxc: Lxc::Prints("2\nlate\n4"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-start's command is pid 1",
        config: "",
        script: "lxc-start -F -n $N -- sh -c 'echo $$ >/tmp/pid'; cat $R/tmp/pid",
        lxc: Lxc::Prints("1"),
        ours: Ours::Same,
    },
    Case {
        what: "the environment is container=lxc and what the file says",
        config: "lxc.environment = A=b c\nlxc.environment = TERM=vt102",
        script: "lxc-execute -n $N -- env | sort",
        lxc: Lxc::Prints("A=b c\nTERM=vt102\ncontainer=lxc"),
        ours: Ours::Differs {
            prints: "A=b c\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nTERM=vt102\ncontainer=lxc",
            because: "0.9.0 hands the caller's PATH and TERM on; without a PATH few scripts run",
        },
    },
    Case {
        what: "the host name inside is lxc.uts.name, the host's stays",
        config: "lxc.uts.name = inside",
        script: "before=$(hostname); lxc-execute -n $N -- hostname; [ $before = $(hostname) ] && echo kept",
        lxc: Lxc::Prints("inside\nkept"),
        ours: Ours::Same,
    },
    Case {
        what: "-s is applied after the file",
        config: "lxc.uts.name = inside",
        script: "lxc-execute -n $N -s lxc.uts.name=other -- hostname
                 lxc-execute -n $N --define 'lxc.uts.name = third' -- hostname",
        lxc: Lxc::Prints("other\nthird"),
        ours: Ours::Same,
    },
    Case {
        what: "a wrong -s is a wrong command line",
        config: "",
        script: "for s in lxc.bogus=1 bogus lxc.uts.name; do lxc-start -n $N -s $s -- true; echo $?; done",
        lxc: Lxc::Prints("1\n1\n1"),
        ours: Ours::Same,
    },
    Case {
        what: "-u and -g are the command's ids",
        config: "",
        script: "lxc-execute -n $N -u 1000 -g 1001 -- id
                 lxc-execute -n $N --uid=1000 -- id; lxc-execute -n $N --gid 1000 -- id",
        lxc: Lxc::Prints("uid=1000 gid=1001\nuid=1000 gid=0\nuid=0 gid=1000"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc.init.uid, lxc.init.gid and lxc.init.cwd",
        config: "lxc.init.uid = 1000\nlxc.init.gid = 1001\nlxc.init.cwd = /tmp",
        script: "chmod 777 $R/tmp; lxc-start -F -n $N -- sh -c 'id >ids; pwd >>ids'; cat $R/tmp/ids",
        lxc: Lxc::Prints("uid=1000 gid=1001\n/tmp"),
        ours: Ours::Same,
    },
    Case {
        what: "without a command lxc-start runs lxc.init.cmd",
        config: "lxc.init.cmd = /bin/touch /tmp/ran",
        script: "lxc-start -F -n $N; ls $R/tmp",
        lxc: Lxc::Prints("ran"),
        ours: Ours::Same,
    },
    Case {
        what: "without that either it is /sbin/init",
        config: "",
        script: r#"printf '#!/bin/sh\ntouch /tmp/init-ran\n' >$R/sbin/init; chmod 755 $R/sbin/init
                   lxc-start -F -n $N; ls $R/tmp; rm $R/sbin/init"#,
        lxc: Lxc::Prints("init-ran"),
        ours: Ours::Same,
    },
    Case {
        what: "without a command lxc-execute runs lxc.execute.cmd",
        config: "lxc.execute.cmd = /bin/echo from the file",
        script: "lxc-execute -n $N; echo $?; lxc-execute -n $N -- echo from the line; echo $?",
        lxc: Lxc::Cannot("5.0.2 ends with a segmentation fault, though its manual says so"),
        ours: Ours::Differs {
            prints: "from the file\n0\nfrom the line\n0",
            because: "that is what the manual says",
        },
    },
    Case {
        what: "a command of lxc-execute that is not there is 255",
        config: "",
        script: "lxc-execute -n $N -- /bin/nothing; echo $?",
        lxc: Lxc::Prints("255"),
        ours: Ours::Same,
    },
    Case {
        what: "a start that fails",
        config: "",
        script: "lxc-start -F -n $N -- /bin/nothing; echo $?
                 lxc-start -F -n $N -s lxc.rootfs.path=/nonexistent -- /bin/true; echo $?
                 lxc-execute -n $N -s lxc.rootfs.path=/nonexistent -- /bin/true; echo $?",
        lxc: Lxc::Prints("1\n1\n1"),
        ours: Ours::Differs {
            prints: "255\n255\n255",
            because: "255 is 0.9.0's, and 1 may be the container's own",
        },
    },
    Case {
        what: "a start in the background that fails",
        config: "",
        script: "lxc-start -d -n $N -- /bin/nothing; echo $?; lxc-info -n $N -s >/dev/null; echo $?
                 lxc-execute -d -n $N -- /bin/nothing; echo $?",
        lxc: Lxc::Prints("1\n0\n0"),
        ours: Ours::Differs {
            prints: "255\n0\n255",
            because: "255 is 0.9.0's for its own failures, which it only gave in the foreground; 5.0's lxc-execute hides them",
        },
    },
    Case {
        what: "a file that is not there",
        config: "",
        script: "lxc-start -n $N -f /nonexistent -- /bin/true; echo $?
                 lxc-execute -n $N -f /nonexistent -- /bin/true; echo $?",
        lxc: Lxc::Prints("1\n1"),
        ours: Ours::Differs { prints: "255\n255", because: "255 is 0.9.0's for its own failures" },
    },
    Case {
        what: "without -d and -F",
        config: "",
        script: "lxc-start -n $N -- sh -c 'sleep 0.5; touch /tmp/ran'; ls $R/tmp; lxc-wait -n $N -s STOPPED",
        lxc: Lxc::Prints(""),
        ours: Ours::Differs {
            prints: "ran",
            because: "the foreground was 0.9.0's default, and scripts of its time wait for the end",
        },
    },
    Case {
        what: "-d returns when the container runs",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; echo $?; lxc-wait -n $N -s RUNNING -t 0; echo $?
                 lxc-execute -d -n $N-b -f $F -- /bin/sleep 1000; echo $?; lxc-wait -n $N-b -s RUNNING -t 5; echo $?
                 lxc-stop -k -n $N-b",
        lxc: Lxc::Prints("0\n0\n0\n0"),
        ours: Ours::Same,
    },
    Case {
        what: "a container that runs is not started a second time",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-start -d -n $N -- /bin/sleep 1000; echo $?
                 lxc-execute -n $N -- /bin/true; echo $?; lxc-wait -n $N -s RUNNING -t 0; echo $?",
        lxc: Lxc::Prints("0\n1\n0"),
        ours: Ours::Differs {
            prints: "255\n255\n0",
            because: "what was asked for has not been done: its command does not run",
        },
    },
    Case {
        what: "-p writes the pid of the process that watches the container, for as long as that runs",
        config: "",
        script: r"lxc-start -d -n $N -p pid -- /bin/sleep 1000; read pid <pid
                  init=$(lxc-info -n $N -p | tr -dc 0-9); grep -c PPid:.$pid$ /proc/$init/status
                  lxc-stop -k -n $N; for i in 1 2 3 4 5 6 7 8 9; do [ -e pid ] && sleep 0.1; done; ls",
        lxc: Lxc::Prints("1"),
        ours: Ours::Same,
    },
    Case {
        what: "a descriptor that the caller has open is not open inside",
        config: "lxc.mount.auto = proc",
        script: "exec 7</dev/zero 8<$T; lxc-start -C -F -n $N -- sh -c 'ls /proc/self/fd >/tmp/fds'; cat $R/tmp/fds",
        lxc: Lxc::Prints("0\n1\n2\n3"),
        ours: Ours::Same,
    },
    Case {
        what: "the console's output goes to the file of -L",
        config: "",
        script: "lxc-start -d -n $N -L $T/log -- sh -c 'echo to the console >/dev/console; exec sleep 1000'
                 for i in 1 2 3 4 5 6 7 8 9; do grep -q console log || sleep 0.1; done; tr -d '\\r' <log",
        lxc: Lxc::Prints("to the console"),
        ours: Ours::Same,
    },
    Case {
        what: "the command's own output with -d",
        config: "",
        script: "lxc-start -d -n $N -L $T/log -- sh -c 'echo out; echo done >/dev/console; exec sleep 1000'
                 for i in 1 2 3 4 5 6 7 8 9; do grep -q done log || sleep 0.1; done; tr -d '\\r' <log",
        lxc: Lxc::Prints("done"),
        ours: Ours::Differs { prints: "out\ndone", because: "what nobody sees, nobody can look for" },
    },
    Case {
        what: "the console's output goes to the file of -c",
        config: "",
        script: "lxc-start -d -n $N -c $T/log -- sh -c 'echo to the console >/dev/console; exec sleep 1000'
                 for i in 1 2 3 4 5 6 7 8 9; do grep -q console log || sleep 0.1; done; tr -d '\\r' <log",
        lxc: Lxc::Cannot("5.0 wants a terminal there, and fails"),
        ours: Ours::Differs { prints: "to the console", because: "0.9.0's is a file, which may be a terminal" },
    },
];
