#!/usr/bin/env python3
"""A switch for emulated boards: what the other end of their uplinks is plugged into.

It speaks QEMU's socket netdev (a TCP connection on loopback for each board; every frame has its length before it, 4 bytes,
big-endian), learns addresses, forwards, and reflects frames to the port they came from, or does not: IEEE 802.1Qbg calls
that reflective relay, and a station in VEPA mode depends on it. It counts what it does with each frame.

  switch.py PORT [--reflect]    listens on 127.0.0.1:PORT until interrupted; then prints the counts
"""

import collections
import select
import socket
import struct
import sys
import threading

ETHERTYPES = {0x0800: "ipv4", 0x0806: "arp", 0x86DD: "ipv6"}


class Frame:
    """The few fields of an Ethernet frame that a count is about."""

    def __init__(self, data):
        self.destination, self.source = data[0:6], data[6:12]
        number = struct.unpack("!H", data[12:14])[0]
        self.kind = ETHERTYPES.get(number, f"0x{number:04x}")
        # Of IPv4, whose it is.
        self.between = None
        if self.kind == "ipv4" and len(data) >= 34:
            self.between = (socket.inet_ntoa(data[26:30]), socket.inet_ntoa(data[30:34]))


class Switch:
    """Runs in a thread of its own from construction to close()."""

    def __init__(self, reflect=False, port=0):
        self.reflect = reflect
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.waker, self.woken = socket.socketpair()
        self.lock = threading.Lock()
        self.ports = {}  # socket -> what has come and is no whole frame yet
        self.learned = {}  # address -> socket
        self.clear()
        self.failure = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def clear(self):
        """Counts from nothing: what came in, and what became of it ("forwarded", "reflected", "refused")."""
        with self.lock:
            self.counts = collections.Counter()

    def count(self, what, kind=None, between=None):
        """How many frames: all of them, those of a kind ("arp"), or those of IPv4 from one address to another."""
        with self.lock:
            return sum(
                number for (did, frame_kind, pair), number in self.counts.items()
                if did == what and kind in (None, frame_kind) and between in (None, pair)
            )

    def close(self):
        self.waker.close()
        self.thread.join()

    def _count(self, what, frame):
        with self.lock:
            self.counts[what, frame.kind, frame.between] += 1

    def _run(self):
        try:
            while True:
                readable, _, _ = select.select([self.listener, self.woken, *self.ports], [], [])
                if self.woken in readable:
                    break
                for ready in readable:
                    if ready is self.listener:
                        port, _ = self.listener.accept()
                        port.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        self.ports[port] = b""
                    elif ready in self.ports:
                        self._read(ready)
        except Exception as failure:  # a thread's end is silent: whoever tests asks for it
            self.failure = failure
        for used in (self.listener, self.woken, *self.ports):
            used.close()

    def _unplug(self, port):
        self.ports.pop(port, None)
        self.learned = {address: at for address, at in self.learned.items() if at is not port}
        port.close()

    def _read(self, port):
        try:
            data = port.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._unplug(port)
            return
        data = self.ports[port] + data
        while len(data) >= 4:
            length = struct.unpack("!I", data[:4])[0]
            if len(data) < 4 + length:
                break
            self._frame(port, data[4:4 + length])
            data = data[4 + length:]
        if port in self.ports:
            self.ports[port] = data

    def _frame(self, port, data):
        if len(data) < 14:
            return
        frame = Frame(data)
        self._count("received", frame)
        if not frame.source[0] & 1:
            self.learned[frame.source] = port
        to = self.learned.get(frame.destination)
        # Unknown addresses and groups go everywhere; where it came from is one of these only for a switch that reflects.
        for other in [to] if to else list(self.ports):
            if other is not port:
                self._send(other, data, frame, "forwarded")
            elif self.reflect:
                self._send(other, data, frame, "reflected")
            else:
                self._count("refused", frame)

    def _send(self, port, data, frame, what):
        # A board that does not read its frames loses them, as on any wire; it must not stop the switch.
        try:
            port.settimeout(2)
            port.sendall(struct.pack("!I", len(data)) + data)
            port.settimeout(None)
            self._count(what, frame)
        except OSError:
            self._unplug(port)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    switch = Switch("--reflect" in sys.argv[2:], int(sys.argv[1]))
    try:
        switch.thread.join()
    except KeyboardInterrupt:
        pass
    for (what, kind, between), number in sorted(switch.counts.items(), key=str):
        print(f"{number:8} {what:10} {kind:8} {' -> '.join(between or ())}")


if __name__ == "__main__":
    main()
