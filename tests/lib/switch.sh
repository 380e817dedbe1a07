#!/bin/sh
# A switch for boards in network namespaces, which reflects frames to the port they came from or does not (IEEE 802.1Qbg
# calls it reflective relay). It is a Linux bridge in a network namespace of its own, each of its ports the other end of a
# board's uplink; reflecting is its ports' hairpin mode. (Hairpin on a board's own bridge is something else, and wrong.)
#
#   switch.sh up BOARD UPLINK   makes interface UPLINK in the network namespace BOARD and plugs it into the switch;
#                               the first `up` makes the switch, further ones plug in further boards
#   switch.sh reflect on|off    off is what it begins with
#   switch.sh frames            how many frames came in from the boards, and how many went out to them
#   switch.sh down              unplugs all: the uplinks are gone, and the switch too
#
# BOARD is the pid of a process in the namespace, a name that `ip netns` knows, or a path. SWITCH_DIR (default:
# /tmp/boardbox-switch) is the directory that remembers the switch: with one for each, there can be many at a time. Root.
set -eu
dir=${SWITCH_DIR:-/tmp/boardbox-switch}

fail() { echo "switch: $*" >&2; exit 1; }
usage() { sed -n '2,/^set/{/^# \{0,1\}/s///p}' "$0" >&2; exit 1; }

# A process's start time tells it from a later one with the same number.
start_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# The process that keeps the switch's namespace; fails where there is none.
holder() {
    [ -f "$dir/holder" ] || return 1
    read -r pid start <"$dir/holder"
    [ -n "$start" ] && [ "$(start_of "$pid")" = "$start" ] && echo "$pid"
}

inside() { nsenter -t "$switch" -n "$@"; }

# nsenter's words for a namespace.
namespace() {
    case $1 in
        */*) echo "--net=$1" ;;
        *[!0-9]*) echo "--net=/run/netns/$1" ;;
        *) echo "--net=/proc/$1/ns/net" ;;
    esac
}

make_switch() {
    mkdir -p "$dir"
    # Its output goes nowhere: whoever reads ours would wait for its end, too.
    unshare -n sleep 2147483647 </dev/null >/dev/null 2>&1 &
    switch=$!
    echo "$switch $(start_of $switch)" >"$dir/holder"
    while [ "$(readlink /proc/$switch/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do
        kill -0 $switch 2>/dev/null || fail "cannot make a network namespace: root?"
        sleep 0.01
    done
    inside ip link set lo up
    inside ip link add switch type bridge
    inside ip link set switch up
}

set_hairpin() {
    if command -v bridge >/dev/null; then
        inside bridge link set dev "$1" hairpin "$2"
    elif ! inside ip link set dev "$1" type bridge_slave hairpin "$2" 2>/dev/null; then
        case $2 in on) bit=1 ;; *) bit=0 ;; esac
        # /sys shows the namespace of whoever mounted it: mounted once more, out of everyone else's sight.
        inside unshare -m sh -c "mount -t sysfs sysfs /sys && echo $bit >/sys/class/net/$1/brport/hairpin_mode"
    fi
}

ports() { inside ip -o link show master switch | sed 's/^[0-9]*: \([^:@]*\).*/\1/'; }

[ $# -ge 1 ] || usage
command=$1
shift
case $command in
    up)
        [ $# = 2 ] || usage
        board=$(namespace "$1")
        [ -e "${board#--net=}" ] || fail "there is no network namespace $1"
        if ! switch=$(holder); then make_switch; fi
        number=$(ports | wc -l)
        # Made on the board's side: a name that is taken there fails at once, and nothing is left.
        nsenter "$board" ip link add "$2" type veth peer name "p$number" netns "$switch"
        nsenter "$board" ip link set "$2" up
        inside ip link set "p$number" master switch
        inside ip link set "p$number" up
        if [ "$(cat "$dir/reflect" 2>/dev/null)" = on ]; then set_hairpin "p$number" on; fi
        ;;
    reflect)
        case ${1:-} in on | off) ;; *) usage ;; esac
        switch=$(holder) || fail "there is no switch: switch.sh up BOARD UPLINK makes it"
        for port in $(ports); do set_hairpin "$port" "$1"; done
        echo "$1" >"$dir/reflect"
        ;;
    frames)
        switch=$(holder) || fail "there is no switch"
        inside cat /proc/net/dev | sed 's/:/ /' |
            awk '$1 ~ /^p[0-9]+$/ { came += $3; went += $11 } END { print came + 0, went + 0 }'
        ;;
    down)
        if switch=$(holder); then
            # The veths go with the namespace, but a little later: gone when this returns.
            for port in $(ports); do inside ip link del "$port"; done
            kill "$switch"
        fi
        rm -f "$dir/holder" "$dir/reflect"
        rmdir "$dir" 2>/dev/null || true
        ;;
    *) usage ;;
esac
