#!/bin/sh
# layouts.sh LAYOUT: what the kernel says that a container has got, on a board whose hierarchies are mounted as S40layout did.
# BusyBox only; prints TAP, and leaves in /tmp/table a line "RULE|FILE = VALUE" for each rule, for the table in docs/cgroups.md.
#
# Nothing here asks boardbox: where a controller is says /proc/PID/cgroup and /proc/mounts, what it holds the file there.
layout=$1
. /test/lib.sh

# Where the board's containers' rules are: the spelling of the file, its value; the file of a v1 hierarchy and what has to be in
# it; the file of v2's and what has to be in it. A rule whose file the kernel does not have is left out, see `lacks`.
rules='
cpuset.cpus|0,1|cpuset.cpus|0-1|cpuset.cpus|0-1
cpuset.mems|0|cpuset.mems|0|cpuset.mems|0
cpu.shares|1234|cpu.shares|1234|cpu.weight|121
cpu.cfs_period_us|50000|cpu.cfs_period_us|50000||
cpu.cfs_quota_us|25000|cpu.cfs_quota_us|25000|cpu.max|25000 50000
memory.limit_in_bytes|64M|memory.limit_in_bytes|67108864|memory.max|67108864
memory.memsw.limit_in_bytes|96M|memory.memsw.limit_in_bytes|100663296|memory.swap.max|33554432
pids.max|64|pids.max|64|pids.max|64
blkio.throttle.read_bps_device|7:0 1048576|blkio.throttle.read_bps_device|7:0 1048576|io.max|7:0 rbps=1048576 wbps=max riops=max wiops=max
blkio.bfq.weight|200|blkio.bfq.weight|200|io.bfq.weight|default 200
'
# The same container in v2's words. memory.low has no equal on v1, and is tried where v2 has memory.
rules2='
cpuset.cpus|0,1|cpuset.cpus|0-1|cpuset.cpus|0-1
cpu.weight|50|cpu.shares|512|cpu.weight|50
cpu.max|25000 50000|cpu.cfs_quota_us|25000|cpu.max|25000 50000
memory.max|64M|memory.limit_in_bytes|67108864|memory.max|67108864
memory.low|16M|||memory.low|16777216
pids.max|64|pids.max|64|pids.max|64
io.max|7:0 wiops=100|blkio.throttle.write_iops_device|7:0 100|io.max|7:0 rbps=max wbps=max riops=max wiops=100
'

# The v1 controller of a file in either spelling.
controller_of() {
    case $1 in
        io.*) echo blkio ;;
        *) echo "${1%%.*}" ;;
    esac
}
# The mount point of a v1 controller's hierarchy; nothing where it is v2's.
v1_of() { awk -v c="$1" '$3 == "cgroup" && ("," $4 ",") ~ ("," c ",") { print $2; exit }' /proc/mounts; }
v2_root() { awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts; }

# where PID CONTROLLER: sets $version and $dir, that process's cgroup.
where() {
    mount=$(v1_of "$2")
    if [ -n "$mount" ]; then
        version=v1 dir=$mount$(cgroup_of "$1" "$2")
    else
        version=v2 dir=$(v2_root)$(sed -n 's/^0:://p' "/proc/$1/cgroup")
    fi
}
# A file of that cgroup, without its controller's name where the hierarchy has noprefix.
in_dir() { if [ -e "$dir/$1" ]; then echo "$dir/$1"; else echo "$dir/${1#*.}"; fi; }

# True where this kernel has no such file: no swap accounting, no BFQ.
lacks() {
    case $1 in
        *memsw* | memory.swap.*) [ "$swap" = no ] ;;
        *bfq*) [ "$bfq" = no ] ;;
        memory.low) [ -n "$(v1_of memory)" ] ;;
        *) false ;;
    esac
}
# Files of a cgroup that is made for looking at it.
kernel_has() {
    swap=no bfq=no
    for mount in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts); do
        [ ! -e "$mount/boardbox/foo23/memory.memsw.limit_in_bytes" ] || swap=yes
        [ ! -e "$mount/boardbox/foo23/memory.swap.max" ] || swap=yes
        [ ! -e "$mount/boardbox/foo23/blkio.bfq.weight" ] || bfq=yes
        [ ! -e "$mount/boardbox/foo23/io.bfq.weight" ] || bfq=yes
    done
}

