# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge: Linux's own mana driver, unmodified, on the device model. What it accepts is what the model may do, and
what the model counts against it (--strict) is a mistake of the model's."""
from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import artifacts
import netns
import nic_image
from cases import Context, case, expect
from iperf import IperfServer
from mana_model import ManaModel
from netns import NetworkNamespace
from nic_guest import ETHTOOL, IP, WARNING, NicGuest
from paravisor import BOOT_TIMEOUT, COMPLAINT
from qemu import VM, Machine, addresses

CMDLINE = f"console=ttyS0 quiet no_timer_check panic=-1 {nic_image.RDINIT}"
SECONDS = 3             # of each throughput run
DOWN_UP, RELOADS = 20, 5
VLAN, VLAN_IPV4 = 5, "10.78.0"
MODULES = ["ipv6", "8021q", "mana"]     # what of them a kernel has built in is not found as a module
ETHERNET_HEADER = 14
# Warnings about time: of a machine that is slow or busy, not of what runs on it.
ABOUT_TIME = re.compile(r"hrtimer: interrupt took|clocksource: (timekeeping )?watchdog|perf: interrupt took too long")
# What a run of throughput must at least come to: far below what the slowest machine does, far above a trickle of
# retransmissions.
MBITS = 5.0


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


def ours(context: Context) -> Oracle:
    directory = context.kernel.with_name("modules")
    return Oracle("ours", context.kernel, nic_image.module_closure(directory, MODULES), link_events=True)


def debian(_: Context) -> Oracle:
    directory = artifacts.debian_kernel()
    return Oracle("debian", directory / "vmlinuz", nic_image.module_closure(directory / "modules", MODULES))


class Judge:
    """One guest, one model, one wire between them; steps that say what they did."""

    def __init__(self, context: Context, oracle: Oracle, network: NetworkNamespace, model: ManaModel,
                 server: IperfServer, vm: VM) -> None:
        self.oracle = oracle
        self.network = network
        self.model = model
        self.server = server
        self.vm = vm
        self.nic = NicGuest(vm.guest, addresses([model.device])[model.device.name])
        self.probes = 0
        self._log = context.directory / "log"
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

    def problem(self, text: str) -> None:
        self._problems.append(text)

    def boot(self) -> str:
        self.vm.guest.wait_ready(BOOT_TIMEOUT)
        return self.vm.guest.check("uname -r").strip()

    def probe(self) -> str:
        """The first one, at boot or by inserting the module."""
        self.nic.start()
        self.nic.log_mark("start")
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
                    self.problem(f"iperf3 {family} {direction}: {rate:.1f} Mbit/s")
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
        """The driver's own account: offloads were used, and no queue complained."""
        found = self.nic.statistics()

        def total(suffix: str) -> int:
            return sum(value for name, value in found.items() if name.endswith(suffix))

        for name in ("tso_packets", "csum_partial"):
            if any(key.endswith(name) for key in found) and not total(name):
                self.problem(f"ethtool -S: {name} is 0")
        queues = [name for name in found if name.startswith("rx_") and name.endswith("_packets")
                  and name.split("_")[1].isdigit()]
        idle = [name for name in queues if not found[name]]
        if not queues or idle:
            self.problem(f"ethtool -S: {', '.join(idle) or 'no receive queue at all'}: received nothing")
        for name, value in found.items():
            # What the hardware counts (hc_*) has the frames that came before the interface was up.
            if value and not name.startswith("hc_") and any(w in name for w in ("_err", "inval", "drop", "wake_fail")):
                self.problem(f"ethtool -S: {name} is {value}")
        return f"{len(found)} counters, {len(queues)} receive queues"

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

    def kernel_log(self, out: Path) -> None:
        """Nothing of the kernel's complaints; from the first use of the device on, nothing that is a warning."""
        lines = self.nic.log()
        out.write_text("".join(f"<{level}>{text}\n" for level, text in lines))
        started = False
        for level, text in lines:
            started |= "nic-test: start" in text
            about = started or "mana" in text or self.nic.bdf in text
            warning = level <= WARNING and about and not ABOUT_TIME.search(text) and "nic-test:" not in text
            if warning or COMPLAINT.search(text):
                self.problem(f"kernel log: {text.strip()}")

    def end(self) -> dict[str, Any]:
        """The guest goes down, QEMU and the model with it; what the model has counted."""
        self.nic.guest.send("poweroff -f")
        self.vm.wait_exit(BOOT_TIMEOUT)
        return self.model.wait_end()

    def verdict(self, counts: dict[str, Any], resets: int) -> None:
        """The model's account, the network's, and all problems so far."""
        self._problems += [f"model: {counts['strict_violations']} strict violations, see model.log"] \
            if counts["strict_violations"] else []
        if counts["hwc_established"] != self.probes:
            self.problem(f"model: {counts['hwc_established']} HWC establishments in {self.probes} probes")
        if counts["resets"] != resets:
            self.problem(f"model: {counts['resets']} resets, {resets} before the first probe; {self.model.resets()}")
        for name in ("tx", "rx", "queues_created"):
            if not counts[name]:
                self.problem(f"model: {name} is 0")
        expect(not self._problems, "\n".join(self._problems))


