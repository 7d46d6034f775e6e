# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's end of a verified TCP connection, a process of its own inside the network namespace.

The guest echoes what it gets, and each byte that comes back is compared. Lines on its standard input: `rate N` (bytes a second
from now on, 0: none), `patience N` (seconds without a byte of what is awaited, after which it connects anew), `again` (connect anew), `status`,
`stop` (send no more, wait for what is still to come back). It says `ready`, connects until it succeeds, answers `status` and
`stop` with one JSON object, and ends after `stop`, or when its input does.
"""
from __future__ import annotations

import argparse
import errno
import json
import selectors
import socket
import struct
import sys
import time
from typing import Any

from commands import Commands

PORT = 7
CHUNK = 16 << 10            # bytes that are made at once
WINDOW = 256 << 10          # that may be on their way
TICK = 0.01                 # seconds
ATTEMPT = 0.1               # seconds from one attempt to connect to the next
ATTEMPTS = 20               # that are under way at once


class Echoes:
    """What was sent over a connection and has not come back: numbers, so that no part is like another."""

    def __init__(self) -> None:
        self._next = 0
        self._unsent = b""
        self._out = bytearray()

    def to_send(self) -> bytes:
        if not self._unsent:
            count = CHUNK // 8
            self._unsent = struct.pack(f"<{count}Q", *range(self._next, self._next + count))
            self._next += count
        return self._unsent

    def sent(self, count: int) -> None:
        self._out += self._unsent[:count]
        self._unsent = self._unsent[count:]

    @property
    def waiting(self) -> int:
        return len(self._out)

    def received(self, data: bytes) -> bool:
        """Is it what was sent?"""
        good = self._out.startswith(data)
        del self._out[:len(data)]
        return good


class Peer:
    def __init__(self, remote: str, port: int, rate: float, patience: float) -> None:
        self._remote = (remote, port)
        self._rate = rate
        self._patience = patience
        self._stopped = False
        self._commands = Commands(self._command)
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._attempts: list[socket.socket] = []
        self._last_attempt = 0.0
        self._connection: socket.socket | None = None
        self._echoes = Echoes()
        self._credit = 0.0
        self._last_tick = self._heard = time.monotonic()
        self.counts: dict[str, Any] = {"connections": 0, "connected_at": 0.0, "heard_at": 0.0, "sent": 0, "echoed": 0,
                                       "damaged": 0, "refused": 0, "resets": 0, "stalls": 0, "renewed": 0}

    def status(self) -> dict[str, Any]:
        return {**self.counts, "connected": self._connection is not None, "waiting": self._echoes.waiting}

    # ---- Connecting: many attempts at once, since a lost first packet is repeated after a second only ----

    def _attempt(self) -> None:
        sock = socket.socket(socket.AF_INET6 if ":" in self._remote[0] else socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sock.connect_ex(self._remote) not in (0, errno.EINPROGRESS):
            sock.close()
            return
        self._attempts.append(sock)
        self._selector.register(sock, selectors.EVENT_WRITE)
        while len(self._attempts) > ATTEMPTS:
            self._give_up(self._attempts[0])

    def _give_up(self, sock: socket.socket) -> None:
        self._attempts.remove(sock)
        self._selector.unregister(sock)
        sock.close()

    def _attempted(self, sock: socket.socket) -> None:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.counts["refused"] += 1
            self._give_up(sock)
            return
        self._attempts.remove(sock)
        while self._attempts:
            self._give_up(self._attempts[0])
        self._selector.modify(sock, selectors.EVENT_READ)
        self._connection = sock
        self._echoes = Echoes()
        self._heard = time.monotonic()
        self.counts["connections"] += 1
        self.counts["connected_at"] = time.time()

    def _disconnect(self, why: str) -> None:
        assert self._connection
        self.counts[why] += 1
        self._selector.unregister(self._connection)
        self._connection.close()
        self._connection = None

    # ---- The connection ----

    def _send(self, sock: socket.socket) -> None:
        while self._credit > 0 and self._echoes.waiting < WINDOW:
            try:
                count = sock.send(self._echoes.to_send()[:max(1, int(self._credit))])
            except BlockingIOError:
                return
            except OSError:
                self._disconnect("resets")
                return
            self._echoes.sent(count)
            self._credit -= count
            self.counts["sent"] += count

    def _receive(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._disconnect("resets")
            return
        self._heard = time.monotonic()
        self.counts["heard_at"] = time.time()
        self.counts["echoed"] += len(data)
        self.counts["damaged"] += not self._echoes.received(data)

    def _tick(self, now: float) -> None:
        self._credit = min(self._credit + self._rate * (now - self._last_tick), WINDOW)
        self._last_tick = now
        if not self._echoes.waiting:
            self._heard = now
        if self._connection:
            if now - self._heard > self._patience:
                self._disconnect("stalls")
            elif not self._stopped:
                self._send(self._connection)
        elif not self._stopped and now - self._last_attempt >= ATTEMPT:
            self._last_attempt = now
            self._attempt()

    # ---- Its master ----

    def _command(self, line: str) -> None:
        word, _, value = line.partition(" ")
        if word == "rate":
            self._rate = float(value)
            self._credit = 0.0
        elif word == "patience":
            self._patience = float(value)
        elif word == "again":
            if self._connection:
                self._disconnect("renewed")
            self._last_attempt = 0.0
        elif word == "status":
            print(json.dumps(self.status()), flush=True)
        elif word == "stop":
            self._stopped = True

    def run(self) -> bool:
        """Until it is told to stop and all is back, or the connection is lost; False: its input has ended."""
        while not (self._stopped and (not self._connection or not self._echoes.waiting)):
            self._tick(time.monotonic())
            for key, _ in self._selector.select(TICK):
                if key.fileobj is sys.stdin:
                    if not self._commands.read():
                        return False
                elif key.fileobj is self._connection:
                    self._receive(self._connection)
                elif key.fileobj in self._attempts:
                    self._attempted(key.fileobj)        # type: ignore[arg-type]
        return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--remote", required=True, help="address to connect to")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--rate", type=float, required=True, help="bytes a second")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds")
    options = parser.parse_args()
    peer = Peer(options.remote, options.port, options.rate, options.patience)
    print("ready", flush=True)
    if not peer.run():
        return 1
    print(json.dumps(peer.status()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
