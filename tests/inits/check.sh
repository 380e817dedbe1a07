#!/bin/sh
# check.sh INIT, on the machine, once its init has called boardbox: says what is so and what is not, has the init restart the
# board and power the machine off. Lines for whoever watches begin with "#@".
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
init=$1

say() { echo "#@ $*" >/dev/console; }

# ok WHAT COMMAND...: the command succeeds.
ok() {
    what=$1
    shift
    if said=$("$@" 2>&1); then say "ok - $init: $what"; else
        say "not ok - $init: $what"
        echo "$said" | sed 's/^/#@   /' >/dev/console
    fi
}

refused() { ! "$@" 2>/tmp/why && grep -q 'Read-only file system' /tmp/why; }
refuses() { ! "$@"; }
is() { [ "$1" = "$2" ] || { echo "\"$1\" is not \"$2\""; return 1; }; }
pid() { boardbox info --json thin | sed 's/.*"pid":\([0-9]*\).*/\1/'; }
# systemctl waits for the unit it was told of, not for the one that PartOf passes the stop on to.
taken_down() { for _ in $(seq 100); do [ -e /run/boardbox/.profile ] || return 0; sleep 0.1; done; boardbox ps; return 1; }
enslaved() { [ -e /sys/class/net/br0/brif/eth0 ]; }

# The init's own word on it.
active() {
    case $init in
        systemd) systemctl is-active boardbox ;;
        sysvinit) /etc/init.d/boardbox status ;;
        openrc) rc-service boardbox status && rc-status default | grep -q 'boardbox.*started' ;;
    esac
}

# by_hand restart|stop
by_hand() {
    case $init in
        systemd) systemctl "$1" boardbox ;;
        sysvinit) /etc/init.d/boardbox "$1" ;;
        openrc) rc-service boardbox "$1" ;;
    esac
}

# Whoever calls this may be called before boardbox has come to its end.
n=0
until boardbox info thin >/dev/null 2>&1 || [ $n -ge 60 ]; do
    sleep 1
    n=$((n + 1))
done
sleep 2

say "$init: $(cat /proc/1/comm), $(grep PRETTY /etc/os-release), Linux $(uname -r)"
boardbox ps 2>&1 | sed 's/^/#@ /' >/dev/console
boardbox status 2>&1 | sed 's/^/#@ /' >/dev/console
ok "the container runs" boardbox wait -s RUNNING -t 5 thin
ok "its init calls it up" active
ok "the port that /etc/default or /etc/conf.d names is on the bridge" enslaved
ok "a bound program runs inside" boardbox exec thin -- /usr/bin/env true
ok "what is bound is read-only" refused boardbox exec thin -- touch /usr/bin/x
ok "so is the skeleton" refused boardbox exec thin -- touch /x
ok "the skeleton has no file in it" is "$(find /var/lib/boardbox/thin -type f | wc -l)" 0
ok "the container has its address" boardbox exec thin -- ip -4 addr show eth0 up
before=$(pid)
ok "the init restarts it" by_hand restart
ok "the container runs again" boardbox wait -s RUNNING -t 30 thin
ok "it is another one" test "$(pid)" != "$before"
# What is so where one of several containers does not start: what runs is to be taken down all the same, by each of what takes it
# down, although the init takes the start for a failure.
printf '\n[[container]]\nname = "broken"\nrootfs = "/nowhere"\ncommand = ["/bin/true"]\n' >>/etc/boardbox/board.toml
stopped() { is "$(tail -n 1 /var/log/thin/life)" stopped; }
for how in restart stop poweroff; do
    ok "with one that fails, restart fails" refuses by_hand restart
    case $init in
        systemd)
            ok "the unit is failed" systemctl is-failed boardbox
            ok "the unit that takes it down is active" systemctl is-active boardbox-down ;;
        openrc) ok "it is inactive, which is stopped at the end, too" sh -c 'rc-status default | grep -q "boardbox.*inactive"' ;;
    esac
    ok "the other container runs" boardbox wait -s RUNNING -t 5 thin
    [ $how = stop ] || continue
    ok "stop succeeds" by_hand stop
    ok "it has stopped the container" stopped
    ok "the board is down" taken_down
done
say "done: powering off"
case $init in
    systemd) systemctl --no-block poweroff ;;
    *) shutdown -h -P now ;;
esac