def judge(context: Context, oracle: Oracle) -> None:
    directory = context.directory
    image = nic_image.build(context.image, directory / "image", oracle.modules)
    with (NetworkNamespace() as network, ManaModel(directory, network) as model, IperfServer(directory, network) as server,
          VM(Machine(directory, oracle.kernel, image, CMDLINE, vfio_user=[model.device], memory="512M",
                     accel=context.accel)) as vm):
        judge = Judge(context, oracle, network, model, server, vm)
        judge.step("boot", judge.boot)
        resets = model.stats()["resets"]
        for name in ("probe", "ping", "offloads", "throughput", "statistics", "by_software", "queues", "mtu", "link", "down_up",
                     "reload"):
            judge.step(name.replace("_", " and "), getattr(judge, name))
        for text in judge.nic.network_errors() + network.errors():
            judge.problem(f"network: {text}")
        judge.kernel_log(directory / "dmesg")
        counts = judge.step("end", judge.end)
        judge.verdict(counts, resets)


@case("mana-ours", "the mana driver of our kernel takes the model for a NIC: traffic, offloads, MTU, rebinding", "model")
def mana_ours(context: Context) -> None:
    judge(context, ours(context))


@case("mana-debian", "the mana driver of Debian 12's 6.1 cloud kernel does, too, and can be reloaded", "model")
def mana_debian(context: Context) -> None:
    judge(context, debian(context))


@case("mana-echo", "the model's own peer answers Linux: ARP, neighbour discovery, pings, and through a VLAN", "model")
def mana_echo(context: Context) -> None:
    oracle = debian(context)
    directory = context.directory
    image = nic_image.build(context.image, directory / "image", oracle.modules)
    with (ManaModel(directory) as model,
          VM(Machine(directory, oracle.kernel, image, CMDLINE, vfio_user=[model.device], memory="512M",
                     accel=context.accel)) as vm):
        vm.guest.wait_ready(BOOT_TIMEOUT)
        nic = NicGuest(vm.guest, addresses([model.device])[model.device.name])
        nic.start()
        nic.insert(oracle.modules)
        vlan = f"{nic.wait_interface()}.{VLAN}"
        nic.up()
        # It is every host of the network, so that each address answers.
        for address in (netns.IPV4, "10.77.0.200", netns.IPV6, "fd00:77::abcd"):
            nic.ping(address, 3)
            nic.ping(address, 3, 1400)
        before = model.stats()
        vm.guest.check(f"{IP} link add link {nic.interface} name {vlan} type vlan id {VLAN} && {IP} link set {vlan} up && "
                       f"{IP} addr add {VLAN_IPV4}.2/24 dev {vlan}")
        nic.ping(f"{VLAN_IPV4}.1", 3)
        after = model.stats()
        # The tag went out beside the frame and came back beside it, or it would not have come to this interface.
        received = int(vm.guest.check(f"cat /sys/class/net/{vlan}/statistics/rx_packets"))
        errors = nic.network_errors()
        vm.guest.send("poweroff -f")
        vm.wait_exit(BOOT_TIMEOUT)
        counts = model.wait_end()
    expect(received >= 3, f"{vlan} received {received} frames")
    expect(after["tx"] - before["tx"] >= 3, "the model sent nothing for the VLAN")
    expect(not counts["strict_violations"], f"{counts['strict_violations']} violations: {counts['first_violation']}")
    expect(not errors, "\n".join(errors))
