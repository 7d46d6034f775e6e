# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of what cannot be kept: refused while everything goes on, or started clean."""
from __future__ import annotations

import re
import struct

import artifacts
import tracelog
from cases import Context, Failure, case, expect, io_goes_on
from experiment import Experiment, Narrator, prepare_disk
from paravisor import Paravisor, UpdateFailed
from witness import Witness


@case("identity-mismatch", "a device that is not the recorded one starts clean, and the other is kept")
def identity_mismatch(context: Context) -> None:
    plan = context.plan(controllers=2)
    experiment = Experiment(plan, Narrator())
    for disk in experiment.disks:
        prepare_disk(disk)
    setup = experiment.setup()
    setup.files["forge_identity"] = artifacts.guest_test("forge_identity")
    with Paravisor(setup) as paravisor:
        paravisor.wait_up()
        kept = paravisor.kept("nvme0", experiment.bdfs["nvme0"])
        paravisor.guest.check(f"cp /host/forge_identity /tmp/ && chmod +x /tmp/forge_identity && "
                              f"/tmp/forge_identity {experiment.bdfs['nvme1']}")
        paravisor.update()
        good, bad = paravisor.device("nvme0"), paravisor.device("nvme1")
        log = paravisor.guest.check("dmesg")
        paravisor.end()
    expect(good["start"] == "resumed", f"nvme0 was {good['start']}, not resumed")
    expect(bad["start"] in ("started", "fallback") and bad["state"] == "running",
           f"nvme1 was {bad['start']} and is {bad['state']}")
    expect(re.search(r"nvme1.*(identity|another device|recorded)", log), "the log does not say why nvme1 was not resumed")
    # nvme1's start is in the trace, without a name; nvme0's own window must be as clean as ever.
    verdict = Witness(tracelog.read(context.directory / "qemu-trace.log"), [kept]).check(1)
    mine = [v for v in verdict.violations if "nvme0" in v]
    expect(not mine, "\n".join(mine))
    starts = sum("controller was started" in v for v in verdict.violations)
    expect(starts == 1, f"{starts} controllers were started after the kexec; nvme1 alone was to be")


@case("plain-kexec", "a kexec without a live update resets the device cleanly, and the agent says so")
def plain_kexec(context: Context) -> None:
    experiment = Experiment(context.plan(), Narrator())
    prepare_disk(experiment.disks[0])
    setup = experiment.setup()
    setup.files["plain_kexec"] = artifacts.guest_test("plain_kexec")
    bdf = experiment.bdfs["nvme0"]
    with Paravisor(setup) as paravisor:
        paravisor.wait_up()
        paravisor.guest.check("cp /host/plain_kexec /tmp/ && chmod +x /tmp/plain_kexec")
        paravisor.guest.send('/tmp/plain_kexec /host/bzImage /host/image "$(cat /proc/cmdline)"')
        paravisor.wait_up()
        device = paravisor.device("nvme0")
        log = paravisor.guest.check("dmesg")
        paravisor.end()
    expect(device["start"] == "started", f"nvme0 was {device['start']}")
    expect(device["state"] == "running", f"nvme0 is {device['state']}")
    expect(re.search(r"udrv-agent: .*(no session|nothing (was )?preserved|not preserved|clean start)", log),
           "the agent does not say that nothing was preserved")
    events = tracelog.read(context.directory / "qemu-trace.log")
    command = re.compile(rf"nvme {bdf[5:]} @0x4 <- 0x([0-9a-f]+)")
    last_start = max(e.number for e in events if e.name == "pci_nvme_mmio_start_success")
    off = [e for e in events if e.number < last_start and e.name == "pci_cfg_write" and (m := command.match(e.text))
           and not int(m[1], 16) & 4]
    expect(off, "bus mastering was never switched off before the new start")


@case("refused-updates", "an update that the next kernel could not take is refused, and I/O goes on")
def refused_updates(context: Context) -> None:
    experiment = Experiment(context.plan(), Narrator())
    prepare_disk(experiment.disks[0])
    setup = experiment.setup()
    stranger = context.directory / "stranger"
    stranger.write_bytes(_renamed(context.kernel.read_bytes()))
    setup.files["stranger"] = stranger
    line = setup.command_line()
    lines = {
        "an image without -udrvN": (None, "stranger", r"udrv"),
        "kho=off": (line.replace("kho=on", "kho=off"), "bzImage", r"kho"),
        "no liveupdate=on": (line.replace("liveupdate=on", ""), "bzImage", r"liveupdate"),
        "movablecore=": (line + " movablecore=64M", "bzImage", r"movablecore"),
        "kernelcore=": (line + " kernelcore=512M", "bzImage", r"kernelcore"),
        "movable_node": (line + " movable_node", "bzImage", r"movable_node"),
    }
    with Paravisor(setup) as paravisor:
        paravisor.wait_up()
        kept = paravisor.kept("nvme0", experiment.bdfs["nvme0"])
        for what, (cmdline, kernel, reason) in lines.items():
            try:
                paravisor.update(kernel=kernel, options=f"--cmdline '{cmdline}'" if cmdline else "")
            except UpdateFailed as e:
                expect(re.search(reason, str(e)), f"{what}: refused without saying why: {e}")
            else:
                raise Failure(f"{what}: the update went through")
            io_goes_on(paravisor, "nvme0")
        paravisor.end()
    verdict = Witness(tracelog.read(context.directory / "qemu-trace.log"), [kept]).check(0)
    expect(not verdict.violations, "\n".join(verdict.violations))


def _renamed(image: bytes) -> bytes:
    """A bzImage whose release does not end in -udrvN: the boot protocol says where its name is."""
    offset = struct.unpack_from("<H", image, 0x20E)[0] + 0x200
    end = image.index(b"\0", offset)
    name = image[offset:end]
    if b"-udrv" not in name:
        raise Failure(f"the kernel is called {name.split()[0].decode()}, without -udrvN")
    return image[:offset] + name.replace(b"-udrv", b"-none") + image[end:]
