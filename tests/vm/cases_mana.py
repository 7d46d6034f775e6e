# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge's tests: Linux's own mana driver, unmodified, on the device model. What it accepts is what the model may do,
and what the model counts against it (--strict) is a mistake of the model's."""
from __future__ import annotations

import artifacts
import netns
import nic_image
from cases import Context, case, expect
from iperf import IperfServer
from judge import Judge, Oracle
from mana_model import ManaModel
from netns import NetworkNamespace
from nic_guest import IP, NicGuest
from paravisor import BOOT_TIMEOUT
from qemu import VM, Machine, addresses

CMDLINE = f"console=ttyS0 quiet no_timer_check panic=-1 {nic_image.RDINIT}"
MODULES = ["ipv6", "8021q", "mana"]     # what of them a kernel has built in is not found as a module
VLAN, VLAN_IPV4 = 5, "10.78.0"


def ours(context: Context) -> Oracle:
    directory = context.kernel.with_name("modules")
    return Oracle("ours", context.kernel, nic_image.module_closure(directory, MODULES), link_events=True)


def debian(_: Context) -> Oracle:
    directory = artifacts.debian_kernel()
    return Oracle("debian", directory / "vmlinuz", nic_image.module_closure(directory / "modules", MODULES))


def judge(context: Context, oracle: Oracle) -> None:
    directory = context.directory
    image = nic_image.build(context.image, directory / "image", oracle.modules)
    with (NetworkNamespace() as network, ManaModel(directory, network) as model, IperfServer(directory, network) as server,
          VM(Machine(directory, oracle.kernel, image, CMDLINE, vfio_user=[model.device], memory="512M",
                     accel=context.accel)) as vm):
        problems = Judge(directory / "log", oracle, network, model, server, vm).run(directory / "dmesg")
    expect(not problems, "\n".join(problems))


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
