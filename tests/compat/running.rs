//! What is done with a container that runs: lxc-info, lxc-wait, lxc-freeze, lxc-unfreeze, lxc-stop, lxc-cgroup.

use super::{Case, Lxc, Ours};

pub const CASES: &[Case] = &[
    Case {
        what: "lxc-info -s and -p",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-info -n $N -s; lxc-info -n $N -p | sed 's/ *[0-9][0-9]*/ PID/'
                 lxc-info -n $N -sp | sed 's/ *[0-9][0-9]*/ PID/'",
        lxc: Lxc::Prints("State:          RUNNING\nPID: PID\nState:          RUNNING\nPID: PID"),
        ours: Ours::Differs {
            prints: "state:   RUNNING\npid: PID\nstate:   RUNNING\npid: PID",
            because: "0.9.0's lines, which the scripts on such boards read",
        },
    },
    Case {
        what: "lxc-info -H with one thing is that alone",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-info -n $N -sH; lxc-info -n $N -H --pid | sed 's/ *[0-9][0-9]*/ PID/'",
        lxc: Lxc::Prints("RUNNING\n PID"),
        ours: Ours::Same,
    },
    Case {
        what: "the pid is that of the container's pid 1 as the host sees it",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; readlink /proc/$(lxc-info -n $N -p | tr -dc 0-9)/exe",
        lxc: Lxc::Prints("/bin/busybox"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-info of a container that does not run",
        config: "",
        script: "lxc-info -n $N -s; echo $?; lxc-info -n $N -p; echo $?; lxc-info -n $N-nobody -s; echo $?",
        lxc: Lxc::Prints("State:          STOPPED\n0\n0\n1"),
        ours: Ours::Differs {
            prints: "state:   STOPPED\n0\npid:        -1\n0\nstate:   STOPPED\n0",
            because: "0.9.0's: what does not run is STOPPED, with or without a file, and its pid is -1",
        },
    },
    Case {
        what: "lxc-info -i",
        config: "lxc.net.0.type = macvlan\nlxc.net.0.link = br0\nlxc.net.0.macvlan.mode = vepa\nlxc.net.0.flags = up
lxc.net.0.ipv4.address = 192.168.7.2/24\nlxc.net.0.ipv4.address = 192.168.8.2/24\nlxc.net.0.ipv6.address = fd00::7/64",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-info -n $N -i; lxc-info -n $N -iH",
        lxc: Lxc::Prints(
            "IP:             192.168.7.2\nIP:             192.168.8.2\nIP:             fd00::7\n192.168.7.2\n192.168.8.2\nfd00::7",
        ),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-info -S",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-info -n $N -SH | sed 's/[0-9][0-9]*/VALUE/'",
        lxc: Lxc::Prints("CPU use:        VALUE\nBlkIO use:      VALUE\nMemory use:     VALUE\nKMem use:       VALUE"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-info -c",
        config: "lxc.uts.name = inside",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-info -n $N -c lxc.uts.name; echo $?",
        lxc: Lxc::Prints("lxc.uts.name = inside\n0"),
        ours: Ours::Differs {
            prints: "255",
            because: "not there yet, and says so: the monitor keeps no configuration text in memory",
        },
    },
    Case {
        what: "lxc-wait has the state, or the time is over",
        config: "",
        script: "lxc-wait -n $N -s STOPPED; echo $?; lxc-wait -n $N -s 'RUNNING|STOPPED' -t 5; echo $?
                 lxc-wait -n $N -s RUNNING -t 0; echo $?; lxc-wait -n $N -s RUNNING -t 1; echo $?",
        lxc: Lxc::Prints("0\n0\n1\n1"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-wait -t 0 looks and does not wait",
        config: "",
        script: "lxc-start -d -n $N -- sleep 1000; lxc-wait -n $N -s RUNNING -t 0; echo $?; lxc-wait -n $N -s 'STOPPED|FROZEN' -t 0; echo $?",
        lxc: Lxc::Cannot("5.0 waits for ever where a monitor is asked"),
        ours: Ours::Differs { prints: "0\n1", because: "0 seconds are none" },
    },
    Case {
        what: "lxc-wait of no state, or of one that there is not",
        config: "",
        script: "lxc-wait -n $N; echo $?; lxc-wait -n $N -s BOGUS; echo $?",
        lxc: Lxc::Prints("1\n1"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-wait sees the start and the end of what it waits for",
        config: "",
        script: "lxc-wait -n $N -s RUNNING -t 10 & wait=$!; sleep 0.2; lxc-start -d -n $N -- /bin/sleep 1000; wait $wait; echo $?
                 lxc-wait --name=$N --state='STOPPED|FROZEN' --timeout=10 & wait=$!; sleep 0.2; lxc-stop -k -n $N; wait $wait; echo $?",
        lxc: Lxc::Prints("0\n0"),
        ours: Ours::Same,
    },
    Case {
        what: "frozen and thawed",
        config: "",
        script: "lxc-start -d -n $N -- sh -c 'while :; do echo x >>/tmp/x; sleep 0.02; done'; sleep 0.2
                 lxc-freeze -n $N; echo $?; lxc-info -n $N -sH; before=$(wc -c <$R/tmp/x); sleep 0.2
                 [ $before = $(wc -c <$R/tmp/x) ] && echo stands; lxc-wait -n $N -s FROZEN -t 0; echo $?
                 lxc-unfreeze -n $N; echo $?; lxc-info -n $N -sH; sleep 0.2; [ $before = $(wc -c <$R/tmp/x) ] || echo runs",
        lxc: Lxc::Prints("0\nFROZEN\nstands\n0\n0\nRUNNING\nruns"),
        ours: Ours::Same,
    },
    Case {
        what: "freezing what is frozen, thawing what is not",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-unfreeze -n $N; echo $?; lxc-freeze -n $N; lxc-freeze -n $N; echo $?
                 lxc-unfreeze -n $N",
        lxc: Lxc::Prints("0\n0"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-wait sees freezing and thawing",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-wait -n $N -s FROZEN -t 10 & wait=$!; sleep 0.2; lxc-freeze -n $N
                 wait $wait; echo $?; lxc-wait -n $N -s 'RUNNING|STOPPED' -t 10 & wait=$!; sleep 0.2; lxc-unfreeze -n $N; wait $wait; echo $?",
        lxc: Lxc::Prints("0\n0"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-stop sends SIGPWR and waits for the end",
        config: "",
        script: r#"lxc-start -d -n $N -- sh -c 'trap "touch /tmp/asked; exit" PWR; touch /tmp/ready; while :; do sleep 0.02; done'
                   while [ ! -e $R/tmp/ready ]; do sleep 0.02; done; lxc-stop -n $N; echo $?; ls $R/tmp; lxc-info -n $N -sH"#,
        lxc: Lxc::Prints("0\nasked\nready\nSTOPPED"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-stop sends the signal that the file says",
        config: "lxc.signal.halt = SIGUSR1",
        script: r#"lxc-start -d -n $N -- sh -c 'trap "touch /tmp/asked; exit" USR1; touch /tmp/ready; while :; do sleep 0.02; done'
                   while [ ! -e $R/tmp/ready ]; do sleep 0.02; done; lxc-stop -n $N; echo $?; ls $R/tmp"#,
        lxc: Lxc::Prints("0\nasked\nready"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-stop kills when the time is over",
        config: "",
        script: r#"lxc-start -d -n $N -- sh -c 'trap "touch /tmp/asked" PWR; touch /tmp/ready; while :; do sleep 0.02; done'
                   while [ ! -e $R/tmp/ready ]; do sleep 0.02; done; lxc-stop -n $N -t 1; echo $?; ls $R/tmp; lxc-info -n $N -sH"#,
        lxc: Lxc::Prints("0\nasked\nready\nSTOPPED"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-stop --nokill does not, and ends with 1",
        config: "",
        script: r#"lxc-start -d -n $N -- sh -c 'trap "touch /tmp/asked" PWR; touch /tmp/ready; while :; do sleep 0.02; done'
                   while [ ! -e $R/tmp/ready ]; do sleep 0.02; done; lxc-stop -n $N --nokill -t 1; echo $?; ls $R/tmp; lxc-info -n $N -sH"#,
        lxc: Lxc::Prints("1\nasked\nready\nRUNNING"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-stop -W does not wait",
        config: "",
        script: r#"lxc-start -d -n $N -- sh -c 'trap "sleep 0.5; exit" PWR; touch /tmp/ready; while :; do sleep 0.02; done'
                   while [ ! -e $R/tmp/ready ]; do sleep 0.02; done; lxc-stop -n $N -W; echo $?; [ $(lxc-info -n $N -sH) = STOPPED ] || echo not yet
                   lxc-wait -n $N -s STOPPED -t 5; echo $?"#,
        lxc: Lxc::Prints("0\nnot yet\n0"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc-stop -W and -t 0 leave it at the signal",
        config: "",
        script: r#"lxc-start -d -n $N -- sh -c 'trap "echo asked >>/tmp/asked" PWR; touch /tmp/ready; while :; do sleep 0.02; done'
                   while [ ! -e $R/tmp/ready ]; do sleep 0.02; done; lxc-stop -n $N -W -t 1; echo $?; sleep 2; lxc-info -n $N -sH
                   lxc-stop -n $N -t 0; echo $?; sleep 0.5; lxc-info -n $N -sH; cat $R/tmp/asked"#,
        lxc: Lxc::Prints("0\nRUNNING\n0\nRUNNING\nasked\nasked"),
        ours: Ours::Same,
    },
    Case {
        what: "an init that does not handle the stop signal",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; begun=$(date +%s); lxc-stop -n $N -t 2; echo $?
                 [ $(($(date +%s) - begun)) -lt 2 ] && echo at once",
        lxc: Lxc::Prints("0"),
        ours: Ours::Differs {
            prints: "0\nat once",
            because: "the kernel drops the signal, so nothing can come of waiting (60 s without -t)",
        },
    },
    Case {
        what: "lxc-stop -k, also of a frozen container",
        config: "",
        script: "for i in 1 2; do lxc-start -d -n $N -- /bin/sleep 1000; [ $i = 1 ] || lxc-freeze -n $N; lxc-stop -k -n $N; echo $?
                 lxc-wait -n $N -s STOPPED -t 1; echo $?; done",
        lxc: Lxc::Prints("0\n0\n0\n0"),
        ours: Ours::Same,
    },
    Case {
        what: "stopping what does not run is 2",
        config: "",
        script: "lxc-stop -n $N; echo $?; lxc-stop -k -n $N-nobody; echo $?",
        lxc: Lxc::Prints("2\n2"),
        ours: Ours::Same,
    },
    Case {
        what: "the others, of what does not run",
        config: "",
        script: "lxc-freeze -n $N; echo $?; lxc-unfreeze -n $N; echo $?; lxc-cgroup -n $N cpu.shares; echo $?
                 lxc-attach -n $N -- true; echo $?",
        lxc: Lxc::Prints("1\n0\n1\n1"),
        ours: Ours::Differs {
            prints: "255\n255\n255\n255",
            because: "255 is 0.9.0's; that nothing is frozen does not mean that what was asked for runs",
        },
    },
    Case {
        what: "lxc-cgroup reads and writes",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; for f in cpu.shares memory.limit_in_bytes cpuset.cpus freezer.state; do
                 lxc-cgroup -n $N $f | head -1; done; lxc-cgroup -n $N cpu.shares 512; echo $?; lxc-cgroup -n $N cpu.shares | head -1
                 lxc-cgroup -n $N memory.limit_in_bytes 64M; echo $?; lxc-cgroup -n $N memory.limit_in_bytes | head -1",
        lxc: Lxc::Prints("1024\n9223372036854771712\n0-1\nTHAWED\n0\n512\n0\n67108864"),
        ours: Ours::Same,
    },
    Case {
        what: "a value is followed by one newline",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-cgroup -n $N cpu.shares | wc -l",
        lxc: Lxc::Prints("2"),
        ours: Ours::Differs { prints: "1", because: "the file ends with one" },
    },
    Case {
        what: "lxc-cgroup refuses",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-cgroup -n $N cpu.shares many; echo $?
                 lxc-cgroup -n $N cpu.bogus; echo $?; lxc-cgroup -n $N bogus.shares; echo $?; lxc-cgroup -n $N; echo $?",
        lxc: Lxc::Prints("1\n1\n1\n1"),
        ours: Ours::Differs { prints: "255\n255\n255\n1", because: "255 is 0.9.0's; 1 is a wrong command line" },
    },
    Case {
        what: "device rules of a running container",
        config: "",
        script: "lxc-start -d -n $N -- /bin/sleep 1000; lxc-cgroup -n $N devices.list | head -1; lxc-cgroup -n $N devices.deny a
                 lxc-cgroup -n $N devices.allow 'c 1:3 rw'; lxc-cgroup -n $N devices.list | head -1
                 lxc-attach -n $N -- sh -c 'echo x >/dev/null && echo null; echo </dev/zero || echo no zero'",
        lxc: Lxc::Prints("a *:* rwm\nc 1:3 rw\nnull\nno zero"),
        ours: Ours::Same,
    },
];
