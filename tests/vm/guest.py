# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands in the guest, over the shell that udrv-init runs on ttyS1.

A line `READY` announces a shell; a new kernel announces its own, which is how a kexec is seen from here.
"""
from __future__ import annotations

import itertools
import json
from typing import Any

from stream import LineStream

READY = r"udrv-shell: ready"


class CommandFailed(Exception):
    """A command in the guest ended with another status than 0."""


class Guest:
    def __init__(self, shell: LineStream, ready: str = READY) -> None:
        self.shell = shell
        self.patience = 1.0             # factor of all time limits, for a guest that is slow by its nature
        self._ready = ready
        self._seen = 0                  # first line that a wait for a shell has not looked at
        self._serial = itertools.count(1)

    def wait_ready(self, timeout: float) -> float:
        """Wait for the next shell to announce itself; returns the host time at which it did."""
        at, _ = self.shell.wait(self._ready, timeout * self.patience, self._seen)
        self._seen = at + 1
        return self.shell.lines(at, at + 1)[0].time

    def send(self, command: str) -> int:
        """Start a command whose end is not awaited (it may end with its kernel); the line to read from."""
        start = self.shell.position
        self.shell.send(command + "\n")
        return start

    def run(self, command: str, timeout: float = 30.0) -> tuple[int, str]:
        """Run a command; (exit status, its output, stderr included)."""
        n = next(self._serial)
        timeout *= self.patience
        start = self.shell.position
        # The markers are put together in the guest: an echo of the command line is never taken for one.
        self.shell.send(f"printf '%s%s\\n' udrv-begin- {n}; {{ {command}\n}} </dev/null 2>&1; "
                        f"printf '\\n%s%s %d\\n' udrv-end- {n} $?\n")
        begin, _ = self.shell.wait(rf"udrv-begin-{n}$", timeout, start)
        end, match = self.shell.wait(rf"^udrv-end-{n} (\d+)$", timeout, begin + 1)
        text = "\n".join(line.text for line in self.shell.lines(begin + 1, end))
        return int(match.group(1)), text.removesuffix("\n")

    def check(self, command: str, timeout: float = 30.0) -> str:
        """Run a command that must succeed; its output."""
        status, output = self.run(command, timeout)
        if status:
            raise CommandFailed(f"{command}: exit status {status}: {output.strip()}")
        return output

    def json(self, command: str, timeout: float = 30.0) -> Any:
        """Run a command that prints one JSON document."""
        output = self.check(command, timeout)
        try:
            return json.loads(output)
        except json.JSONDecodeError as e:
            raise CommandFailed(f"{command}: not JSON ({e}): {output[:200]!r}") from e
