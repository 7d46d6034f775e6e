# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's trace log (log backend, `-msg timestamp=on`): one event a line, `TIME NAME TEXT`."""
from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple


class Event(NamedTuple):
    number: int     # of the line in the log, from 1
    time: float     # host clock, seconds since the epoch
    name: str
    text: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.name} {self.text}"


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """Events of a log. Lines that are no events (QEMU's own messages) are skipped."""
    for number, line in enumerate(lines, 1):
        parts = line.rstrip("\n").split(" ", 2)
        # 2026-11-21T10:23:51.294705Z; glib leaves the fraction out when it is zero.
        if len(parts) < 2 or len(parts[0]) not in (20, 27) or parts[0][-1] != "Z":
            continue
        try:
            when = datetime.fromisoformat(parts[0]).timestamp()
        except ValueError:
            continue
        yield Event(number, when, sys.intern(parts[1]), parts[2] if len(parts) > 2 else "")


def read(path: Path) -> list[Event]:
    with open(path, encoding="utf-8", errors="replace") as log:
        return list(parse(log))


class Tail:
    """Counts of events in what a log has got since the last look, for a display that must not wait."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")
        self._file.seek(0, 2)

    def counts(self, *names: str) -> list[int]:
        data = self._file.read()
        return [data.count(b" " + name.encode() + b" ") for name in names]

    def close(self) -> None:
        self._file.close()
