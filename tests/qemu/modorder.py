"""modorder.py DIRECTORY MODULES.BUILTIN NAME...: the modules' files in an order that insmod can load them in.

What a module needs is in the module itself (.modinfo), so no modprobe of the kernel's release is needed here. A name that
is neither a module nor built in is an error: a kernel without it would fail later and less plainly.
"""

import os
import re
import sys


def plain(name):
    return name.replace("-", "_")


def main():
    directory, builtin, *names = sys.argv[1:]
    files = {}
    for where, _, entries in os.walk(directory):
        for entry in entries:
            if entry.endswith(".ko"):
                files[plain(entry[:-3])] = os.path.join(where, entry)
    with open(builtin, encoding="ascii") as lines:
        built_in = {plain(os.path.basename(line.strip())[:-3]) for line in lines}
    order = []

    def add(name):
        name = plain(name)
        if name in built_in or files.get(name) in order:
            return
        if name not in files:
            sys.exit(f"modorder.py: the kernel has no {name}, neither built in nor as a module")
        with open(files[name], "rb") as module:
            depends = re.search(rb"\0depends=([^\0]*)\0", module.read())
        for needed in filter(None, depends[1].decode().split(",") if depends else []):
            add(needed)
        order.append(files[name])

    for name in names:
        add(name)
    print("\n".join(order))


main()
