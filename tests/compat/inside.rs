//! What a container finds inside: root file system, mounts, interfaces, devices, capabilities.

use super::{Case, Lxc, Ours};

/// The root file system of all cases.
pub const ROOTFS: &str = "/var/lib/lxc/temp/rootfs";

pub const CASES: &[Case] = &[
    Case {
        what: "/ is the root file system, and nothing of the host's is mounted",
        config: "lxc.autodev = 0\nlxc.mount.entry = proc proc proc defaults 0 0",
        script: "lxc-execute -n $N -- sh -c 'ls -d /run/case-* /boot /usr/share/doc; cut -d\" \" -f5 /proc/self/mountinfo' 2>/dev/null | grep -v -e ^/proc/sys/ -e ^/dev/console",
        lxc: Lxc::Prints("/\n/proc"),
        ours: Ours::Same,
    },
    Case {
        what: "a bind that is read-only refuses writing, what it was bound from does not",
        config: "lxc.mount.entry = /run/shared shared none bind,ro,create=dir 0 0",
        script: "mkdir -p /run/shared; echo text >/run/shared/file
                 lxc-execute -n $N -- sh -c 'cat /shared/file; echo x >/shared/file || echo refused'; echo new >/run/shared/file; cat /run/shared/file",
        lxc: Lxc::Prints("text\nrefused\nnew"),
        ours: Ours::Same,
    },
    Case {
        what: "mounts' targets may begin with the root file system's path",
        config: "lxc.mount.entry = /run/shared /var/lib/lxc/temp/rootfs/shared none bind,create=dir 0 0",
        script: "mkdir -p /run/shared; echo text >/run/shared/file; lxc-execute -n $N -- cat /shared/file",
        lxc: Lxc::Prints("text"),
        ours: Ours::Same,
    },
    Case {
        what: "the fstab file, file systems, options, optional and create=file",
        config: "lxc.mount.fstab = /run/fstab\nlxc.mount.entry = /run/file tmp/file none bind,create=file 0 0
lxc.mount.entry = /run/nothing tmp/nothing none bind,optional,create=dir 0 0
lxc.mount.auto = proc",
        script: "echo 'tmpfs run tmpfs nosuid,nodev,noexec,size=64k 0 0' >/run/fstab; echo file >/run/file
                 lxc-execute -n $N -- sh -c 'cat /tmp/file; grep \" /run \" /proc/self/mountinfo | cut -d\" \" -f6; df -k /run | tail -1 | tr -s \" \" | cut -d\" \" -f2'",
        lxc: Lxc::Prints("file\nrw,nosuid,nodev,noexec,relatime\n64"),
        ours: Ours::Same,
    },
    Case {
        what: "a mount that is not optional fails the start",
        config: "lxc.mount.entry = /run/nothing tmp none bind 0 0",
        script: "lxc-execute -n $N -- true; [ $? = 0 ] || echo failed; lxc-wait -n $N -s STOPPED -t 0; echo $?",
        lxc: Lxc::Prints("failed\n0"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc.mount.auto",
        config: "lxc.mount.auto = proc:mixed sys:ro",
        script: "lxc-execute -n $N -- sh -c 'echo 1 >/proc/sys/kernel/printk || echo refused; mkdir /sys/x || echo refused; ls -d /sys/kernel'",
        lxc: Lxc::Prints("refused\nrefused\n/sys/kernel"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc.rootfs.options = ro",
        config: "lxc.rootfs.options = ro",
        script: "lxc-execute -n $N -- sh -c 'touch /tmp/x || echo refused'",
        lxc: Lxc::Prints("refused"),
        ours: Ours::Same,
    },
    Case {
        what: "a macvlan in VEPA mode, its name, MAC, MTU and addresses",
        config: "lxc.net.0.type = macvlan\nlxc.net.0.link = br0\nlxc.net.0.macvlan.mode = vepa\nlxc.net.0.flags = up\nlxc.net.0.name = wan
lxc.net.0.hwaddr = 02:00:00:00:00:17\nlxc.net.0.mtu = 1400\nlxc.net.0.ipv4.address = 192.168.7.2/24\nlxc.net.0.ipv6.address = fd00::7/64
lxc.net.0.ipv4.gateway = 192.168.7.1",
        script: "lxc-start -d -n $N -- sleep 1000; nsenter -t $(lxc-info -n $N -p | tr -dc 0-9) -n sh -c '
                 ip -d link show wan | grep -o -e \"macvlan mode [a-z]*\" -e \" mtu [0-9]*\" -e \"ether [^ ]*\"; ip -o addr show wan | grep -v fe80 | tr -s \" \" | cut -d\" \" -f 3,4; ip route show default | cut -d\" \" -f 1-5' | sed 's/^ *//'",
        lxc: Lxc::Prints("mtu 1400\nether 02:00:00:00:00:17\nmacvlan mode vepa\ninet 192.168.7.2/24\ninet6 fd00::7/64\ndefault via 192.168.7.1 dev wan"),
        ours: Ours::Same,
    },
    Case {
        what: "the modes of macvlans, private without one; their names are eth0, eth1 …",
        config: "lxc.net.0.type = macvlan\nlxc.net.0.link = br0\nlxc.net.0.macvlan.mode = bridge\nlxc.net.0.flags = up
lxc.net.1.type = macvlan\nlxc.net.1.link = br0\nlxc.net.1.macvlan.mode = private\nlxc.net.1.flags = up
lxc.net.2.type = macvlan\nlxc.net.2.link = br0",
        script: "lxc-start -d -n $N -- sleep 1000; nsenter -t $(lxc-info -n $N -p | tr -dc 0-9) -n ip -o -d link | grep -o -e '^[0-9]*: [a-z0-9]*' -e 'macvlan mode [a-z]*' -e ,UP | sed 's/^[0-9]*: //'",
        lxc: Lxc::Prints("lo\n,UP\neth0\n,UP\nmacvlan mode bridge\neth1\n,UP\nmacvlan mode private\neth2\nmacvlan mode private"),
        ours: Ours::Same,
    },
    Case {
        what: "type empty is the loopback alone, up",
        config: "lxc.net.0.type = empty\nlxc.net.0.flags = up",
        script: "lxc-execute -n $N -- ip -o link | grep -o -e '^[0-9]*: [a-z0-9]*' -e '<[^>]*>'",
        lxc: Lxc::Prints("1: lo\n<LOOPBACK,UP,LOWER_UP>"),
        ours: Ours::Same,
    },
    Case {
        what: "cgroup settings of the file",
        config: "lxc.cgroup.cpuset.cpus = 0\nlxc.cgroup.cpu.shares = 1234\nlxc.cgroup.memory.limit_in_bytes = 64M
lxc.cgroup.devices.deny = a\nlxc.cgroup.devices.allow = c 1:3 rw\nlxc.cgroup.devices.allow = b 8:0 rw",
        script: "lxc-start -d -n $N -- sleep 1000; for f in cpuset.cpus cpu.shares memory.limit_in_bytes devices.list; do lxc-cgroup -n $N $f | grep .; done
                 lxc-attach -n $N -- sh -c 'echo x >/dev/null && echo null; cat /dev/zero || echo no zero'; lxc-attach -n $N -- mknod /tmp/node c 1 5 || echo no mknod",
        lxc: Lxc::Prints("0\n1234\n67108864\nc 1:3 rw\nb 8:0 rw\nnull\nno zero\nno mknod"),
        ours: Ours::Same,
    },
    Case {
        what: "a cgroup setting that the kernel refuses fails the start",
        config: "lxc.cgroup.cpu.shares = many",
        script: "lxc-execute -n $N -- true; [ $? = 0 ] || echo failed",
        lxc: Lxc::Prints("failed"),
        ours: Ours::Same,
    },
    Case {
        what: "capabilities that are dropped, or not kept",
        config: "lxc.mount.auto = proc\nlxc.cap.drop = sys_module mknod\nlxc.cap.drop = sys_time",
        script: "lxc-execute -n $N -- grep CapBnd /proc/self/status >bounding; cut -f2 bounding | while read mask; do
                 for bit in 16 25 27 0; do echo $bit $(( 0x$mask >> bit & 1 )); done; done; lxc-execute -n $N -- mknod /tmp/node c 1 3 || echo refused",
        lxc: Lxc::Prints("16 0\n25 0\n27 0\n0 1\nrefused"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc.cap.keep and lxc.no_new_privs",
        config: "lxc.mount.auto = proc\nlxc.cap.keep = sys_chroot kill\nlxc.no_new_privs = 1",
        script: "lxc-start -F -n $N -- sh -c 'grep -e CapBnd -e NoNew /proc/self/status >/tmp/status'; cat $R/tmp/status",
        lxc: Lxc::Prints("CapBnd:\t0000000000040020\nNoNewPrivs:\t1"),
        ours: Ours::Same,
    },
    Case {
        what: "lxc.arch",
        config: "lxc.arch = i686",
        script: "lxc-execute -n $N -- uname -m",
        lxc: Lxc::Prints("i686"),
        ours: Ours::Same,
    },
    Case {
        what: "the root file system's own /dev without lxc.autodev",
        config: "lxc.autodev = 0",
        script: "lxc-execute -n $N -- sh -c 'ls -d /dev/null /dev/tty /dev/zero /dev/full'; ls $R/dev; rm -f $R/dev/fd $R/dev/std*",
        lxc: Lxc::Prints("/dev/null\n/dev/tty\n/dev/zero\nconsole\nfd\nnull\nstderr\nstdin\nstdout\ntty\nzero"),
        ours: Ours::Differs {
            prints: "/dev/null\n/dev/tty\n/dev/zero\nconsole\nnull\ntty\nzero",
            because: "0.9.0's: what is in the image, which may be read-only, is the image's business",
        },
    },
    Case {
        what: "a file that says nothing of lxc.autodev",
        config: "",
        script: "lxc-execute -n $N -- sh -c '[ -e /dev/full ] && echo a /dev of its own'",
        lxc: Lxc::Prints("a /dev of its own"),
        ours: Ours::Differs { prints: "", because: "0.9.0's default is the root file system's" },
    },
    Case {
        what: "lxc.autodev is a /dev of its own",
        config: "lxc.autodev = 1",
        script: "lxc-execute -n $N -- sh -c 'echo $(ls /dev); ls -l /dev/null /dev/urandom | tr -s \" \" | cut -d\" \" -f1,5,6'",
        lxc: Lxc::Prints("console fd full null pts random stderr stdin stdout tty urandom zero\ncrw-rw-rw- 1, 3\ncrw-rw-rw- 1, 9"),
        ours: Ours::Differs {
            prints: "fd full null pts random shm stderr stdin stdout tty urandom zero\ncrw-rw-rw- 1, 3\ncrw-rw-rw- 1, 9",
            because: "shm_open wants /dev/shm; a command with the caller's streams has no console",
        },
    },
    Case {
        what: "ttys and a devpts of its own",
        config: "lxc.tty.max = 2\nlxc.pty.max = 16\nlxc.autodev = 1",
        script: "lxc-start -d -n $N -- sleep 1000; lxc-attach -n $N -- sh -c 'ls -d /dev/tty? /dev/console; [ -c /dev/tty1 ] && echo terminal; [ -c /dev/pts/ptmx ] && [ -c /dev/ptmx ] && echo ptmx'",
        lxc: Lxc::Prints("/dev/console\n/dev/tty1\n/dev/tty2\nterminal\nptmx"),
        ours: Ours::Same,
    },
];
