# SPDX-License-Identifier: GPL-2.0-or-later
"""A process beside the VM that is talked to in lines."""
from __future__ import annotations

import json
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

from qemu import die_with_parent
from stream import Closed, LineStream

END_TIMEOUT = 30.0


class LineProcess:
    """Its standard input and output are `lines`; what it writes to stderr goes to a file. It ends with the harness."""

    def __init__(self, name: str, command: list[str], errors: Path) -> None:
        self._errors: IO[bytes] = open(errors, "w+b")
        with tempfile.TemporaryDirectory(prefix="udrv-lines-") as directory, \
                socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as stdio:
            path = str(Path(directory) / "stdio")
            listener.bind(path)
            listener.listen(1)
            stdio.connect(path)
            self.process = subprocess.Popen(command, stdin=stdio, stdout=stdio, stderr=self._errors,
                                            preexec_fn=die_with_parent)
            self.lines = LineStream(name, listener)

    def errors(self) -> str:
        """What it has written to stderr."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()

    def ask(self, line: str, timeout: float) -> dict[str, Any]:
        """Send a line; the JSON object that answers it."""
        start = self.lines.position
        self.lines.send(line + "\n")
        _, match = self.lines.wait(r"^\{.*\}$", timeout, start)
        return json.loads(match[0])

    def last_json(self) -> dict[str, Any] | None:
        """Wait until its output ends; the last line that is a JSON object."""
        found = None
        at = 0
        try:
            while True:
                at, match = self.lines.wait(r"^\{.*\}$", END_TIMEOUT, at)
                found = match[0]
                at += 1
        except Closed:
            return json.loads(found) if found else None

    def stop(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.lines.close()
        self._errors.close()
