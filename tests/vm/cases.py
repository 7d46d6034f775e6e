# SPDX-License-Identifier: GPL-2.0-or-later
"""What VM tests are made of. Each is a function; its decorator says its name, what it shows, and its suites."""
from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import initramfs
import report
from experiment import Experiment, Narrator, Plan
from guest import CommandFailed
from paravisor import REFRESH, Paravisor, Setup, bare_kexec

WAIT_TIMEOUT = 60.0


class Failure(Exception):
    """A test found what it looks for."""


@dataclass
class Case:
    name: str
    what: str
    suites: tuple[str, ...]
    function: Callable[[Context], None]


ALL: list[Case] = []


def case(name: str, what: str, *suites: str) -> Callable[[Callable[[Context], None]], Callable[[Context], None]]:
    def add(function: Callable[[Context], None]) -> Callable[[Context], None]:
        ALL.append(Case(name, what, suites or ("vm",), function))
        return function
    return add


class _Log(Narrator):
    def __init__(self, path: Path) -> None:
        self._path = path

    def line(self, text: str) -> None:
        with open(self._path, "a", encoding="utf-8") as log:
            log.write(text + "\n")


@dataclass
class Context:
    kernel: Path
    image: Path
    out: Path
    accel: str
    directory: Path = field(default_factory=Path)
    complaints_expected: bool = False       # by the test that has the kernel complain
    _blackout: Synchronized[float] = field(default_factory=lambda: multiprocessing.Value("d", 0.0))

    def begin(self, name: str) -> Path:
        """A directory for the logs of a test."""
        self.directory = self.out / name
        self.directory.mkdir(parents=True, exist_ok=True)
        for log in ("log", "console.log"):
            (self.directory / log).unlink(missing_ok=True)
        self.complaints_expected = False
        return self.directory

    @property
    def blackout(self) -> float:
        """Measured once, for all tests of a run, in whatever process they are."""
        with self._blackout:
            if not self._blackout.value:
                self._blackout.value = bare_kexec(self.setup(directory=self.out / "measure", devices="none")) / 1000
            return self._blackout.value

    def setup(self, **changes: Any) -> Setup:
        values: dict[str, Any] = {"kernel": self.kernel, "image": self.image, "directory": self.directory,
                                  "accel": self.accel}
        return Setup(**{**values, **changes})

    def bare_setup(self, **changes: Any) -> Setup:
        """A guest without udrv: a shell, and what is in `files`. Nobody turns huge pages on when a pool is made."""
        image = initramfs.bare(self.image, self.directory / "bare-image")
        return self.setup(image=image, cmdline="rdinit=/bare-init transparent_hugepage_shmem=within_size", **changes)

    def plan(self, **changes: Any) -> Plan:
        return Plan(self.kernel, self.image, self.directory, self.accel,
                    **{"blackout": self.blackout, "cycles": 1, "writes": 2000, **changes})

    def experiment(self, **changes: Any) -> Experiment:
        return Experiment(self.plan(**changes), _Log(self.directory / "log"))


def expect(condition: object, text: str) -> None:
    if not condition:
        raise Failure(text)


def expect_pass(experiment: Experiment) -> dict[str, Any]:
    """Run an experiment that must be a pass in every respect; its report."""
    result = report.build(experiment.run())
    expect(result["verdict"] == "pass", "\n".join(result["failures"]))
    return result


def wait(what: str, look: Callable[[], Any]) -> Any:
    """What `look` returns as soon as that is something. For a moment nobody may be there to answer."""
    deadline = time.monotonic() + WAIT_TIMEOUT
    while True:
        try:
            if found := look():
                return found
        except (CommandFailed, KeyError):
            pass
        if time.monotonic() > deadline:
            raise Failure(f"{what} within {WAIT_TIMEOUT:.0f} s")
        time.sleep(REFRESH)


def io_goes_on(paravisor: Paravisor, name: str, writes: int = 50) -> dict[str, Any]:
    """Wait until there are so many more writes than now; the workload's counters then, which show no mistake."""
    start = paravisor.verify_status(name)["writes"]

    def more() -> dict[str, Any] | None:
        counters = paravisor.verify_status(name)
        return counters if counters["writes"] > start + writes else None

    counters = wait(f"{name}: there were not {writes} more writes", more)
    expect(not counters["errors"] and not counters["miscompares"],
           f"{name}: {counters['errors']} errors, {counters['miscompares']} miscompares")
    return counters