# config PREFIX RULES: an LXC file with those of the rules that this kernel has.
config() {
    grep -v 'lxc\.cgroup' /test/foo23.conf
    echo "$2" | while IFS='|' read -r file value rest; do
        [ -z "$file" ] || lacks "$file" || echo "$1.$file = $value"
    done
    echo 'lxc.cgroup.devices.deny = a'
    echo 'lxc.cgroup.devices.allow = c 1:3 rw'
    echo 'lxc.cgroup.devices.allow = b 8:0 rw'
}

# rule NAME FILE VALUE V1-FILE V1-VALUE V2-FILE V2-VALUE: reads it back.
rule() {
    where "$(pid_of "$1")" "$(controller_of "$2")"
    if [ $version = v1 ]; then file=$4 expected=$5; else file=$6 expected=$7; fi
    # The period is in cpu.max, too.
    [ -n "$file" ] || return 0
    found=$(in_dir "$file")
    # One device's line, whatever else is there.
    case $file in
        io.max | *_device) is=$(grep '^7:0 ' "$found") ;;
        *) is=$(cat "$found") ;;
    esac
    same "$is" "$expected"
    echo "\`$2 = $3\`|$version \`${found##*/}\` $is" >>/tmp/table
}

# rules_of NAME RULES: a case for each.
rules_of() {
    echo "$2" >/tmp/rules
    while IFS='|' read -r file value file1 value1 file2 value2; do
        [ -n "$file" ] || continue
        if lacks "$file"; then
            echo "# $layout: this kernel, or this layout, has no $file"
            continue
        fi
        try rule "$layout: $file = $value" "$1" "$file" "$value" "$file1" "$value1" "$file2" "$value2"
    done </tmp/rules
}

device_rules() {
    pid=$(pid_of "$1")
    where "$pid" devices
    [ $version = v2 ] || same "$(cat "$dir/devices.list")" 'c 1:3 rw
b 8:0 rw'
    boardbox exec "$1" -- sh -c 'echo x >/dev/null'
    boardbox exec "$1" -- cat /dev/zero 2>&1 | grep 'Operation not permitted'
    boardbox exec "$1" -- sh -c 'mknod /tmp/null c 1 3' 2>&1 | grep 'Operation not permitted'
    same "$(boardbox cgroup "$1" devices.list)" 'c 1:3 rw
b 8:0 rw'
    boardbox cgroup "$1" devices.allow 'c 1:5 r'
    boardbox exec "$1" -- head -c 1 /dev/zero >/dev/null
    boardbox cgroup "$1" devices.deny 'c 1:5 r'
    boardbox exec "$1" -- cat /dev/zero 2>&1 | grep 'Operation not permitted'
    what=$([ $version = v2 ] && echo 'v2 a device program' || echo 'v1 `devices.list`')
    echo "\`devices\` deny a, allow c 1:3 rw, b 8:0 rw|$what: null yes, zero no, mknod no" >>/tmp/table
}

frozen() {
    where "$(pid_of "$1")" freezer
    boardbox freeze "$1"
    file=$([ $version = v1 ] && echo freezer.state || echo cgroup.freeze)
    is=$(cat "$dir/$file")
    same "$is" "$([ $version = v1 ] && echo FROZEN || echo 1)"
    [ $version = v1 ] || grep -qx 'frozen 1' "$dir/cgroup.events"
    boardbox unfreeze "$1"
    echo "freeze|$version \`$file\` $is" >>/tmp/table
}

effective() {
    pid=$(pid_of "$1")
    same "$(allowed "$pid")" 0-1
    echo "cpus of the first process|$(allowed "$pid")" >>/tmp/table
}

