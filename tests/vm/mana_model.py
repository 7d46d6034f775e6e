# SPDX-License-Identifier: GPL-2.0-or-later
"""The MANA device model: a process that serves a NIC to QEMU, and says at its end what it has seen."""
from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import artifacts
from netns import NetworkNamespace
from qemu import VfioUser, die_with_parent
from stream import Closed, LineStream, Timeout

START_TIMEOUT = 30.0
END_TIMEOUT = 30.0      # after QEMU has gone


class ModelFailed(Exception):
    """The model did not start, or ended without its counters."""


class ManaModel:
    """A context manager: listening inside. Without a network namespace the wire ends at the `peer`: echo or none."""

    def __init__(self, directory: Path, network: NetworkNamespace | None = None, peer: str = "echo",
                 options: tuple[str, ...] = ("--strict",)) -> None:
        self._sockets = Path(tempfile.mkdtemp(prefix="udrv-nic-"))
        self.device = VfioUser("mana", self._sockets / "vfio-user")
        self.log = directory / "model.log"
        self.log.unlink(missing_ok=True)
        self._output = directory / "model-output"
        command = [str(artifacts.host_program("mana-model")), "--socket", str(self.device.socket), "--log", str(self.log),
                   *(("--tap", network.tap) if network else ("--peer", peer)), *options]
        (directory / "model-command").write_text(shlex.join(command) + "\n")
        self._errors = open(directory / "model-errors", "w+b")
        listener, ours = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        listener.bind(str(self._sockets / "stdio"))
        listener.listen(1)
        ours.connect(str(self._sockets / "stdio"))
        self.process = subprocess.Popen((network.enter if network else []) + command, stdin=ours, stdout=ours,
                                        stderr=self._errors, preexec_fn=die_with_parent)
        ours.close()
        self.lines = LineStream("mana-model", listener)
        listener.close()
        try:
            self.lines.wait(r"^ready$", START_TIMEOUT)
        except (Closed, Timeout) as e:
            reason = f"mana-model did not start: {self.errors() or e}"
            self.stop()
            raise ModelFailed(reason) from e

    def errors(self) -> str:
        """What it has written to stderr."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()

    def _counters(self, start: int, timeout: float) -> dict[str, Any]:
        _, match = self.lines.wait(r"^\{.*\}$", timeout, start)
        return json.loads(match[0])

    def stats(self) -> dict[str, Any]:
        """Its counters so far."""
        start = self.lines.position
        self.lines.send("stats\n")
        return self._counters(start, START_TIMEOUT)

    def fault(self, spec: str) -> None:
        """Inject a fault, as --fault has it."""
        self.lines.send(spec + "\n")

    def resets(self) -> list[str]:
        """What kinds of reset it has seen."""
        return [line.text.partition(": ")[2] for line in self.lines.lines() if line.text.startswith("reset: ")]

    def wait_end(self) -> dict[str, Any]:
        """It ends when QEMU does: its final counters."""
        try:
            self.process.wait(END_TIMEOUT)
            return self._final()
        except subprocess.TimeoutExpired:
            raise ModelFailed(f"mana-model did not end within {END_TIMEOUT:.0f} s of QEMU's end") from None

    def _final(self) -> dict[str, Any]:
        found = None
        try:
            # The stream is read to its end: the last line of this form counts.
            at = 0
            while True:
                at, match = self.lines.wait(r"^\{.*\}$", END_TIMEOUT, at)
                found = match[0]
                at += 1
        except Closed:
            pass
        if found is None:
            raise ModelFailed(f"mana-model ended with status {self.process.returncode} and without its counters: "
                              f"{self.errors()}")
        return json.loads(found)

    def stop(self) -> None:
        """End it, whatever it does. Its output is kept."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._output.write_text("".join(f"{line.text}\n" for line in self.lines.lines()))
        self.lines.close()
        self._errors.close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def __enter__(self) -> ManaModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
