"""The cases of one emulated board: those that run on it, and those that need a wire."""

import layouts
from switch import Switch

# Of the profiles: the containers' addresses on eth0. The second board's are made from them.
FOO, LOGGER = "192.168.0.23", "192.168.0.24"
OTHER_FOO = "192.168.0.123"


def run(tap, boot):
    switch = Switch(reflect=True)
    one = boot("one", 1, switch.port)
    seconds = one.ready()
    tap.note(f"from the kernel's start to the containers running: {seconds:.2f} s of the board's own time")
    wire(tap, boot, switch, one)
    tap.board(one, "board", "sh /test/board-tests.sh main")
    one.power_off()

    # How controllers are mounted can be chosen once in a boot.
    together = boot("one-hierarchy", 3, switch.port, "board_profile=/test/one-hierarchy.toml")
    together.ready()
    tap.board(together, "board", "sh /test/board-tests.sh one-hierarchy")
    together.power_off()

    initramfs = boot("initramfs", 4, switch.port, "initramfs=stay")
    initramfs.ready()
    tap.board(initramfs, "board", "sh /test/board-tests.sh initramfs")
    initramfs.power_off()
    layouts.run(tap, boot, switch)
    tap.case(switch.failure is None, "the switch has worked throughout", str(switch.failure))


def wire(tap, boot, switch, one):
    """VEPA over a real wire: the frame counts at the switch say which way the frames went."""
    two = boot("two", 2, switch.port)
    two.ready()
    move = "sed 's/192\\.168\\.\\([0-9]*\\)\\./&1/' /etc/boardbox/board.toml >/tmp/two.toml"
    code, said = two.run(f"boardbox down && {move} && boardbox up --any-board --profile /tmp/two.toml")
    tap.case(code == 0, "wire: a second board, with addresses of its own", said)

    def ping(board, address, container="foo23", count=3):
        return board.run(f"boardbox exec {container} -- ping -c {count} -W 2 {address}")

    def counts(pair):
        back = pair[::-1]
        return [switch.count(what, "ipv4", between) for between in (pair, back) for what in ("forwarded", "reflected")]

    for board, address in ((one, LOGGER), (one, OTHER_FOO)):
        ping(board, address)  # whoever has to be asked for by ARP is known from here on, and the bridges have settled

    switch.clear()
    code, said = ping(one, LOGGER)
    tap.case(code == 0, "wire: two containers on one board reach each other through a switch that reflects", said)
    tap.case(counts((FOO, LOGGER)) == [0, 3, 0, 3], "wire: each of their frames was reflected, none went another way",
             f"forwarded, reflected, and back: {counts((FOO, LOGGER))}")

    switch.clear()
    code, said = ping(one, OTHER_FOO)
    tap.case(code == 0, "wire: containers on two boards reach each other", said)
    tap.case(counts((FOO, OTHER_FOO)) == [3, 0, 3, 0], "wire: each of their frames was forwarded, none reflected",
             f"forwarded, reflected, and back: {counts((FOO, OTHER_FOO))}")

    switch.reflect = False
    switch.clear()
    code, said = ping(one, LOGGER)
    tap.case(code != 0, "wire: without reflection two containers on one board do not reach each other", said)
    refused = switch.count("refused", "ipv4", (FOO, LOGGER)) + switch.count("refused", "arp")
    tap.case(refused > 0 and counts((FOO, LOGGER)) == [0] * 4, "wire: their frames came to the switch and no further",
             f"{refused} refused; {counts((FOO, LOGGER))}")
    code, said = ping(one, OTHER_FOO)
    tap.case(code == 0, "wire: without reflection containers on two boards still do", said)

    switch.clear()
    code, said = one.run(f"ip addr add 192.168.0.1/24 dev br0 && ping -c 3 -W 2 {FOO}; ip addr del 192.168.0.1/24 dev br0")
    tap.case(code == 0 and switch.count("received", "ipv4", ("192.168.0.1", FOO)) == 0,
             "wire: board and container reach each other over br0, not over the wire", said)

    switch.reflect = True
    two.power_off()
