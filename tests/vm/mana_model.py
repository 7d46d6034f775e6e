# SPDX-License-Identifier: GPL-2.0-or-later
"""The MANA device model: a process that serves a NIC to QEMU, and says at its end what it has seen."""
from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import artifacts
from lineprocess import END_TIMEOUT, LineProcess
from netns import NetworkNamespace
from qemu import VfioUser
from stream import Closed, Timeout

START_TIMEOUT = 30.0


class ModelFailed(Exception):
    """The model did not start, or ended without its counters."""


class ManaModel:
    """A context manager: listening inside. Without a network namespace the wire ends at the `peer`: echo or none."""

    def __init__(self, directory: Path, network: NetworkNamespace | None = None, name: str = "mana0", peer: str = "echo",
                 options: tuple[str, ...] = ("--strict",)) -> None:
        self._sockets = Path(tempfile.mkdtemp(prefix="udrv-nic-"))
        self.device = VfioUser(name, self._sockets / "vfio-user")
        self.log = directory / "model.log"
        self.log.unlink(missing_ok=True)
        self._output = directory / "model-output"
        command = [str(artifacts.host_program("mana-model")), "--socket", str(self.device.socket), "--log", str(self.log),
                   *(("--tap", network.tap) if network else ("--peer", peer)), *options]
        (directory / "model-command").write_text(shlex.join(command) + "\n")
        self._process = LineProcess("mana-model", (network.enter if network else []) + command, directory / "model-errors")
        try:
            self._process.lines.wait(r"^ready$", START_TIMEOUT)
        except (Closed, Timeout) as e:
            reason = f"mana-model did not start: {self._process.errors() or e}"
            self.stop()
            raise ModelFailed(reason) from e

    def stats(self) -> dict[str, Any]:
        """Its counters so far."""
        return self._process.ask("stats", START_TIMEOUT)

    def fault(self, spec: str) -> None:
        """Inject a fault, as --fault has it."""
        self._process.lines.send(spec + "\n")

    def become(self, device: int) -> None:
        """Be another device: what configuration space says from now on."""
        self._process.lines.send(f"become {device:#x}\n")
        self.stats()        # answered after it

    def resets(self) -> list[str]:
        """What kinds of reset it has seen."""
        return [line.text.partition(": ")[2] for line in self._process.lines.lines() if line.text.startswith("reset: ")]

    def wait_end(self) -> dict[str, Any]:
        """It ends when QEMU does: its final counters."""
        try:
            status = self._process.process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise ModelFailed(f"mana-model did not end within {END_TIMEOUT:.0f} s of QEMU's end") from None
        counts = self._process.last_json()
        if counts is None:
            raise ModelFailed(f"mana-model ended with status {status} and without its counters: {self._process.errors()}")
        return counts

    def stop(self) -> None:
        """End it, whatever it does. Its output is kept."""
        self._output.write_text("".join(f"{line.text}\n" for line in self._process.lines.lines()))
        self._process.stop()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def __enter__(self) -> ManaModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
