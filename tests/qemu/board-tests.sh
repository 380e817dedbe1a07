#!/bin/sh
# The board tests: they run on an emulated board that its own init script has brought up, and print TAP. BusyBox only.
# Each case is a function; it passes when every command in it succeeds.
#
#   board-tests.sh main [N]         the profile's containers, LXC's commands, N starts in a row; ends with the board down
#   board-tests.sh one-hierarchy    on a board whose profile mounts all controllers together
#   board-tests.sh initramfs        on a board that has never left its initramfs

. /test/lib.sh

# The profile is the one authority for what there should be; these read it, not boardbox's mind.
profile=/etc/boardbox/board.toml
controllers=$(sed -n 's/^controllers *= *\[\(.*\)\].*/\1/p' $profile | tr -d '",')

hierarchies() {
    for controller in $controllers; do
        grep -q "^cgroup /sys/fs/cgroup/$controller cgroup [^ ]*\b$controller\b" /proc/mounts
    done
}

status_is_whole() {
    boardbox status
    boardbox ps
    refused sh -c 'boardbox status | grep -iE "missing|STOPPED"'
}

up_twice() {
    before=$(mounts; links; boardbox ps)
    boardbox up
    same "$(mounts; links; boardbox ps)" "$before"
}

other_boards_profile() {
    sed 's/^compatible = .*/compatible = ["other,board"]/' $profile >/tmp/other.toml
    before=$(mounts; links; boardbox ps)
    refused boardbox up --profile /tmp/other.toml
    boardbox up --profile /tmp/other.toml 2>&1 | grep "profile is for \"other,board\", this board is \"$(tr '\0' '\n' </proc/device-tree/compatible | head -n 1)\""
    same "$(mounts; links; boardbox ps)" "$before"
}

run_in_their_cgroups() {
    for name in foo23 logger; do
        boardbox info $name | grep -qx 'state: *RUNNING'
        pid=$(pid_of $name)
        for controller in $controllers; do
            same "$(cgroup_of "$pid" "$controller")" "/boardbox/$name"
        done
    done
}

own_namespaces() {
    pid=$(pid_of foo23)
    for kind in uts pid ipc mnt net; do
        refused same "$(readlink "/proc/$pid/ns/$kind")" "$(readlink /proc/self/ns/$kind)"
    done
    same "$(boardbox exec foo23 -- hostname)" foo23
    same "$(hostname)" "$(cat /etc/hostname)"
    same "$(readlink /proc/"$pid"/root)" /
    refused boardbox exec foo23 -- ls /test
}

cpusets() {
    same "$(boardbox cgroup foo23 cpuset.cpus)" 0-1
    same "$(cat /sys/fs/cgroup/cpuset/boardbox/foo23/cpuset.cpus)" 0-1
    same "$(allowed "$(pid_of foo23)")" 0-1
    same "$(allowed "$(pid_of logger)")" 2-3
    same "$(boardbox exec logger -- sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)" 2-3
    same "$(cat /sys/fs/cgroup/cpuset/boardbox/cpuset.mems)" 0
}

shares() {
    same "$(cat /sys/fs/cgroup/cpu/boardbox/foo23/cpu.shares)" 1234
    boardbox cgroup foo23 cpu.shares 512
    same "$(lxc-cgroup -n foo23 cpu.shares)" 512
    lxc-cgroup -n foo23 cpu.shares 1234
    same "$(boardbox cgroup foo23 cpu.shares)" 1234
}

devices() {
    same "$(cat /sys/fs/cgroup/devices/boardbox/foo23/devices.list)" 'c 1:3 rw
b 8:0 rw'
    boardbox exec foo23 -- sh -c 'echo x >/dev/null'
    boardbox exec foo23 -- cat /dev/zero 2>&1 | grep 'Operation not permitted'
    boardbox exec foo23 -- sh -c 'mknod /tmp/zero c 1 5' 2>&1 | grep 'Operation not permitted'
    # The standard list of a container that says nothing.
    boardbox exec logger -- sh -c 'head -c 1 /dev/zero >/dev/null'
}

