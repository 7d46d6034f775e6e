# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines that arrive on a socket, with the time of their arrival, and waits for them by deadline."""
from __future__ import annotations

import re
import socket
import threading
import time
from dataclasses import dataclass


class Timeout(Exception):
    """What was waited for did not come before the deadline."""


class Closed(Exception):
    """The other end is gone."""


@dataclass(frozen=True)
class Line:
    time: float     # host clock, time.time()
    text: str


class LineStream:
    """Reads a socket in a thread of its own, so that the guest never waits for the harness."""

    def __init__(self, name: str, listener: socket.socket, timeout: float = 30.0) -> None:
        self.name = name
        listener.settimeout(timeout)
        self._sock, _ = listener.accept()
        self._sock.settimeout(None)
        self._lines: list[Line] = []
        self._partial = b""
        self._closed = False
        self._cond = threading.Condition()
        self._thread = threading.Thread(target=self._read, name=name, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                data = self._sock.recv(65536)
            except OSError:
                data = b""
            now = time.time()
            with self._cond:
                if not data:
                    self._closed = True
                    self._cond.notify_all()
                    return
                *complete, self._partial = (self._partial + data).split(b"\n")
                for raw in complete:
                    text = raw.decode("utf-8", "replace").strip("\r")
                    self._lines.append(Line(now, text))
                self._cond.notify_all()

    @property
    def position(self) -> int:
        """Number of lines so far: a place to wait or read from."""
        with self._cond:
            return len(self._lines)

    @property
    def closed(self) -> bool:
        with self._cond:
            return self._closed

    def lines(self, start: int = 0, end: int | None = None) -> list[Line]:
        with self._cond:
            return self._lines[start:end]

    def wait(self, pattern: str, timeout: float, start: int = 0) -> tuple[int, re.Match[str]]:
        """The first line at or after `start` in which `pattern` is found: (its number, the match)."""
        regex = re.compile(pattern)
        deadline = time.monotonic() + timeout
        at = start
        with self._cond:
            while True:
                while at < len(self._lines):
                    match = regex.search(self._lines[at].text)
                    if match:
                        return at, match
                    at += 1
                if self._closed:
                    raise Closed(f"{self.name}: closed while waiting for {pattern!r}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Timeout(f"{self.name}: no line with {pattern!r} within {timeout:.0f} s")
                self._cond.wait(left)

    def send(self, text: str) -> None:
        try:
            self._sock.sendall(text.encode())
        except OSError as e:
            raise Closed(f"{self.name}: {e}") from e

    def close(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(5)
        self._sock.close()