# The profile's containers, as the profile brought them up at boot.
board_profile() {
    for name in foo23 logger; do boardbox info $name | grep -qx 'state: *RUNNING'; done
    same "$(allowed "$(pid_of foo23)")" 0-1
    same "$(allowed "$(pid_of logger)")" 2-3
    where "$(pid_of foo23)" cpu
    [ $version = v2 ] && same "$(cat "$dir/cpu.weight")" 121 || same "$(cat "$dir/cpu.shares")" 1234
    where "$(pid_of logger)" memory
    same "$(cat "$dir/$([ $version = v2 ] && echo memory.max || echo memory.limit_in_bytes)")" $((32 << 20))
    where "$(pid_of logger)" pids
    same "$(cat "$dir/pids.max")" 64
    boardbox exec foo23 -- cat /dev/zero 2>&1 | grep 'Operation not permitted'
    same "$(boardbox status | grep -c RUNNING)" 2
}

memory_limit() {
    code=0
    boardbox exec logger -- tail -n 1 /dev/zero || code=$?
    same $code 137
    boardbox info logger | grep 'out of memory'
}

# value NAME V1-FILE V2-FILE: what the kernel has, in the words of the hierarchy that has it.
value() {
    where "$(pid_of "$1")" "$(controller_of "$2")"
    cat "$(in_dir "$([ $version = v1 ] && echo "$2" || echo "$3")")"
}
# by_layout CONTROLLER V1-VALUE V2-VALUE: which of them is to be expected.
by_layout() { if [ -n "$(v1_of "$1")" ]; then echo "$2"; else echo "$3"; fi; }

all_or_nothing() {
    boardbox cgroup "$1" cpu.shares=2048 pids.max=32
    same "$(value "$1" cpu.shares cpu.weight)" "$(by_layout cpu 2048 200)"
    same "$(value "$1" pids.max pids.max)" 32
    refused boardbox cgroup "$1" cpu.shares=1024 'devices.deny=c 1:3 w' pids.max=many
    same "$(value "$1" cpu.shares cpu.weight)" "$(by_layout cpu 2048 200)"
    boardbox exec "$1" -- sh -c 'echo x >/dev/null'
    refused boardbox cgroup "$1" 'devices.deny=c 1:3 w' 'devices.allow=z'
    boardbox exec "$1" -- sh -c 'echo x >/dev/null'
}

# A changed profile, for a container that runs.
applied() {
    profile() {
        printf '%s\n' '[board]' 'name = "t"' '[[container]]' 'name = "applied"' 'rootfs = "/var/lib/lxc/temp/rootfs"' \
            'command = ["/bin/sleep", "1000"]' "$@" >/tmp/applied.toml
    }
    profile 'cpu = { shares = 512, quota = 50000 }' 'memory = { limit = "32M" }' 'pids = { max = 64 }' \
        'io = { throttle = [{ device = "7:0", read-bps = "1M" }] }'
    boardbox start --profile /tmp/applied.toml applied
    pid=$(pid_of applied)
    same "$(boardbox apply /tmp/applied.toml)" 'nothing to change'
    profile 'cpu = { shares = 1024 }' 'memory = { limit = "64M" }' 'hostname = "other"' 'devices = { allow = ["c 1:5 r"] }'
    boardbox apply /tmp/applied.toml >/tmp/said
    cat /tmp/said
    same "$(tail -n 1 /tmp/said)" 'applied: changed, but only by a restart: hostname'
    same "$(pid_of applied)" "$pid"
    same "$(value applied cpu.shares cpu.weight)" "$(by_layout cpu 1024 100)"
    same "$(value applied cpu.cfs_quota_us cpu.max)" "$(by_layout cpu -1 'max 100000')"
    same "$(value applied memory.limit_in_bytes memory.max)" $((64 << 20))
    same "$(value applied pids.max pids.max)" max
    refused sh -c "$(echo "grep ^7:0 '$(where "$pid" blkio; in_dir "$(by_layout blkio blkio.throttle.read_bps_device io.max)")'")"
    boardbox exec applied -- head -c 1 /dev/zero >/dev/null
    boardbox exec applied -- cat /dev/null 2>&1 | grep 'Operation not permitted'
    profile 'cpu = { shares = 2 }' 'cgroup = [["pids.max", "many"]]'
    refused boardbox apply /tmp/applied.toml
    same "$(value applied cpu.shares cpu.weight)" "$(by_layout cpu 1024 100)"
    stop applied
}

