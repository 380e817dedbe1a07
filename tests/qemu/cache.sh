# What is built once and kept outside the tree; sourced by the scripts beside it.
#
#   key=$(key_of FILE-or-@TEXT...)   what the result depends on, as one short name
#   cached NAME KEY && exit          prints the directory and succeeds if it is there, complete
#   begin NAME KEY                   $work: an empty directory to build in; gone at the end, also after a failure
#   keep FILE...                     moves these into the cache and prints the directory
#
# A result appears by one rename: an interrupted build leaves nothing that looks complete. Older keys of a name are removed
# when a new one is kept, so that the cache does not grow with every edit; but not those used in the last three hours: another
# checkout may be booting from them.
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$top/scripts/env"
cache=$BOARDBOX_CACHE/qemu
# What the make that called us was told (SHELL=1, say) is none of these builds' business.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES

key_of() {
    for part in "$@"; do
        case $part in
            @*) echo "${part#@}" ;;
            *) cat "$part" ;;
        esac
    done | sha256sum | cut -c 1-16
}

cached() {
    [ -d "$cache/$1-$2" ] && touch "$cache/$1-$2" && echo "$cache/$1-$2"
}

begin() {
    cache_name=$1 cache_key=$2
    mkdir -p "$cache"
    # Two builds of one thing at a time would only take twice as long: the second one waits and finds it done.
    exec 9>"$cache/$cache_name.lock"
    flock 9
    cached "$cache_name" "$cache_key" && exit
    work=$cache/$cache_name.work
    rm -rf "$work"
    mkdir "$work"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
}

keep() {
    mkdir "$work/keep"
    mv "$@" "$work/keep/"
    find "$cache" -maxdepth 1 -type d -name "$cache_name-????????????????" -mmin +180 -exec rm -rf {} +
    mv "$work/keep" "$cache/$cache_name-$cache_key"
    echo "$cache/$cache_name-$cache_key"
}

say() { echo "qemu: $*" >&2; }
