# SPDX-License-Identifier: GPL-2.0-or-later
"""A port of a NIC as its TAP interface: in the guest by commands, and from the wire's other end by a verified TCP connection."""
from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import netns
import nic_guest
import tcp_peer
from guest import CommandFailed
from lineprocess import LineProcess
from netns import NetworkNamespace
from paravisor import Paravisor
from stream import Timeout

INTERFACE = "mana0"         # of the first port of the first device
ANSWER = 30.0
DRAIN = 60.0                # for what is still on its way when the connection ends
POLL = 0.02                 # seconds from one look for the interface to the next, in the guest
# Whoever uses an interface sets it up: with its kernel its addresses, routes and servers are gone.
SET_UP = (f"ip link set lo up; until ip link set {INTERFACE} up 2>/dev/null; do sleep {POLL}; done; "
          f"ip addr add {nic_guest.IPV4}/{netns.IPV4_PREFIX} dev {INTERFACE}; "
          f"nc -ll -p {tcp_peer.PORT} -e cat >/dev/null 2>&1 &")


def set_up(paravisor: Paravisor) -> None:
    """Up, with an address, and with a server that echoes what it gets."""
    paravisor.guest.check(SET_UP)


def status(paravisor: Paravisor, name: str = "mana0") -> dict[str, Any] | None:
    """What its host says of the interface; None: there is none."""
    return paravisor.device(name)["mana"]["vports"][0].get("tap")


def attribute(paravisor: Paravisor, name: str) -> str:
    """Of the interface, in sysfs."""
    return paravisor.guest.check(f"cat /sys/class/net/{INTERFACE}/{name}").strip()


class Clock:
    """Of an update: from reboot() to the first packet through the next kernel's interface, and to the next connection."""

    def __init__(self, paravisor: Paravisor, peer: TcpPeer) -> None:
        """Right before the update."""
        self._paravisor = paravisor
        self._peer = peer
        self._connections = peer.status()["connections"]

    def wait(self) -> dict[str, float]:
        """Once the next kernel's interface is set up: `first_packet_ms`, `tcp_reconnect_ms`."""
        deadline = time.monotonic() + ANSWER
        while (tcp := self._peer.status())["connections"] == self._connections or not tcp["connected"]:
            if time.monotonic() > deadline:
                raise Timeout(f"no TCP connection within {ANSWER:.0f} s of the update")
            time.sleep(POLL)
        found = status(self._paravisor)
        if not found or "tsc_first_packet" not in found:
            raise CommandFailed(f"a connection was made without a packet through {INTERFACE}")
        update = self._paravisor.update_report()
        # The guest knows when it rebooted, and the host when it was connected: what the guest's clock shows now joins them.
        tsc = self._paravisor.status()["tsc"]
        reboot = time.time() - (tsc - update["tsc_reboot"]) / update["tsc_khz"] / 1000
        packet = (found["tsc_first_packet"] - update["tsc_reboot"]) / update["tsc_khz"]
        # The guest's answer comes somewhat later than it read its clock, and there is no connection without a packet.
        connected = max((tcp["connected_at"] - reboot) * 1000, packet)
        return {"first_packet_ms": round(packet, 1), "tcp_reconnect_ms": round(connected, 1)}


class TcpPeer:
    """A context manager: it connects until it succeeds, and sends."""

    def __init__(self, directory: Path, network: NetworkNamespace, rate: float, patience: float,
                 remote: str = nic_guest.IPV4) -> None:
        command = [*network.enter, sys.executable, str(Path(__file__).with_name("tcp_peer.py")),
                   "--remote", remote, "--rate", str(rate), "--patience", str(patience)]
        self._process = LineProcess("tcp_peer", command, directory / "tcp-errors")
        self._process.lines.wait("^ready$", ANSWER)

    def status(self) -> dict[str, Any]:
        return self._process.ask("status", ANSWER)

    def rate(self, rate: float) -> None:
        """Bytes a second from now on; 0: none."""
        self._process.lines.send(f"rate {rate}\n")

    def rest(self) -> None:
        """Send no more, until another rate is set; what was on its way is back."""
        self.rate(0)
        deadline = time.monotonic() + ANSWER
        while self.status()["waiting"]:
            if time.monotonic() > deadline:
                raise Timeout(f"what was sent over TCP did not come back within {ANSWER:.0f} s")
            time.sleep(POLL)

    def again(self) -> None:
        """Connect anew."""
        self._process.lines.send("again\n")

    def stop(self) -> dict[str, Any]:
        """Send no more, and wait for what is on its way."""
        return self._process.ask("stop", DRAIN)

    def __enter__(self) -> TcpPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
