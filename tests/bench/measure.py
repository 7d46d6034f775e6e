# SPDX-License-Identifier: GPL-2.0-or-later
"""Side by side: every engine does the same for the same time, one after the other, several rounds.

What else the machine does falls on all alike: a ratio is the median of the rounds' ratios, a rate the median of rates.
"""
from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OURS = "udrv"


ATTEMPTS = 3


class NothingDone(Exception):
    """An engine has done nothing in the time of a measurement."""


@dataclass
class Sample:
    """What a program of tests/bench/guest prints."""
    done: int
    bytes: int
    ns: int
    busy_ns: int        # CPU time of the process that did it, system calls included

    @property
    def rate(self) -> float:
        return self.done / self.ns * 1e9

    @property
    def cpu_ns(self) -> float:
        return self.busy_ns / self.done


def _take(name: str, engine: Callable[[], Sample]) -> Sample:
    """A sample with something in it: on a busy machine a guest may have stood still."""
    for _ in range(ATTEMPTS):
        sample = engine()
        if sample.done:
            return sample
    raise NothingDone(f"{name} has done nothing in {ATTEMPTS} measurements of {sample.ns / 1e6:.0f} ms")


def ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else 0.0


def compare(engines: dict[str, Callable[[], Sample]], rounds: int) -> dict[str, Any]:
    """{engine: rate, "ratio": {peer: ours / theirs}, "cpu_ns": {engine: CPU time of one}, "cpu_ratio": {peer: …}}"""
    samples: dict[str, list[Sample]] = {name: [] for name in engines}
    for n in range(rounds):
        # Who goes first changes.
        names = list(engines)[n % len(engines):] + list(engines)[:n % len(engines)]
        for name in names:
            samples[name].append(_take(name, engines[name]))
    peers = [name for name in engines if name != OURS]

    def against(peer: str, value: Callable[[Sample], float]) -> float:
        pairs = zip(samples[OURS], samples[peer])
        return round(statistics.median(ratio(value(a), value(b)) for a, b in pairs), 2)

    result: dict[str, Any] = {name: round(statistics.median(s.rate for s in taken)) for name, taken in samples.items()}
    result["ratio"] = {peer: against(peer, lambda s: s.rate) for peer in peers}
    result["cpu_ns"] = {name: round(statistics.median(s.cpu_ns for s in taken)) for name, taken in samples.items()}
    result["cpu_ratio"] = {peer: against(peer, lambda s: s.cpu_ns) for peer in peers}
    result["spread"] = {name: round(max(s.rate for s in taken) / min(s.rate for s in taken), 2)
                        for name, taken in samples.items()}
    return result
