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
    two = second(tap, boot, switch)
    wire(tap, switch, one)
    relay(tap, switch, one, two)
    two.power_off()
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


def second(tap, boot, switch):
    """A second board on the switch."""
    two = boot("two", 2, switch.port)
    two.ready()
    move = "sed 's/192\\.168\\.\\([0-9]*\\)\\./&1/' /etc/boardbox/board.toml >/tmp/two.toml"
    code, said = two.run(f"boardbox down && {move} && boardbox up --profile /tmp/two.toml")
    tap.case(code == 0, "wire: a second board, with addresses of its own", said)
    return two


def ping(board, address, container="foo23", count=3):
    return board.run(f"boardbox exec {container} -- ping -c {count} -W 2 {address}")


def counted(switch, pair):
    """What the switch did with one's frames to the other: forwarded, reflected; and with those back."""
    back = pair[::-1]
    return [switch.count(what, "ipv4", between) for between in (pair, back) for what in ("forwarded", "reflected")]


def wire(tap, switch, one):
    """VEPA over a real wire: the frame counts at the switch say which way the frames went."""

    def counts(pair):
        return counted(switch, pair)

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

    # What is in mode bridge hands straight over to its like: a frame that goes to the switch nonetheless is from one in mode vepa.
    change = "s/mode= vepa/mode= bridge/; s/\\.23$/.77/"
    third = f"sed '{change}' /test/foo23.conf >/tmp/third.conf && lxc-start -n third -f /tmp/third.conf -d /bin/sleep 1000"
    code, said = one.run(third)
    tap.case(code == 0, "wire: a third container, in mode bridge", said)
    for nic, network in (("eth0", "192.168.0"), ("eth1", "192.168.128")):
        ping(one, f"{network}.77", count=1)
        switch.clear()
        code, said = ping(one, f"{network}.77")
        there = counts((f"{network}.23", f"{network}.77"))[:2]
        tap.case(code == 0 and there == [0, 3], f"wire: {nic} is in mode vepa: all it sends goes to the switch", f"{there}\n{said}")
    one.run("lxc-stop -n third -k")

    switch.reflect = False
    switch.clear()
    code, said = ping(one, LOGGER)
    tap.case(code != 0 and "3 packets transmitted, 0 packets received" in said,
             "wire: without reflection two containers on one board do not reach each other", said)
    refused = switch.count("refused", "ipv4", (FOO, LOGGER)) + switch.count("refused", "arp")
    tap.case(refused > 0 and counts((FOO, LOGGER)) == [0] * 4, "wire: their frames came to the switch and no further",
             f"{refused} refused; {counts((FOO, LOGGER))}")
    code, said = ping(one, OTHER_FOO)
    tap.case(code == 0, "wire: without reflection containers on two boards still do", said)

    # What a container sends to its board leaves by the wire, too, and the other way round.
    board = "192.168.0.1"
    from_board = f"ip addr add {board}/24 dev br0 && ping -c 3 -W 2 {FOO}; code=$?; ip addr del {board}/24 dev br0; exit $code"
    code, said = one.run(from_board)
    tap.case(code != 0 and "3 packets transmitted, 0 packets received" in said,
             "wire: without reflection board and container do not reach each other either", said)

    code, said = one.run("boardbox probe br0")
    tap.case(code == 1 and "br0: the switch does not reflect" in said, "wire: probe says that the switch does not reflect", said)
    code, said = one.run("boardbox down && boardbox up")
    warned = 'containers "foo23" and "logger" do not reach each other on br0: the switch does not reflect'
    tap.case(code == 0 and warned in said, "wire: up warns of it", said)

    switch.reflect = True
    code, said = one.run("boardbox probe br0")
    tap.case(code == 0 and said == "br0: the switch reflects", "wire: probe says that it does again", said)
    one.run(from_board)
    switch.clear()
    code, said = one.run(from_board)
    tap.case(code == 0 and counts((board, FOO))[:2] == [0, 3], "wire: board and container reach each other through a switch that reflects",
             f"{counts((board, FOO))}\n{said}")


def relay(tap, switch, one, two):
    """The same where the switch does not reflect, and a relay on the board does."""
    switch.reflect = False
    change = "sed 's/^ports = .*/&\\nrelay = true/' /etc/boardbox/board.toml >/tmp/behind.toml"
    code, said = one.run(f"boardbox down && {change} && boardbox up --profile /tmp/behind.toml")
    tap.case(code == 0 and "reach each other" not in said, "relay: up makes it, and has nothing to warn of", said)
    code, said = one.run("boardbox status | grep 'port eth0, relay br0-relay, by up' && boardbox plan --profile /tmp/behind.toml | grep -c br0-relay")
    tap.case(code == 1 and said.endswith("\n0"), "relay: it is whole, and nothing is left to do", said)

    ping(one, LOGGER, count=1)
    switch.clear()
    code, said = ping(one, LOGGER)
    tap.case(code == 0, "relay: two containers on one board reach each other through a switch that does not reflect", said)
    came = [switch.count("received", "ipv4", pair) for pair in ((FOO, LOGGER), (LOGGER, FOO))]
    tap.case(came == [0, 0], "relay: none of their frames came to the switch", f"{came}")

    ping(one, OTHER_FOO, count=1)
    switch.clear()
    code, said = ping(one, OTHER_FOO)
    there = counted(switch, (FOO, OTHER_FOO))
    tap.case(code == 0 and there == [3, 0, 3, 0], "relay: containers on two boards reach each other over the wire", f"{there}\n{said}")

    one.run("ip addr add 192.168.0.1/24 dev br0")
    code, said = ping(two, "192.168.0.1")
    tap.case(code == 0, "relay: a container on the other board reaches this board by the address it has always had", said)
    code, said = one.run(f"ping -c 3 -W 2 {FOO} && boardbox exec foo23 -- ping -c 3 -W 2 192.168.0.1")
    tap.case(code == 0, "relay: board and container reach each other", said)
    one.run("ip addr del 192.168.0.1/24 dev br0")

    code, said = one.run("boardbox probe br0")
    tap.case(code == 0 and said == "br0: the switch reflects", "relay: probe finds that frames come back", said)
    switch.reflect = True
    code, said = one.run("boardbox probe br0")
    tap.case(code == 1 and "br0-relay reflects, and the switch does, too" in said, "relay: with a switch that reflects it says that one is too many", said)

    code, said = one.run("boardbox down && ip -o link | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | sort | tr '\\n' ' '; cat /sys/class/net/eth0/address")
    tap.case(said.endswith("eth0 lo 02:00:00:00:00:01"), "relay: down leaves nothing, and eth0 its own address", said)
    code, said = one.run("boardbox up")
    tap.case(code == 0, "relay: up without it again", said)