memory_limit() {
    same "$(cat /sys/fs/cgroup/memory/boardbox/logger/memory.limit_in_bytes)" $((32 << 20))
    code=0
    # tail keeps the one line, which never ends, in memory.
    boardbox exec logger -- tail -n 1 /dev/zero || code=$?
    same $code 137
    grep -qx 'oom_kill 1' /sys/fs/cgroup/memory/boardbox/logger/memory.oom_control
    boardbox info logger >/tmp/info
    cat /tmp/info
    grep -qx 'state: *RUNNING' /tmp/info
    grep -q 'out of memory, the kernel killed 1 of its processes' /tmp/info
    boardbox exec logger -- true
}

task_limit() {
    same "$(cat /sys/fs/cgroup/pids/boardbox/logger/pids.max)" 64
    boardbox exec logger -- sh -c 'for i in $(seq 80); do sleep 1 & done; wait' 2>&1 | grep "can't fork"
}

read_only_binds() {
    touch /lib/on-the-board
    boardbox exec foo23 -- ls /lib/on-the-board
    boardbox exec foo23 -- rm /lib/on-the-board 2>&1 | grep 'Read-only file system'
    [ -e /lib/on-the-board ]
    boardbox exec logger -- touch /etc/x 2>&1 | grep 'Read-only file system'
    boardbox exec logger -- touch /var/log/x
}

# The board's own eth0 is br0's port, and the containers' are called eth0 and eth1 all the same.
interfaces() {
    same "$(links)" 'br0 eth0 lo '
    [ -e /sys/class/net/br0/brif/eth0 ]
    same "$(cat /sys/class/net/br0/address)" "$(cat /sys/class/net/eth0/address)"
    boardbox exec foo23 -- ip -o -4 addr >/tmp/addresses
    cat /tmp/addresses
    grep -q 'eth0 .*inet 192.168.0.23/24 brd 192.168.0.255' /tmp/addresses
    grep -q 'eth1 .*inet 192.168.128.23/24 brd 192.168.128.255' /tmp/addresses
    boardbox exec foo23 -- ip -o link >/tmp/links
    cat /tmp/links
    same "$(grep -c 'eth[01]@.*[<,]UP,LOWER_UP[,>]' /tmp/links)" 2
    boardbox exec foo23 -- ip -o link show lo | grep '[<,]UP[,>]'
    boardbox exec foo23 -- ping -c 1 -W 2 127.0.0.1
}

board_and_container_reach_each_other() {
    ip addr add 192.168.0.1/24 dev br0
    until_true ping -c 1 -W 1 192.168.0.23
    until_true boardbox exec foo23 -- ping -c 1 -W 1 192.168.0.1
    ip addr del 192.168.0.1/24 dev br0
}

ticks() { cat /var/lib/lxc/temp/rootfs/tmp/ticks; }
freezing() {
    boardbox exec foo23 -- sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/tmp/ticks; usleep 20000; done' &
    until_true grep -q . /var/lib/lxc/temp/rootfs/tmp/ticks
    boardbox freeze foo23
    boardbox info foo23 | grep -qx 'state: *FROZEN'
    same "$(cat /sys/fs/cgroup/freezer/boardbox/foo23/freezer.state)" FROZEN
    before=$(ticks)
    sleep 1
    same "$(ticks)" "$before"
    boardbox unfreeze foo23
    boardbox wait -s RUNNING -t 5 foo23
    sleep 1
    refused same "$(ticks)" "$before"
    lxc-freeze -n foo23
    lxc-info -n foo23 | grep -q FROZEN
    lxc-unfreeze -n foo23
    kill %1
}

executing() {
    code=0
    boardbox exec foo23 -- sh -c 'exit 7' || code=$?
    same $code 7
    code=0
    boardbox exec foo23 -- sh -c 'kill -TERM $$' || code=$?
    same $code 143
    same "$(echo in | boardbox exec foo23 -- cat)" in
    same "$(lxc-attach -n foo23 -- cat /etc/hostname)" foo23
    # It is in the container's cgroups, and its pid namespace.
    boardbox exec foo23 -- sleep 20 &
    until_true pidof sleep
    pids=$(cat /sys/fs/cgroup/freezer/boardbox/foo23/tasks | wc -l)
    [ "$pids" -ge 2 ]
    kill %1
}

stopping() {
    pid=$(pid_of logger)
    boardbox stop logger
    [ ! -e "/proc/$pid" ]
    refused boardbox info logger
    [ ! -e /run/boardbox/logger ]
    same "$(find /sys/fs/cgroup -type d -name logger)" ''
    # The same again, at once: its address must be free.
    boardbox start logger
    boardbox info logger
}

