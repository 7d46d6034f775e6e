# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of a NIC's port as a TAP interface, with a verified TCP connection through it."""
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import netns
import nic_guest
import report_nic
import tap_guest
from cases import Context, case, expect, wait
from nic_traffic import MAC, NAME, NicTraffic
from paravisor import Paravisor
from qemu import addresses
from tap_guest import INTERFACE, TcpPeer

QUEUES, MTU = 4, 1400
BYTES = 4 << 20         # that must come back between two events
TCP_RATE = 8e6          # bytes a second
RATE = 100.0            # frames a second of the verifying stream: the rings hold those of 20 s of a busy machine
IMPATIENT = 1.0         # seconds, of a client that knows that its server may be replaced
CYCLES = 3
SEGMENT = MTU - 40      # bytes of TCP's


class _Log:
    """A line for each step."""

    def __init__(self, context: Context) -> None:
        self._path = context.directory / "log"
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        with open(self._path, "a", encoding="utf-8") as log:
            log.write(f"{time.monotonic() - self._start:7.2f} s  {text}\n")


@dataclass
class _Tap:
    """A paravisor with a NIC whose port is an interface."""
    say: _Log
    traffic: NicTraffic
    paravisor: Paravisor
    peer: TcpPeer

    def counts(self) -> dict[str, Any]:
        return self.traffic.model.stats()

    def interface(self) -> dict[str, Any] | None:
        return tap_guest.status(self.paravisor)

    def wait_running(self, restarts: int) -> None:
        wait(f"{NAME} did not run again", lambda: (d := self.paravisor.device(NAME))["state"] == "running"
             and d["restarts"] == restarts)

    def wait_carrier(self, on: bool) -> None:
        wait(f"the carrier was not {'on' if on else 'off'}",
             lambda: tap_guest.attribute(self.paravisor, "carrier") == str(int(on)))

    def come_back(self, what: str, connections: int | None, count: int = BYTES) -> None:
        """Wait for so many more bytes, none of them damaged. `connections`: there must have been no more."""
        start = self.peer.status()["echoed"]
        found = wait(f"{what}: {count} more bytes did not come back",
                     lambda: (s := self.peer.status())["echoed"] >= start + count and s)
        expect(not found["damaged"], f"{what}: {found['damaged']} times other bytes came back than were sent")
        expect(connections in (None, found["connections"]), f"{what}: {found['connections']} connections were made")
        self.say(f"{what}: {found['echoed']} bytes have come back")

    def ping_both_ways(self) -> None:
        out = self.paravisor.guest.check(f"ping -c 3 -i 0.2 -W 10 -s {MTU - 28} {netns.IPV4}")
        expect("3 packets received" in out, f"ping of {netns.IPV4}: {out}")
        out = self.traffic.network.run("ping", "-c", "3", "-i", "0.2", "-W", "10", "-s", str(MTU - 28), nic_guest.IPV4)
        expect("3 received" in out, f"ping of {nic_guest.IPV4}: {out}")

    def finish(self) -> list[str]:
        """End the connection; what was wrong with it, with checksums at either end, or with the rules."""
        tcp = self.peer.stop()
        problems = [f"TCP: {tcp[key]} {key}" for key in ("damaged", "waiting") if tcp[key]]
        problems += _network_problems(self)
        counts = self.counts()
        if counts["strict_violations"]:
            problems.append(f"{counts['strict_violations']} violations: {counts['first_violation']}")
        return problems + self.paravisor.complaints()


def _network_problems(tap: _Tap) -> list[str]:
    """What either end found wrong with what it received."""
    found = netns.counters(tap.paravisor.guest.check("cat /proc/net/snmp"), "")
    problems = [f"guest: {text}" for text in netns.errors(found)] + [f"host: {text}" for text in tap.traffic.network.errors()]
    # It also counts a SYN that was repeated, as its answer came late. Checksums have a counter of their own.
    return [text for text in problems if "Tcp.InErrs" not in text]


@contextmanager
def _tap(context: Context, patience: float, options: str = "", remote: str = nic_guest.IPV4, **setup: Any) -> Iterator[_Tap]:
    with ExitStack() as stack:
        traffic = stack.enter_context(NicTraffic(context.directory, RATE))
        bdf = addresses([traffic.model.device])[NAME]
        paravisor = stack.enter_context(Paravisor(context.setup(
            vfio_user=[traffic.model.device], devices=f"{NAME}@{bdf}", cmdline=f"udrv.mana=queues={QUEUES}{options}", **setup)))
        paravisor.wait_up()
        tap_guest.set_up(paravisor)
        peer = stack.enter_context(TcpPeer(context.directory, traffic.network, TCP_RATE, patience, remote))
        yield _Tap(_Log(context), traffic, paravisor, peer)


