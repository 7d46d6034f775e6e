# SPDX-License-Identifier: GPL-2.0-or-later
"""An iperf3 server in a network namespace."""
from __future__ import annotations

import socket
import subprocess
import tempfile
from pathlib import Path

from netns import NetworkNamespace
from qemu import die_with_parent
from stream import LineStream

TIMEOUT = 30.0


class IperfServer:
    """A context manager. It serves one client after another."""

    def __init__(self, network: NetworkNamespace) -> None:
        with tempfile.TemporaryDirectory(prefix="udrv-iperf-") as directory:
            path = str(Path(directory) / "stdout")
            with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as output:
                listener.bind(path)
                listener.listen(1)
                output.connect(path)
                self._process = network.popen("iperf3", "-s", "--forceflush", stdin=subprocess.DEVNULL, stdout=output,
                                              stderr=output, preexec_fn=die_with_parent)
                self._lines = LineStream("iperf3 -s", listener)
        self._seen = 0

    def wait_idle(self) -> None:
        """Wait until it takes the next client: it says so once for each."""
        at, _ = self._lines.wait("Server listening", TIMEOUT, self._seen)
        self._seen = at + 1

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._lines.close()

    def __enter__(self) -> IperfServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