immediate_restarts() {
    for i in $(seq 20); do
        boardbox stop -k logger
        boardbox start logger
    done
}

# foo23.conf as it is, started and asked by LXC's commands.
foo23() {
    lxc-start -n foo1 -f /test/foo23.conf -d /bin/sleep 1000
    lxc-info -n foo1
    pid=$(pid_of foo1)
    same "$(tr '\0' ' ' <"/proc/$pid/cmdline")" '/bin/sleep 1000 '
    same "$(cat /sys/fs/cgroup/cpuset/boardbox/foo1/cpuset.cpus)" 0-1
    same "$(cat /sys/fs/cgroup/cpu/boardbox/foo1/cpu.shares)" 1234
    same "$(cat /sys/fs/cgroup/devices/boardbox/foo1/devices.list)" 'c 1:3 rw
b 8:0 rw'
    lxc-attach -n foo1 -- ip -o -4 addr >/tmp/addresses
    cat /tmp/addresses
    grep -q 'eth0 .*inet 192.168.0.23/24' /tmp/addresses
    grep -q 'eth1 .*inet 192.168.128.23/24' /tmp/addresses
    refused lxc-start -n foo1 -f /test/foo23.conf -d /bin/sleep 1000
    lxc-kill -n foo1
    lxc-wait -n foo1 -s STOPPED -t 10
    until_true [ ! -e /run/boardbox/foo1 ]
    same "$(find /sys/fs/cgroup -type d -name foo1)" ''
    lxc-start -n foo1 -f /test/foo23.conf -d /bin/sleep 1000
    lxc-stop -n foo1
    lxc-wait -n foo1 -s STOPPED -t 1
}

failing_starts() {
    before=$(mounts; links)
    for change in 's/link= br0/link= br7/' 's/0,1/900/' 's/foo23.*rootfs$/nowhere/;s|lxc.rootfs= .*|lxc.rootfs= /nowhere|' 's/name= eth1/name= eth0/'; do
        sed "$change" /test/foo23.conf >/tmp/broken.conf
        refused cmp /test/foo23.conf /tmp/broken.conf
        refused lxc-start -n broken -f /tmp/broken.conf -d /bin/sleep 1000
        same "$(mounts; links)" "$before"
        same "$(find /sys/fs/cgroup -type d -name broken)" ''
        [ ! -e /run/boardbox/broken ]
    done
    refused lxc-start -n broken -f /test/foo23.conf -d /bin/nothing
    same "$(mounts; links)" "$before"
}

statuses() {
    same "$(boardbox run -r /var/lib/lxc/temp/rootfs -- echo hello)" hello
    code=0
    boardbox run -r /var/lib/lxc/temp/rootfs -- sh -c 'exit 9' || code=$?
    same $code 9
    code=0
    boardbox run -r /var/lib/lxc/temp/rootfs -m 8M -- tail -n 1 /dev/zero 2>/tmp/ended || code=$?
    same $code 137
    cat /tmp/ended
    grep 'ran out of memory: the kernel killed 1 process at its memory limit' /tmp/ended
}

# On a port of the bridge that carries the VEPA interfaces hairpin is refused, and nothing is changed.
hairpin_refused() {
    before=$(mounts; links)
    echo 1 >/sys/class/net/eth0/brport/hairpin_mode
    refused boardbox up 2>/tmp/said
    refused boardbox plan
    echo 0 >/sys/class/net/eth0/brport/hairpin_mode
    cat /tmp/said
    grep 'port "eth0": has hairpin on' /tmp/said
    same "$(mounts; links)" "$before"
    boardbox up
}

# The kernel is Linux 3.2 for whatever these start: each newer system call is refused (examples/old-kernel.rs).
refusals() { sed 's/^/refused: /; s/$/ times/' /tmp/refused >>/tmp/notes; }
tried() {
    for call in "$@"; do
        grep -q "^$call [1-9]" /tmp/refused || { echo "$call was not tried"; return 1; }
    done
}

