# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU Machine Protocol client: the harness listens, QEMU connects to it."""
from __future__ import annotations

import json
import socket
from typing import Any


class QMPError(Exception):
    """QEMU refused a command, or the connection is gone."""


class QMP:
    def __init__(self, listener: socket.socket, timeout: float = 30.0) -> None:
        listener.settimeout(timeout)
        self._sock, _ = listener.accept()
        self._sock.settimeout(timeout)
        self._file = self._sock.makefile("rw", encoding="utf-8", newline="\n")
        self.events: list[dict[str, Any]] = []
        greeting = self._receive()
        if "QMP" not in greeting:
            raise QMPError(f"not a QMP greeting: {greeting}")
        self.execute("qmp_capabilities")

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._file.readline()
        except (OSError, ValueError) as e:
            raise QMPError(f"QMP connection: {e}") from e
        if not line:
            raise QMPError("QEMU closed the QMP connection")
        return json.loads(line)

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command and return its result; asynchronous events go to `events`."""
        request: dict[str, Any] = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        try:
            self._file.write(json.dumps(request) + "\n")
            self._file.flush()
        except (OSError, ValueError) as e:
            raise QMPError(f"{command}: {e}") from e
        while True:
            answer = self._receive()
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise QMPError(f"{command}: {answer['error'].get('desc', answer['error'])}")
            elif "return" in answer:
                return answer["return"]

    def monitor(self, line: str) -> str:
        """Run a line of the human monitor."""
        return self.execute("human-monitor-command", **{"command-line": line})

    def close(self) -> None:
        self._file.close()
        self._sock.close()
