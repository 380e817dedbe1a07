# What the board tests share; sourced. Each case is a function; it passes when every command in it succeeds.

number=0
log=/tmp/case.log

# try FUNCTION 'what it says' [ARG...]: one case. In the background, since a shell ignores -e where a condition is tested.
try() {
    function=$1 what=$2
    : >/tmp/notes
    shift 2
    number=$((number + 1))
    (
        set -ex
        "$function" "$@"
    ) >$log 2>&1 &
    if wait $!; then
        echo "ok $number - $what"
        [ ! -s /tmp/notes ] || sed 's/^/# /' /tmp/notes
    else
        cat $log
        echo "not ok $number - $what"
    fi
}

refused() { ! "$@"; }
same() { [ "$1" = "$2" ] || { echo "is:        $1"; echo "should be: $2"; return 1; }; }
until_true() {
    for i in $(seq 100); do
        if "$@"; then return 0; fi
        usleep 100000
    done
    echo "waited 10 s for: $*"
    return 1
}
pid_of() { boardbox info "$1" | sed -n 's/^pid: *//p'; }
# A process's cgroup for a v1 controller.
cgroup_of() { sed -n "s/^[0-9]*:\(.*,\)\{0,1\}$2\(,.*\)\{0,1\}:\(.*\)/\3/p" "/proc/$1/cgroup"; }
links() { ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | sort | tr '\n' ' '; }
mounts() { cut -d ' ' -f 2,3 /proc/mounts | sort; }
# What is mounted of cgroups, which groups there are, and what is passed down.
cgroups() {
    grep cgroup /proc/mounts
    for mount in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts); do
        find "$mount" -type d | sort
        [ ! -e "$mount/cgroup.subtree_control" ] || echo "passed down: $(cat "$mount/cgroup.subtree_control")"
    done
}
# A task's cpus, as the kernel has them.
allowed() { sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/status"; }
# Milliseconds since boot, by the board's clock (its ticks are 10 ms).
now() { sed 's/^\([0-9]*\)\.\([0-9]*\) .*/\1\20/' /proc/uptime; }