@case("tap-traffic", "a NIC's port as an interface: TCP with offloads, through link loss, a reset, and its host's deaths")
def tap_traffic(context: Context) -> None:
    with _tap(context, patience=60.0, options=f",mtu={MTU}") as tap:
        guest = tap.paravisor.guest
        for name, wanted in (("address", MAC), ("mtu", str(MTU)), ("carrier", "1")):
            expect((found := tap_guest.attribute(tap.paravisor, name)) == wanted, f"{INTERFACE}: {name} is {found}")
        queues = guest.check(f"ls /sys/class/net/{INTERFACE}/queues").split()
        expect(sorted(queues) == sorted(f"{d}-{n}" for d in ("rx", "tx") for n in range(QUEUES)), f"queues: {queues}")
        tap.ping_both_ways()
        tap.come_back("a connection", 1)
        _offloads(tap)
        tap.traffic.model.fault("link-down")
        tap.wait_carrier(False)
        tap.traffic.model.fault("link-up")
        tap.wait_carrier(True)
        tap.come_back("the link was down", 1)
        before = tap.counts()["hwc_established"]
        tap.traffic.model.fault("reset-request")
        wait("the NIC was not set up anew", lambda: tap.counts()["hwc_established"] > before)
        tap.come_back("the NIC was reset", 1)
        for n in range(1, 3):
            guest.check(f"kill -9 {tap.paravisor.device(NAME)['pid']}")
            tap.wait_running(n)
            tap.come_back(f"its host was killed {n} times", 1)
        guest.check(f"ip link del {INTERFACE}")
        wait("the host did not notice that its interface is gone", lambda: tap.interface() is None)
        guest.check(f"udrvctl restart {NAME}")
        tap_guest.set_up(tap.paravisor)
        tap.ping_both_ways()
        tap.say(f"it was deleted, and made again: {tap.interface()}")
        problems = tap.finish()
    expect(not problems, "\n".join(problems))


@case("tap-ipv6", "a NIC's port as an interface: IPv6, and TCP over it with offloads, also after its host's death", "kernel")
def tap_ipv6(context: Context) -> None:
    with _tap(context, patience=60.0, options=f",mtu={MTU}", remote=nic_guest.IPV6) as tap:
        guest = tap.paravisor.guest
        guest.check(f"ip -6 addr add {nic_guest.IPV6}/{netns.IPV6_PREFIX} dev {INTERFACE}")
        tap.come_back("a connection", 1)
        out = guest.check(f"ping -6 -c 3 -i 0.2 -W 10 -s {MTU - 48} {netns.IPV6}")
        expect("3 packets received" in out, f"ping of {netns.IPV6}: {out}")
        _offloads(tap)
        guest.check(f"kill -9 {tap.paravisor.device(NAME)['pid']}")
        tap.wait_running(1)
        tap.come_back("its host was killed", 1)
        problems = tap.finish()
    expect(not problems, "\n".join(problems))


def _offloads(tap: _Tap) -> None:
    """Of a connection that is under way: checksums are the device's, and it cuts large sends."""
    before = tap.counts()
    tap.come_back("a connection goes on", 1)
    after = tap.counts()
    new = {key: after[key] - before[key] for key in ("tx", "tx_wqes", "tx_bytes", "tx_csum", "tx_lso", "rx", "rx_csum")}
    tap.say(f"model: {new}")
    expect(new["tx_lso"] > 0 and new["tx"] > new["tx_wqes"], f"no send was cut by the device: {new}")
    for key, of in (("tx_csum", "tx_wqes"), ("rx_csum", "rx")):
        expect(new[key] > 0.9 * new[of], f"{key} is {new[key]} of {new[of]}")
    found = tap.interface()
    tap.say(f"host: {found}")
    for key in ("rx_dropped", "tx_errors", "tx_dropped"):
        expect(found and not found[key], f"{INTERFACE}: {key} is {found and found[key]}")


@case("tap-updates", "updates with a port as an interface: each kernel has a new one, TCP reconnects, and the stream loses nothing")
def tap_updates(context: Context) -> None:
    problems = []
    with _tap(context, patience=IMPATIENT, verify="rate=400") as tap:
        guest = tap.paravisor.guest
        tap.traffic.start()
        for cycle in range(1, CYCLES + 1):
            tap.come_back(f"before update {cycle}", None)
            problems += _network_problems(tap)
            clock = tap_guest.Clock(tap.paravisor, tap.peer)
            tap.paravisor.update()
            tap.traffic.cycle(cycle)
            tap_guest.set_up(tap.paravisor)
            times = clock.wait()
            tap.say(f"update {cycle}: from reboot() to the first packet {times['first_packet_ms']:.0f} ms, "
                    f"to the next connection {times['tcp_reconnect_ms']:.0f} ms")
            expect(tap.paravisor.device(NAME)["start"] == "resumed", f"update {cycle}: {NAME} was not resumed")
        tap.come_back("at last", None)
        problems += tap.finish()
        cmdline = guest.check("cat /proc/cmdline").strip()
        expect("udrv.mana=" in cmdline and "'" not in cmdline, f"no option to add to: {cmdline}")
        tap.paravisor.update(options=f"--cmdline '{cmdline.replace('udrv.mana=', 'udrv.mana=tap=0,')}'")
        tap.traffic.cycle(CYCLES + 1)
        guest.check(f"test ! -e /sys/class/net/{INTERFACE}")
        expect(tap.interface() is None, "there is an interface in spite of tap=0")
        tap.traffic.stop_sender()
        tap.traffic.finish(guest.json(f"udrvctl verify stop {NAME} -o json", 60))
        problems += tap.paravisor.complaints()
    problems += report_nic.build(tap.traffic.counted, 0)[1]     # what waited for each kernel is not of the stream only
    expect(not problems, "\n".join(problems))
