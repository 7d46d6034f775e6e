# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge: what a Linux guest does with the NIC that the model is."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import judge_rules
import netns
from cases import expect
from iperf import IperfServer
from mana_model import ManaModel
from netns import NetworkNamespace
from nic_guest import ETHTOOL, IP, NicGuest
from paravisor import BOOT_TIMEOUT
from qemu import VM, addresses

STEPS = ("probe", "ping", "offloads", "throughput", "statistics", "by_software", "queues", "mtu", "link", "down_up", "reload")
SECONDS = 2             # of each throughput run
DOWN_UP, RELOADS = 20, 5
# What a run of throughput must at least come to: far below what the slowest machine does, far above a trickle of
# retransmissions.
MBITS = 0.2


@dataclass
class Oracle:
    """A kernel with a mana driver, as a module or built in."""
    name: str
    kernel: Path
    modules: list[Path]
    link_events: bool = False       # its driver hears of the link

    @property
    def driver(self) -> Path | None:
        return next((m for m in self.modules if m.name == "mana.ko"), None)


class Judge:
    """One guest, one model, one wire between them; steps that say what they did."""

    def __init__(self, log: Path, oracle: Oracle, network: NetworkNamespace, model: ManaModel,
                 server: IperfServer, vm: VM) -> None:
        self.oracle = oracle
        self.network = network
        self.model = model
        self.server = server
        self.vm = vm
        self.nic = NicGuest(vm.guest, addresses([model.device])[model.device.name])
        self.probes = 0
        self._log = log
        self._problems: list[str] = []

    def step(self, name: str, action: Callable[[], Any]) -> Any:
        """Do it; a line in the log either way."""
        start = time.monotonic()
        said: Any = "FAILED"
        try:
            said = action()
        finally:
            with open(self._log, "a", encoding="utf-8") as log:
                log.write(f"{time.monotonic() - start:7.2f} s  {name}{f': {said}' if said is not None else ''}\n")
        return said

    def boot(self) -> str:
        self.vm.guest.wait_ready(BOOT_TIMEOUT)
        return self.vm.guest.check("uname -r").strip()

    def probe(self) -> str:
        """The first one, at boot or by inserting the module."""
        self.nic.start()
        self.nic.guest.check(f"echo '{judge_rules.MARK} start' > /dev/kmsg")
        self.nic.insert(self.oracle.modules)
        self.nic.guest.check("test -e /proc/net/if_inet6")      # without IPv6, half of this would be left out
        self.probes = 1
        name = self.nic.wait_interface()
        self.nic.up()
        return name

    def ping(self) -> None:
        mtu = self.nic.link()["mtu"]
        for size in (0, 56, mtu - 28, 3 * mtu):
            self.nic.ping(netns.IPV4, 3, size)
        for size in (0, 56, mtu - 48, 3 * mtu):
            self.nic.ping(netns.IPV6, 3, size)

    def offloads(self) -> str:
        """All that the driver offers is on: the throughput runs are to use it."""
        features = self.nic.features()
        wanted = ("rx-checksumming", "tx-checksumming", "scatter-gather", "tcp-segmentation-offload",
                  "tx-tcp6-segmentation", "receive-hashing", "tx-vlan-offload")
        off = [name for name in wanted if not features.get(name)]
        expect(not off, f"offloads that are off: {', '.join(off)}")
        return ", ".join(wanted)

    def throughput(self) -> str:
        rates = []
        for address, family in ((netns.IPV4, "IPv4"), (netns.IPV6, "IPv6")):
            for direction, options in (("out", ""), ("in", "-R"), ("out x8", "-P 8"), ("in x8", "-P 8 -R"),
                                       ("UDP in", "-u -b 20M -l 1000 -R"), ("UDP out", "-u -b 20M -l 1000")):
                self.server.wait_idle()
                rate = self.nic.iperf(address, SECONDS, options)
                rates.append(f"{family} {direction} {rate:.0f}")
                if rate < MBITS:
                    self._problems.append(f"iperf3 {family} {direction}: {rate:.1f} Mbit/s")
        return ", ".join(rates) + " Mbit/s"

    def by_software(self) -> str:
        """Without offloads both stacks make and verify all checksums themselves: whatever the model told the driver
        about a frame before, its contents are judged now."""
        guest, interface = self.nic.guest, self.nic.interface
        guest.check(f"{ETHTOOL} -K {interface} rx off tx off sg off tso off")
        rates = []
        for address, family in ((netns.IPV4, "IPv4"), (netns.IPV6, "IPv6")):
            for direction, options in (("out", ""), ("in", "-R")):
                self.server.wait_idle()
                rates.append(f"{family} {direction} {self.nic.iperf(address, 1, options):.0f}")
        guest.check(f"{ETHTOOL} -K {interface} rx on tx on sg on tso on")
        return ", ".join(rates) + " Mbit/s"

    def statistics(self) -> str:
        found = self.nic.statistics()
        self._problems += judge_rules.statistics(found)
        return f"{len(found)} counters"

    def queues(self) -> str:
        """Another number of queues, and back."""
        for count in (1, 2):
            self.nic.guest.check(f"{ETHTOOL} -L {self.nic.interface} combined {count}")
            self.nic.up()
            self.nic.ping(netns.IPV4)
        self.nic.guest.check(f"{ETHTOOL} -x {self.nic.interface}")
        return "1 and 2"

    def mtu(self) -> str:
        link = self.nic.link()
        was, least, most = link["mtu"], max(link["min_mtu"], 1280), link["max_mtu"]
        if least >= was and most <= was:
            status, _ = self.nic.guest.run(f"{IP} link set {self.nic.interface} mtu {was - 100}")
            expect(status != 0, "a driver that offers one MTU only took another")
            return f"this driver offers {was} only"
        tried = sorted({least, 1400, was, most} & set(range(least, most + 1)))
        for mtu in [*tried, was]:
            self.nic.guest.check(f"{IP} link set {self.nic.interface} mtu {mtu}")
            self.network.mtu(mtu)
            self.nic.up()
            self.nic.ping(netns.IPV4, 2, mtu - 28)
            self.nic.ping(netns.IPV6, 2, mtu - 48)
            self.server.wait_idle()
            self.nic.iperf(netns.IPV4, 1, "-R")
        return ", ".join(map(str, tried))

    def link(self) -> str:
        """The cable is pulled and put back."""
        if not self.oracle.link_events:
            return "this driver does not hear of it"
        self.model.fault("link-down")
        self.nic.wait_carrier(False)
        self.model.fault("link-up")
        self.nic.wait_carrier(True)
        self.nic.ping(netns.IPV4, 3)
        self.nic.ping(netns.IPV6, 3)
        return "down and up"

    def down_up(self) -> str:
        for _ in range(DOWN_UP):
            self.nic.down()
            self.nic.up()
            self.nic.ping(netns.IPV4)
            self.nic.ping(netns.IPV6)
        return f"{DOWN_UP} times"

    def reload(self) -> str:
        """The module out and in; a driver that is built in is unbound and bound."""
        driver, guest = self.oracle.driver, self.nic.guest
        for _ in range(RELOADS):
            if driver:
                guest.check("rmmod mana")
                self.nic.insert([driver])
            else:
                guest.check(f"echo {self.nic.bdf} > /sys/bus/pci/drivers/mana/unbind", 60)
                guest.check(f"echo {self.nic.bdf} > /sys/bus/pci/drivers/mana/bind", 60)
            self.probes += 1
            self.nic.wait_interface()
            self.nic.up()
            self.nic.ping(netns.IPV4)
            self.nic.ping(netns.IPV6)
        return f"{'module' if driver else 'unbind and bind'}, {RELOADS} times"

    def end(self) -> dict[str, Any]:
        """The guest goes down, QEMU and the model with it; what the model has counted."""
        self.nic.guest.send("poweroff -f")
        self.vm.wait_exit(BOOT_TIMEOUT * self.vm.guest.patience)
        return self.model.wait_end()

    def run(self, log: Path) -> list[str]:
        """All of it; what is wrong. The kernel's log goes to a file."""
        self.step("boot", self.boot)
        resets = self.model.stats()["resets"]
        for name in STEPS:
            self.step(name.replace("_", " "), getattr(self, name))
        lines = self.nic.log()
        log.write_text("".join(f"<{level}>{text}\n" for level, text in lines))
        self._problems += judge_rules.kernel_log(lines, self.nic.bdf)
        self._problems += [f"network: {text}" for text in self.nic.network_errors() + self.network.errors()]
        counts = self.step("end", self.end)
        return self._problems + judge_rules.model(counts, self.probes, resets)