old_kernel_foo23() {
    before=$(mounts; links)
    old=/test/old-kernel
    $old --count /tmp/refused lxc-start -n old -f /test/foo23.conf -d /bin/sleep 1000
    refusals
    tried openat2 open_tree mount_setattr
    pid=$(pid_of old)
    same "$(cat /sys/fs/cgroup/cpuset/boardbox/old/cpuset.cpus)" 0-1
    same "$($old lxc-cgroup -n old cpu.shares)" 1234
    same "$(cat /sys/fs/cgroup/devices/boardbox/old/devices.list)" 'c 1:3 rw
b 8:0 rw'
    # From the new kernel, into the container that the old one made.
    lxc-attach -n old -- ip -o -4 addr >/tmp/addresses
    cat /tmp/addresses
    grep -q 'eth0 .*inet 192.168.0.23/24' /tmp/addresses
    grep -q 'eth1 .*inet 192.168.128.23/24' /tmp/addresses
    lxc-attach -n old -- touch /lib/x 2>&1 | grep 'Read-only file system'
    # setns into a pid or mount namespace came with 3.8.
    $old lxc-attach -n old -- true 2>/tmp/said && return 1
    $old boardbox exec old -- true 2>>/tmp/said && return 1
    cat /tmp/said
    same "$(grep -c 'needs Linux 3.8' /tmp/said)" 2
    $old lxc-freeze -n old
    $old boardbox info old | grep -qx 'state: *FROZEN'
    $old lxc-unfreeze -n old
    $old --count /tmp/refused lxc-stop -n old
    refusals
    same "$(mounts; links)" "$before"
    same "$(find /sys/fs/cgroup -type d -name old)" ''
    [ ! -e /run/boardbox/old ]
}

old_kernel_execute() {
    sed '/network/d; /devices/d' /test/foo23.conf >/tmp/execute.conf
    echo 'lxc.mount.entry = proc proc proc defaults 0 0' >>/tmp/execute.conf
    code=0
    /test/old-kernel --count /tmp/refused lxc-execute -n old -f /tmp/execute.conf -- /bin/sh -c 'echo $$; exit 5' >/tmp/said || code=$?
    same $code 5
    same "$(cat /tmp/said)" 2
    refusals
    tried openat2 open_tree mount_setattr memfd_create execveat
}

old_kernel_up() {
    /test/old-kernel --count /tmp/refused boardbox up
    refusals
    tried openat2 open_tree
    run_in_their_cgroups
    cpusets
    read_only_binds
    /test/old-kernel boardbox down
    same "$(links)" 'eth0 lo '
    refused grep -E 'cgroup|boardbox|/var/lib' /proc/mounts
    [ ! -e /run/boardbox ]
}

warned() {
    lxc-start -n warned -f /test/foo23.conf -- /bin/true 2>&1 | tee /tmp/said | grep 'initramfs'
    same "$(wc -l </tmp/said)" 1
}

down() {
    boardbox down
    same "$(links)" 'eth0 lo '
    refused grep -E 'cgroup|boardbox|/var/lib' /proc/mounts
    [ ! -e /run/boardbox ]
    same "$(pidof boardbox)" ''
    refused pidof syslogd
    boardbox down
}

up_again() {
    boardbox up
    run_in_their_cgroups
    boardbox exec foo23 -- hostname
}

# Every controller in one hierarchy, as some boards mount them: the profile of this boot says so.
one_hierarchy() {
    same "$(grep -c '^cgroup ' /proc/mounts)" 1
    status_is_whole
    run_in_their_cgroups
    same "$(boardbox cgroup foo23 cpuset.cpus)" 0-1
    same "$(allowed "$(pid_of foo23)")" 0-1
    same "$(boardbox cgroup foo23 devices.list)" 'c 1:3 rw
b 8:0 rw'
    boardbox freeze foo23
    boardbox info foo23 | grep -qx 'state: *FROZEN'
    boardbox unfreeze foo23
}

# The unit tests as they run under qemu-user, and here on a kernel of their own.
unit_tests() {
    cd /tmp
    code=0
    # What is damaged at random, a tenth as often: elsewhere all of it was done.
    BOARDBOX_TEST_SHARE=10 /test/unit-tests --test-threads 4 >/tmp/unit-tests.log 2>&1 || code=$?
    grep '^test result' /tmp/unit-tests.log >>/tmp/notes
    [ $code = 0 ] || { grep -v '\.\.\. ok$' /tmp/unit-tests.log; return 1; }
}

