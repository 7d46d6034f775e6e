# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge's tests: Linux's own mana driver, unmodified, on the device model. What it accepts is what the model may do,
and what the model counts against it (--strict) is a mistake of the model's."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import artifacts
import netns
import nic_image
from cases import Context, case, expect
from iperf import IperfServer
from judge import Judge, Oracle
from mana_model import ManaModel
from netns import NetworkNamespace
from nic_guest import IP, NicGuest
from paravisor import BOOT_TIMEOUT, DEBUG_CPU, KASAN_PATIENCE, has_kasan
from qemu import VM, Machine, addresses

CMDLINE = f"console=ttyS0 quiet no_timer_check panic=-1 {nic_image.RDINIT}"
MODULES = ["ipv6", "8021q", "mana"]     # what of them a kernel has built in is not found as a module
KASAN_CMDLINE = " log_buf_len=2M"     # its reports are long, and the log is read back to the start of the test
VLAN, VLAN_IPV4 = 5, "10.78.0"


def ours(context: Context) -> Oracle:
    directory = context.kernel.with_name("modules")
    return Oracle("ours", context.kernel, nic_image.module_closure(directory, MODULES), link_events=True)


def debian(_: Context) -> Oracle:
    directory = artifacts.debian_kernel()
    return Oracle("debian", directory / "vmlinuz", nic_image.module_closure(directory / "modules", MODULES))


def _machine(context: Context, oracle: Oracle, image: Path, model: ManaModel) -> Machine:
    kasan = has_kasan(oracle.kernel)
    return Machine(context.directory, oracle.kernel, image, CMDLINE + (KASAN_CMDLINE if kasan else ""),
                   vfio_user=[model.device], memory="1G" if kasan else "512M", accel=context.accel, cpu=DEBUG_CPU if kasan else "max")


def judge(context: Context, oracle: Oracle) -> None:
    directory = context.directory
    image = nic_image.build(context.image, directory / "image", oracle.modules)
    with (NetworkNamespace() as network, ManaModel(directory, network) as model, IperfServer(directory, network) as server,
          VM(_machine(context, oracle, image, model)) as vm):
        vm.guest.patience = KASAN_PATIENCE if has_kasan(oracle.kernel) else 1.0
        problems = Judge(directory / "log", oracle, network, model, server, vm).run(directory / "dmesg")
    expect(not problems, "\n".join(problems))


@case("mana-ours", "the mana driver of our kernel takes the model for a NIC: traffic, offloads, MTU, rebinding", "model")
def mana_ours(context: Context) -> None:
    judge(context, ours(context))


@case("mana-debian", "the mana driver of Debian 12's 6.1 cloud kernel does, too, and can be reloaded", "model")
def mana_debian(context: Context) -> None:
    judge(context, debian(context))


@dataclass
class _Echoed:
    """A guest with Debian's driver inserted, whose NIC's wire ends at the model's own peer."""
    model: ManaModel
    vm: VM
    nic: NicGuest

    def end(self) -> dict[str, Any]:
        self.vm.guest.send("poweroff -f")
        self.vm.wait_exit(BOOT_TIMEOUT)
        counts = self.model.wait_end()
        expect(not counts["strict_violations"], f"{counts['strict_violations']} violations: {counts['first_violation']}")
        expect(not any(counts["live"].values()), f"the driver has gone and left {counts['live']}")
        return counts


@contextmanager
def _echoed(context: Context, *options: str) -> Iterator[_Echoed]:
    oracle = debian(context)
    directory = context.directory
    image = nic_image.build(context.image, directory / "image", oracle.modules)
    with (ManaModel(directory, options=("--strict", *options)) as model,
          VM(_machine(context, oracle, image, model)) as vm):
        vm.guest.wait_ready(BOOT_TIMEOUT)
        nic = NicGuest(vm.guest, addresses([model.device])[model.device.name])
        nic.start()
        nic.insert(oracle.modules)
        yield _Echoed(model, vm, nic)


def _received(nic: NicGuest, interface: str) -> int:
    return int(nic.guest.check(f"cat /sys/class/net/{interface}/statistics/rx_packets"))


@case("mana-two-ports", "a device with two ports is two interfaces, each with a wire of its own", "model")
def mana_two_ports(context: Context) -> None:
    with _echoed(context, "--vports", "2") as run:
        ports = run.nic.wait_interfaces(2)
        for n, port in enumerate(ports):
            run.nic.guest.check(f"{IP} link set {port} up && {IP} addr add 10.77.{n}.2/24 dev {port}")
        for n, port in enumerate(ports):
            run.nic.ping(f"10.77.{n}.1", 3)
            expect(_received(run.nic, port) >= 3, f"{port} received too little for three answers")
        # One of them goes, and the other does not care.
        run.nic.guest.check(f"{IP} link set {ports[0]} down")
        run.nic.ping("10.77.1.1", 3)
        run.nic.guest.check("rmmod mana")
        run.end()


@case("mana-echo", "the model's own peer answers Linux: ARP, neighbour discovery, pings, and through a VLAN", "model")
def mana_echo(context: Context) -> None:
    with _echoed(context) as run:
        nic = run.nic
        vlan = f"{nic.wait_interface()}.{VLAN}"
        nic.up()
        # It is every host of the network, so that each address answers.
        for address in (netns.IPV4, "10.77.0.200", netns.IPV6, "fd00:77::abcd"):
            nic.ping(address, 3)
            nic.ping(address, 3, 1400)
        nic.guest.check(f"{IP} link add link {nic.interface} name {vlan} type vlan id {VLAN} && {IP} link set {vlan} up && "
                        f"{IP} addr add {VLAN_IPV4}.2/24 dev {vlan}")
        nic.ping(f"{VLAN_IPV4}.1", 3)
        # The tag went out beside the frame and came back beside it, or it would not have come to this interface.
        expect(_received(nic, vlan) >= 3, f"{vlan} received too little for three answers")
        errors = nic.network_errors()
        run.end()
    expect(not errors, "\n".join(errors))