# Cpus of its own: with v1, what nobody else may have; with v2 on a kernel before 6.7, an error.
exclusive() {
    { grep -v 'lxc\.cgroup' /test/foo23.conf; echo 'lxc.cgroup.cpuset.cpus = 0'; echo 'lxc.cgroup.cpuset.cpu_exclusive = 1'; } >/tmp/own.conf
    { grep -v 'lxc\.cgroup' /test/foo23.conf | sed 's/\.23/.25/'; } >/tmp/rest.conf
    if [ -z "$(v1_of cpuset)" ]; then
        lxc-start -n own -f /tmp/own.conf -d /bin/sleep 1000 2>&1 | tee /tmp/said
        grep 'root invalid.*it needs Linux 6.7' /tmp/said
        same "$(find /sys/fs/cgroup /dev -type d -name own)" ''
        return
    fi
    start own
    start rest
    same "$(allowed "$(pid_of own)")" 0
    allowed "$(pid_of rest)" | grep '^1-'
    boardbox cgroup rest cpuset.cpus 0-1 2>&1 | grep 'another cgroup has some of them for itself'
    stop own
    stop rest
}

no_equal() {
    { grep -v 'lxc\.cgroup' /test/foo23.conf; echo 'lxc.cgroup2.memory.low = 16M'; } >/tmp/low.conf
    { grep -v 'lxc\.cgroup' /test/foo23.conf; echo 'lxc.cgroup.memory.soft_limit_in_bytes = 16M'; } >/tmp/soft.conf
    which=$(by_layout memory low soft)
    lxc-start -n no -f /tmp/$which.conf -d /bin/sleep 1000 2>&1 | tee /tmp/said
    grep "/tmp/$which.conf:[0-9]*:[0-9]*: container \"no\": memory.*what comes closest" /tmp/said
}

start() { lxc-start -n "$1" -f "/tmp/$1.conf" -d /bin/sleep 1000; }
stop() {
    boardbox stop -k "$1"
    same "$(find /sys/fs/cgroup /dev -type d -name "$1")" ''
}

# Mounts, groups and what is passed down: before `up` and after `down`.
down() {
    boardbox down
    same "$(cgroups)" "$(cat /run/cgroups-before)"
}

# Where systemd has the tree, what is passed down at its top is its own business: it is not taken back.
systemd_has_the_tree() {
    root=$(v2_root)
    mkdir -p /run/systemd/system
    # br0 went with down.
    { grep -v 'lxc\.\(cgroup\|network\)' /test/foo23.conf; echo 'lxc.cgroup2.pids.max = 9'; } >/tmp/alone.conf
    start alone
    passed=$(cat "$root/cgroup.subtree_control")
    boardbox stop -k alone
    same "$(cat "$root/cgroup.subtree_control")" "$passed"
    [ -n "$passed" ] && [ ! -e "$root/boardbox" ]
    rmdir /run/systemd/system /run/systemd
    for controller in $passed; do echo "-$controller" >"$root/cgroup.subtree_control"; done
}

# A hierarchy that can not be written is not joined, and a rule for it is refused.
read_only() {
    tree=$(v1_of pids)
    [ -n "$tree" ] || tree=$(v2_root)
    { grep -v 'lxc\.cgroup' /test/foo23.conf; echo 'lxc.cgroup.pids.max = 9'; } >/tmp/ro.conf
    grep -v 'lxc\.cgroup' /test/foo23.conf | sed 's/\.23/.26/' >/tmp/without.conf
    mount -o remount,bind,ro "$tree"
    lxc-start -n ro -f /tmp/ro.conf -d /bin/sleep 1000 2>&1 | tee /tmp/said
    grep "pids.max: the hierarchy of controller pids on $tree is mounted read-only" /tmp/said
    start without
    where "$(pid_of without)" pids
    [ "${dir##*/}" != without ]
    stop without
    mount -o remount,bind,rw "$tree"
}

