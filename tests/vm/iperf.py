# SPDX-License-Identifier: GPL-2.0-or-later
"""An iperf3 server in a network namespace."""
from __future__ import annotations

from pathlib import Path

from lineprocess import LineProcess
from netns import NetworkNamespace

TIMEOUT = 30.0


class IperfServer:
    """A context manager. It serves one client after another."""

    def __init__(self, directory: Path, network: NetworkNamespace) -> None:
        self._server = LineProcess("iperf3 -s", [*network.enter, "iperf3", "-s", "--forceflush"],
                                   directory / "iperf-errors")
        self._seen = 0

    def wait_idle(self) -> None:
        """Wait until it takes the next client: it says so once for each."""
        at, _ = self._server.lines.wait("Server listening", TIMEOUT, self._seen)
        self._seen = at + 1

    def __enter__(self) -> IperfServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
