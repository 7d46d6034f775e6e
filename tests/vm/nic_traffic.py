# SPDX-License-Identifier: GPL-2.0-or-later
"""A NIC under the verifying UDP stream: the model, the wire, and the host's end of the stream, for an experiment."""
from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netns
import nic_guest
from lineprocess import LineProcess
from mana_model import ManaModel
from netns import NetworkNamespace

NAME = "mana0"
MAC = "02:4d:41:4e:41:00"       # of the model's first port
RATE = 500.0                    # frames a second
# Frames of a blackout as it was measured. Four rings of 1024 hold those of one that takes three times as long, even if
# the flows are spread unevenly.
INSIDE = 800
QUEUE = 10_000                  # frames that may wait in the TAP for the model
ANSWER = 30.0
DRAIN = 60.0                    # for what is still on its way when the stream stops
# Of the model's counters, what must not change once the NIC runs: nobody may start it again.
CONSTANT = ("resets", "hwc_established", "queues_created", "regions_created")


def rate_for(blackout: float) -> float:
    """Frames a second that the receive rings hold for a blackout of so many seconds."""
    return min(RATE, INSIDE / blackout)


@dataclass
class NicCounted:
    """What a run has gathered about a NIC, from both ends and from the model between them."""
    sender: dict[str, Any] | None = None            # nic_sender's result
    guest: dict[str, Any] | None = None             # the consumer's final counters
    model_start: dict[str, Any] | None = None       # the model's counters when the NIC had come up, and at the end
    model_end: dict[str, Any] | None = None
    losses: dict[str, int] = field(default_factory=dict)    # of the harness's own network, by place
    tcp: dict[str, Any] | None = None               # tcp_peer's result
    interface: list[dict[str, float]] = field(default_factory=list)     # per kexec, how long the interface was away


class NicTraffic:
    """A context manager: the model listens inside. Nothing is sent before start()."""

    def __init__(self, directory: Path, rate: float = RATE) -> None:
        self._directory = directory
        self._rate = rate
        self.counted = NicCounted()
        self._sender: LineProcess | None = None
        self._before: dict[str, int] = {}
        self.network = NetworkNamespace()
        try:
            self.network.run("ip", "link", "set", self.network.tap, "txqueuelen", str(QUEUE), "addrgenmode", "none")
            # The consumer takes frames of the stream only: nobody in the guest answers ARP.
            self.network.run("ip", "neigh", "replace", nic_guest.IPV4, "lladdr", MAC, "dev", self.network.tap,
                              "nud", "permanent")
            self.model = ManaModel(directory, self.network, NAME)
        except BaseException:
            self.network.close()
            raise

    def start(self) -> None:
        """The NIC is up in the guest: send."""
        self.counted.model_start = self.model.stats()
        # What the network said before the model was at its other end does not count.
        self._before = self._losses()
        command = [*self.network.enter, sys.executable, str(Path(__file__).with_name("nic_sender.py")),
                   "--local", netns.IPV4, "--remote", nic_guest.IPV4, "--rate", str(self._rate)]
        self._sender = LineProcess("nic_sender", command, self._directory / "sender-errors")
        self._sender.lines.wait("^ready$", ANSWER)

    def status(self) -> dict[str, Any]:
        assert self._sender
        return self._sender.ask("status", ANSWER)

    def cycle(self, cycle: int) -> None:
        """So many kexecs have been."""
        assert self._sender
        self._sender.lines.send(f"cycle {cycle}\n")

    def rate(self, rate: float) -> None:
        """Frames a second from now on; 0: none."""
        assert self._sender
        self._sender.lines.send(f"rate {rate}\n")

    def stop_sender(self) -> dict[str, Any]:
        """Send no more, and wait for what is on its way."""
        assert self._sender
        self.counted.sender = self._sender.ask("stop", DRAIN)
        self.counted.losses = {place: n - self._before[place] for place, n in self._losses().items()}
        return self.counted.sender

    def _losses(self) -> dict[str, int]:
        counters = self.network.counters()
        return {"the sender's sockets": counters["Udp.RcvbufErrors"] + counters["Udp.SndbufErrors"],
                "the TAP's queue": self.network.dropped()}

    def finish(self, guest: dict[str, Any]) -> None:
        """`guest`: the consumer's final counters, asked for after stop_sender()."""
        self.counted.guest = guest
        self.counted.model_end = self.model.stats()

    def __enter__(self) -> NicTraffic:
        return self

    def __exit__(self, *_: object) -> None:
        if self._sender:
            self._sender.stop()
        self.model.stop()
        self.network.close()