# Commands that end at once: the monitor must miss none of their ends, and nothing may stay.
short_lived() {
    before=$(mounts; links)
    : >/tmp/said
    begin=$(now)
    for i in $(seq "$1"); do
        # The shell's own limit on a hang.
        timeout -s KILL 60 lxc-start -n short -f /test/foo23.conf /bin/true 2>>/tmp/said
    done
    echo "$1 starts of true with foo23.conf: $((($(now) - begin) / $1)) ms each, by the board's clock" >>/tmp/notes
    # To be compared only where this machine has nothing else to do, and with 2 cpus: an emulated board's clock is this one's.
    [ "$(uname -m)" != ppc ] || echo 'LXC 0.9.0 on an e500mc emulated with 2 cpus: 300 ms each, and 6 of 20 hang' >>/tmp/notes
    same "$(cat /tmp/said)" ''
    same "$(mounts; links)" "$before"
    same "$(find /sys/fs/cgroup -type d -name short)" ''
    [ ! -e /run/boardbox/short ]
}

main() {
    try hierarchies 'the hierarchies are mounted as the profile says'
    try status_is_whole 'status says so'
    try run_in_their_cgroups 'the containers run, each in its cgroup of every hierarchy'
    try own_namespaces 'in namespaces of their own, with their own host name and root file system'
    try up_twice 'up twice is up once'
    [ ! -e /proc/device-tree/compatible ] || try other_boards_profile "another board's profile is refused"
    try cpusets 'cpusets'
    try shares 'cpu shares, read and written'
    try devices 'device rules'
    try memory_limit 'a process over the memory limit is killed'
    try task_limit 'the number of tasks is limited'
    try read_only_binds 'read-only binds and root file systems'
    try interfaces 'both interfaces are there, beside an eth0 of the board'"'"'s own'
    try board_and_container_reach_each_other 'board and container reach each other over br0'
    try hairpin_refused "hairpin on a port of br0 is refused"
    try freezing 'freeze and unfreeze'
    try executing 'exec: statuses, signals, streams, cgroups'
    try stopping 'stop leaves nothing, and start works again at once'
    try immediate_restarts '20 restarts in a row with one address'
    try down 'down leaves nothing; twice is once'
    try up_again 'up again'
    boardbox stop foo23
    try foo23 "foo23.conf, an LXC file, by LXC's commands"
    try failing_starts 'starts that fail leave nothing'
    try statuses 'run passes on how its command ended'
    try short_lived "$starts starts in a row of a command that ends at once" "$starts"
    try old_kernel_foo23 "on Linux 3.2's system calls: foo23.conf, every fallback; exec says that it needs 3.8"
    try old_kernel_execute "on Linux 3.2's system calls: lxc-execute's init"
    try unit_tests "the library's unit tests, on this board's kernel"
    try down 'down once more'
    try old_kernel_up "on Linux 3.2's system calls: up and down"
}

# Two hundred where LXC 0.9.0 hangs in some of twenty; fewer where it takes time from other tests only.
case $(uname -m) in
    ppc*) starts=200 ;;
    *) starts=50 ;;
esac
starts=${2:-$starts}
case ${1:-main} in
    main) main ;;
    # A boot of its own: the kernel keeps controllers together, or apart, once cgroups have been made.
    one-hierarchy)
        try one_hierarchy 'all controllers in one hierarchy: cgroups, values, freezing'
        try down 'down' ;;
    # / is the initramfs, which nothing can be pivoted away from.
    initramfs)
        try run_in_their_cgroups 'on an initramfs: the containers run'
        try own_namespaces 'on an initramfs: in namespaces of their own, with a root file system of their own'
        try cpusets 'on an initramfs: cpusets'
        try devices 'on an initramfs: device rules'
        try read_only_binds 'on an initramfs: read-only binds and root file systems'
        try interfaces 'on an initramfs: both interfaces'
        try stopping 'on an initramfs: stop leaves nothing'
        boardbox stop foo23
        try foo23 "on an initramfs: foo23.conf, an LXC file"
        try warned 'on an initramfs: whoever keeps CAP_SYS_ADMIN is warned about'
        try down 'on an initramfs: down leaves nothing' ;;
    *) echo "board-tests.sh: no such part: $1" >&2; exit 1 ;;
esac
echo "1..$number"
