# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's end of the verifying UDP stream, a process of its own inside the network namespace.

Lines on its standard input: `cycle N` (so many kexecs so far), `rate N` (frames a second from now on, 0: none), `status`,
`stop` (send no more, wait for what is still to come back). It says `ready`, answers `status` and `stop` with one JSON object, and
ends after `stop`, or when its input does.
"""
from __future__ import annotations

import argparse
import json
import selectors
import socket
import sys
import time
from collections import Counter
from typing import Any

import nic_frames
from commands import Commands

BUFFER = 16 << 20           # of a socket: all echoes of a blackout may come at once
SO_RCVBUFFORCE = 33
CATCH_UP = 0.05             # seconds that a late sender makes up for; more would be a burst that nobody asked for
BUCKET = 0.1                # seconds, of the series
LISTED = 20


class Stream:
    """What was sent and what came back. Time is given, so that this can be tested without any."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.sent = 0               # the next sequence number
        self.cycle = 0
        self.duplicated = 0
        self.corrupt = 0
        self.send_errors = 0
        self.echoed = 0
        self._back = bytearray()
        self._across: Counter[tuple[int, int]] = Counter()      # (sent in, received in)
        self._sent_in: Counter[int] = Counter()                 # buckets
        self._echoed_in: Counter[int] = Counter()

    def next(self, now: float) -> bytes:
        """The next frame to send."""
        data = nic_frames.request(self.sent, self.cycle)
        self._back.append(0)
        self._sent_in[int((now - self.start) / BUCKET)] += 1
        self.sent += 1
        return data

    def received(self, data: bytes, now: float) -> None:
        found = nic_frames.read_echo(data)
        if found is None or found[0] >= self.sent:
            self.corrupt += 1
            return
        sequence, cycle, received_in = found
        if self._back[sequence]:
            self.duplicated += 1
            return
        self._back[sequence] = 1
        self.echoed += 1
        self._across[cycle, received_in] += 1
        self._echoed_in[int((now - self.start) / BUCKET)] += 1

    def status(self) -> dict[str, Any]:
        return {"sent": self.sent, "echoed": self.echoed, "duplicated": self.duplicated, "corrupt": self.corrupt,
                "send_errors": self.send_errors}

    def result(self) -> dict[str, Any]:
        missing = [n for n, back in enumerate(self._back) if not back]
        return {**self.status(), "lost": len(missing), "missing": missing[:LISTED],
                "across": [[sent, received, n] for (sent, received), n in sorted(self._across.items())],
                "series": {"start": self.start, "bucket": BUCKET, "sent": sorted(self._sent_in.items()),
                           "echoed": sorted(self._echoed_in.items())}}


def _socket(local: str, remote: str, flow: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.bind((local, nic_frames.SOURCE_PORT + flow))
    sock.connect((remote, nic_frames.PORT))
    sock.setblocking(False)
    return sock


class Sender:
    def __init__(self, local: str, remote: str, flows: int, rate: float, drain: float) -> None:
        self.stream = Stream(time.time())
        self._drain = drain
        self.sockets = [_socket(local, remote, flow) for flow in range(flows)]
        self._rate = rate
        self._due = time.monotonic()
        self._stopped = False
        self._commands = Commands(self._command)
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        for sock in self.sockets:
            self._selector.register(sock, selectors.EVENT_READ)

    def _send_due(self) -> None:
        if not self._rate:
            return
        now = time.monotonic()
        self._due = max(self._due, now - CATCH_UP)
        while self._due <= now:
            data = self.stream.next(time.time())
            try:
                self.sockets[self.stream.sent % len(self.sockets)].send(data)
            except OSError:
                # It has its number and will be missing; the report says how many there were.
                self.stream.send_errors += 1
            self._due += 1 / self._rate

    def _receive(self, sock: socket.socket) -> int:
        count = 0
        while True:
            try:
                data = sock.recv(2048)
            except BlockingIOError:
                return count
            except OSError:         # an ICMP error that somebody sent: there is no echo in it
                continue
            self.stream.received(data, time.time())
            count += 1

    def _command(self, line: str) -> None:
        word, _, value = line.partition(" ")
        if word == "cycle":
            self.stream.cycle = int(value)
        elif word == "rate":
            self._rate = float(value)
            self._due = time.monotonic()
        elif word == "status":
            print(json.dumps(self.stream.status()), flush=True)
        elif word == "stop":
            self._stopped = True

    def run(self) -> bool:
        """Until it is told to stop and all is back, or nothing more comes; False: its input has ended."""
        last = time.monotonic()
        timeout: float | None
        while True:
            if self._stopped:
                if self.stream.echoed == self.stream.sent or time.monotonic() - last > self._drain:
                    return True
                timeout = max(0.0, last + self._drain - time.monotonic())
            else:
                self._send_due()
                timeout = max(0.0, self._due - time.monotonic()) if self._rate else None
            for key, _ in self._selector.select(timeout):
                if key.fileobj is sys.stdin:
                    if not self._commands.read():
                        return False
                    last = time.monotonic()
                elif self._receive(key.fileobj):       # type: ignore[arg-type]
                    last = time.monotonic()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--local", required=True, help="address to send from")
    parser.add_argument("--remote", required=True, help="address to send to")
    parser.add_argument("--flows", type=int, default=64, help="UDP ports to send from, so that a NIC spreads them")
    parser.add_argument("--rate", type=float, required=True, help="frames a second")
    parser.add_argument("--drain", type=float, default=10.0, help="seconds without an echo, after which the rest is lost")
    options = parser.parse_args()
    sender = Sender(options.local, options.remote, options.flows, options.rate, options.drain)
    print("ready", flush=True)
    if not sender.run():
        return 1
    print(json.dumps(sender.stream.result()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
