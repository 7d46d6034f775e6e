# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of updates that keep the device."""
from __future__ import annotations

import re

from cases import Context, case, expect, expect_pass
from experiment import Experiment, Narrator, prepare_disk
from paravisor import Paravisor
from qemu import Controller, addresses


@case("one-kexec", "verified I/O runs through one kexec, controller untouched", "smoke", "vm", "kernel")
def one_kexec(context: Context) -> None:
    expect_pass(context.experiment())


@case("three-kexecs", "verified I/O runs through three kexecs, 10,000 writes")
def three_kexecs(context: Context) -> None:
    expect_pass(context.experiment(cycles=3, writes=10_000))


@case("late-kernel", "a kexec that takes four times as long as it should finds commands in flight all the same")
def late_kernel(context: Context) -> None:
    expect_pass(context.experiment(blackout=context.blackout / 4))


@case("eight-queues-depth-64", "8 queues at depth 64 are resumed with what was in flight")
def eight_queues(context: Context) -> None:
    # 48 of the throttled file and 8 of either null-co namespace are 64 on each queue. Some may just have completed.
    result = expect_pass(context.experiment(queues=8, depth=48, zero_depth=8))
    in_flight = result["nvme"]["in_flight_at_kexec"][0]
    expect(in_flight >= 512 * 9 // 10, f"only {in_flight} commands were in flight; 8 queues at depth 64 are 512")


@case("root-bus", "a controller on the root bus is kept like one behind a root port")
def root_bus(context: Context) -> None:
    result = expect_pass(context.experiment(root_port=False))
    expect(result["devices"][0]["bdf"].startswith("0000:00:"), f"the controller is at {result['devices'][0]['bdf']}")


@case("two-devices", "two controllers are kept through two kexecs")
def two_devices(context: Context) -> None:
    result = expect_pass(context.experiment(controllers=2, cycles=2))
    expect(len(result["devices"]) == 2, f"{len(result['devices'])} devices were kept")


@case("nvme-does-not-bind", "the built-in nvme driver never gets hold of a kept controller")
def nvme_does_not_bind(context: Context) -> None:
    def check(paravisor: Paravisor, cycle: int) -> None:
        bdf = next(iter(addresses([Controller("nvme0", [])]).values()))
        guest = paravisor.guest
        guest.check("test -d /sys/bus/pci/drivers/nvme")       # without it the test would show nothing
        driver = guest.check(f"readlink /sys/bus/pci/devices/{bdf}/driver").strip()
        expect(driver.endswith("/vfio-pci"), f"after kexec {cycle} {bdf} is bound to {driver}")
        log = guest.check("dmesg")
        expect(not re.search(rf"nvme\d*: pci function {bdf}", log), f"the nvme driver probed {bdf} after kexec {cycle}")
        status, _ = guest.run(f"echo {bdf} > /sys/bus/pci/drivers/nvme/bind")
        expect(status != 0, f"{bdf} could be bound to the nvme driver by hand")

    expect_pass(context.experiment(after_kexec=check))


@case("completion-while-masked", "a completion raised while MSI-X is masked arrives by interrupt after re-arming")
def completion_while_masked(context: Context) -> None:
    # One command on each queue of each namespace: nothing that comes later can stand in for its interrupt.
    experiment = context.experiment(queues=2, depth=1, zero_depth=1, rate=50, writes=100)
    counted = experiment.run()
    expect(not counted.failures, "\n".join(counted.failures))
    expect(counted.witness and not counted.witness.violations, "\n".join(counted.witness.violations if counted.witness else []))
    cycle, update = counted.witness.cycles[0], counted.updates[0]["devices"][0]
    expect(cycle.vectors_latched >= 1, "the device raised no interrupt while it was masked")
    expect(update["latched_while_masked"] >= 1, "no interrupt was pending before re-arming")
    expect(update["delivered_after"] == update["latched_while_masked"],
           f"{update['latched_while_masked']} interrupts were latched, {update['delivered_after']} delivered")
    expect(cycle.completed_across == cycle.in_flight,
           f"{cycle.completed_across} of {cycle.in_flight} commands completed")


@case("state-size", "the state of a device is at most 16 KiB + 160 bytes a slot")
def state_size(context: Context) -> None:
    experiment = Experiment(context.plan(), Narrator())
    prepare_disk(experiment.disks[0])
    with Paravisor(experiment.setup()) as paravisor:
        paravisor.wait_up()
        nvme = paravisor.device("nvme0")["nvme"]
        slots = nvme["io_queues"] * nvme["depth"]
        # udrv-init (PID 1) has every handle's file descriptors.
        sizes = paravisor.guest.check("for f in /proc/1/fd/*; do t=$(readlink $f); "
                                      "case $t in /memfd:*state*) stat -L -c %s $f;; esac; done").split()
        expect(sizes, "udrv-init has no state memfd")
        limit = (16 << 10) + 160 * slots
        expect(int(sizes[0]) <= limit, f"the state has {sizes[0]} bytes; {slots} slots allow {limit}")
