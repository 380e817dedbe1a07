"""The emulated boards: what they are made of, and how QEMU is asked for one."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


class Board:
    """One kind of emulated board. Its profile is boards/PROFILE.toml."""

    def __init__(self, name, arch, kernel, console, machine, memory=512, profile=None, compatible=None):
        self.name = name
        self.compatible = compatible  # what QEMU's own board calls itself, where the profile is another one's
        self.profile = profile or name
        self.arch = arch  # as in dist/boardbox-ARCH
        self.kernel = kernel  # the file in the directory that kernel-NAME prints
        self.console = console
        self.machine = machine
        self.memory = memory

    def command(self, kernel, initrd, append="", mac="02:00:00:00:00:01", switch=None, interactive=False, more=(),
                memory=None):
        """QEMU's command line; `switch` is the port of a switch on this machine that eth0 is plugged into."""
        command = self.machine + ["-m", str(memory or self.memory), "-nographic", "-no-reboot", "-nic", "none"]
        command += [] if interactive else ["-serial", "stdio", "-monitor", "none"]
        command += ["-kernel", os.path.join(kernel, self.kernel), "-initrd", initrd]
        # A panic ends QEMU at once; whoever watches the console then sees its end.
        command += ["-append", f"console={self.console} panic=-1 quiet dummy.numdummies=0 {append}".strip()]
        if "tcg" in self.machine:
            # The timer's ticks are counted at boot, and come late where this machine has much to do.
            command[-1] += " no_timer_check"
        if switch is not None:
            command += ["-netdev", f"socket,id=uplink,connect=127.0.0.1:{switch}"]
            command += ["-device", f"virtio-net-pci,netdev=uplink,mac={mac},romfile="]
        return command + list(more)


def accelerated():
    """By this machine's own processor where that can be; emulated otherwise. /dev/kvm may also be that of a hypervisor which
    runs no kernel but those made for it (pvm)."""
    native = any(os.path.isdir(f"/sys/module/{module}") for module in ("kvm_intel", "kvm_amd"))
    kvm = native and os.access("/dev/kvm", os.R_OK | os.W_OK)
    return ["-accel", "kvm", "-cpu", "host"] if kvm else ["-accel", "tcg", "-cpu", "max"]


BOARDS = {
    board.name: board
    for board in (
        # The machine has no P4080DS; this is its processor, in QEMU's own e500 board.
        Board("p4080ds", "powerpc", "vmlinux", "ttyS0",
              ["qemu-system-ppc", "-M", "ppce500", "-cpu", "e500mc", "-smp", "8"], compatible="fsl,qemu-e500"),
        Board("aarch64", "aarch64", "Image", "ttyAMA0",
              ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "4"], profile="qemu-virt-aarch64"),
        Board("x86_64", "x86_64", "bzImage", "ttyS0",
              ["qemu-system-x86_64", "-M", "q35", *accelerated(), "-smp", "4"], profile="qemu-q35"),
    )
}


def output(*command):
    """What a program of this directory prints: the name of what it made."""
    run = subprocess.run([os.path.join(HERE, command[0]), *command[1:]], stdout=subprocess.PIPE, text=True, check=True)
    return run.stdout.strip()