# An init of its own: it makes groups below, moves itself, passes controllers on. Its end takes them along.
delegated() {
    { grep -v 'lxc\.cgroup' /test/foo23.conf; echo 'lxc.mount.auto = proc sys cgroup'; echo 'lxc.cgroup.pids.max = 40'; } >/tmp/own.conf
    root=/var/lib/lxc/temp/rootfs
    cat >$root/sbin/own <<'end'
#!/bin/sh
exec >/tmp/own 2>&1
# Where v1 or v2 has pids.
for top in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/*pids*; do
    [ ! -e $top/cgroup.procs ] || cd $top
done
mkdir below below/deeper && echo made
# A cpuset has to be filled first.
for file in cpuset.cpus cpuset.mems; do
    [ -e cgroup.subtree_control ] || [ ! -e $file ] || cat $file >below/$file
done
echo 1 >below/cgroup.procs && echo moved
if [ -e cgroup.subtree_control ]; then
    echo +pids >cgroup.subtree_control && echo passed on
    echo max >pids.max
fi
sed -n 's/.*:\(.*,\)*pids\(,.*\)*:\|^0:://p' /proc/self/cgroup
echo ready
trap 'exit 0' PWR
while :; do sleep 1; done
end
    chmod +x $root/sbin/own
    lxc-start -n own -f /tmp/own.conf -d /sbin/own
    until_true grep -q ready $root/tmp/own
    cat $root/tmp/own
    for line in made moved /below; do grep -qx $line $root/tmp/own; done
    where "$(pid_of own)" pids
    group=${dir%%/own/*}/own
    same "$(cat "$group/pids.max")" 40
    if [ $version = v2 ]; then
        grep -qx 'passed on' $root/tmp/own
        same "$dir" "$group/payload/below"
    fi
    boardbox exec own -- true
    boardbox freeze own
    boardbox unfreeze own
    boardbox stop own
    same "$(find /sys/fs/cgroup /dev -type d -name own)" ''
}

# Groups of somebody else's in the same tree: one that is threaded, one that passes a controller down itself.
neighbours() {
    root=$(v2_root)
    mkdir "$root/threads" "$root/other" "$root/other/below"
    echo threaded >"$root/threads/cgroup.type"
    echo +pids >"$root/other/cgroup.subtree_control"
    start words1
    boardbox stop -k words1
    same "$(cat "$root/threads/cgroup.type")" threaded
    same "$(cat "$root/other/cgroup.subtree_control")" pids
    rmdir "$root/threads" "$root/other/below" "$root/other"
}

# tests/devices.rs, as a program: on v1 what the kernel's controller does, on v2 what the program does.
device_tests() {
    /test/devices --nocapture
}

: >/tmp/table
kernel_has
config lxc.cgroup "$rules" >/tmp/words1.conf
config lxc.cgroup2 "$rules2" >/tmp/words2.conf
try board_profile "$layout: the profile runs unchanged"
boardbox stop -k foo23
try start "$layout: a container with every rule in v1's words" words1
rules_of words1 "$rules"
try device_rules "$layout: device rules, changed while it runs" words1
try effective "$layout: its cpus" words1
try frozen "$layout: freeze" words1
try all_or_nothing "$layout: several settings at once, all or none" words1
try stop "$layout: nothing is left of it" words1
try applied "$layout: a changed profile is applied to a container that runs, all or nothing"
try start "$layout: a container with rules in v2's words" words2
rules_of words2 "$rules2"
try stop "$layout: nothing is left of that one" words2
try exclusive "$layout: exclusive cpus"
try delegated "$layout: a container with an init that manages its own groups"
try read_only "$layout: a hierarchy that is mounted read-only"
try no_equal "$layout: what has no equal here is an error with key and reason"
[ "$layout" != v2 ] || try neighbours "$layout: other groups, a threaded one among them, are left alone"
try memory_limit "$layout: what reaches its memory limit is killed"
try down "$layout: down gives everything back: mounts, groups and controllers are as before"
[ "$layout" != v2 ] || try systemd_has_the_tree "$layout: what is passed down stays where systemd has the tree"
[ ! -x /test/devices ] || case $layout in
    v1 | v2) try device_tests "$layout: $BOARDBOX_TEST_LISTS lists of device rules do what the model says" ;;
esac
echo "1..$number"
