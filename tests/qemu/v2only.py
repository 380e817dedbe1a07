"""What `make demo` and `make test` run, on a machine that has cgroup v2 only: this machine's own files, and a kernel beside."""

import json
import os
import re
import shlex
import subprocess

from boards import TOP
from layouts import LISTS


# Megabytes. What the tests write is in memory.
MEMORY = 2048


def programs(arch):
    """The unit and integration tests as programs."""
    command = ["cargo", "test", "--locked", "--target", f"{arch}-unknown-linux-musl", "--no-run", "--message-format=json"]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=TOP)
    messages = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    return {message["target"]["name"]: message["executable"] for message in messages
            if message.get("executable") and message["profile"]["test"]}


def options():
    """QEMU's, by which the board sees this machine's files."""
    # Several file systems under one tag: each inode number gets a part that tells them apart.
    return ["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]


def run(tap, boot, arch, only):
    """A case for the demo and one for each program of the tests, or for those named."""
    tests = {name: program for name, program in programs(arch).items() if not only or name in only}
    for name in only:
        if name not in tests:
            raise SystemExit(f"v2only: there is no test {name}")
    board = boot("v2-only", 20)
    board.ready()
    code, said = board.run("cat /proc/mounts | grep cgroup")
    tap.case(code == 0 and "cgroup2" in said and " cgroup " not in said, "v2 only: there is no other hierarchy", said)
    top = shlex.quote(TOP)
    code, said = board.run(f"cd {top} && scripts/demo", 300)
    tap.case(code == 0, "v2 only: the demo", said)
    code, said = board.run("find /sys/fs/cgroup -mindepth 1 -type d; cat /sys/fs/cgroup/cgroup.subtree_control")
    tap.case(code == 0 and not said.strip(), "v2 only: it leaves nothing, and no controller is passed down any more", said)
    for name, program in sorted(tests.items()):
        code, said = board.run(f"cd {top} && BOARDBOX_TEST_LISTS={LISTS} BOARDBOX_TEST_SHARE=5 {shlex.quote(program)}", 900)
        result = re.search(r"test result: .*", said)
        tap.case(code == 0, f"v2 only: {name}: {result[0] if result else 'no result'}", said)
    board.power_off()
