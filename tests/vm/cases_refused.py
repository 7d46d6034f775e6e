# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of what cannot be kept: refused while everything goes on, or started clean."""
from __future__ import annotations

import re
import struct

import artifacts
import tracelog
from cases import Context, Failure, case, expect, wait
from experiment import Experiment, Narrator, prepare_disk
from live import Live
from paravisor import BOOT_TIMEOUT, Paravisor
from stopped import plainly_stopped
from witness import Witness

UPDATE = "update --kernel /host/bzImage --image /host/image"


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


@case("plain-kexec", "a kexec without a live update resets the device, nothing of it comes to life again, and the agent says so")
def plain_kexec(context: Context) -> None:
    experiment = Experiment(context.plan(), Narrator())
    prepare_disk(experiment.disks[0])
    setup = experiment.setup()
    setup.files["plain_kexec"] = artifacts.guest_test("plain_kexec")
    bdf, trace = experiment.bdfs["nvme0"], context.directory / "qemu-trace.log"
    with Paravisor(setup) as paravisor:
        paravisor.wait_up()
        paravisor.guest.check("cp /host/plain_kexec /tmp/ && chmod +x /tmp/plain_kexec")
        wait("nothing was in flight", lambda: paravisor.verify_status("nvme0")["in_flight"])
        before = len(tracelog.read(trace))
        paravisor.guest.send('/tmp/plain_kexec /host/bzImage /host/image "$(cat /proc/cmdline)"')
        paravisor.wait_up()
        device = paravisor.device("nvme0")
        log = paravisor.guest.check("dmesg")
        paravisor.end()
    expect(device["start"] == "started", f"nvme0 was {device['start']}")
    expect(device["state"] == "running", f"nvme0 is {device['state']}")
    expect(re.search(r"udrv-agent: .*(no session|nothing (was )?preserved|not preserved|clean start)", log),
           "the agent does not say that nothing was preserved")
    in_flight = plainly_stopped(tracelog.read(trace), before, bdf)
    print(f"        {in_flight} commands in flight at the kexec", flush=True)


@case("refused-updates", "an update that the next kernel could not take is refused, and I/O goes on")
def refused_updates(context: Context) -> None:
    stranger = context.directory / "stranger"
    stranger.write_bytes(_renamed(context.kernel.read_bytes()))
    with Live(context, files={"stranger": stranger}) as live:
        line = live.setup.command_line()
        for reason, kernel, cmdline in (
                ("udrv", "stranger", line),
                ("kho", "bzImage", line.replace("kho=on", "kho=off")),
                ("liveupdate", "bzImage", line.replace("liveupdate=on", "")),
                ("movablecore", "bzImage", line + " movablecore=64M"),
                ("kernelcore", "bzImage", line + " kernelcore=512M"),
                ("movable_node", "bzImage", line + " movable_node")):
            live.refused(f"update --kernel /host/{kernel} --image /host/image --cmdline '{cmdline}'", "next kernel: ", reason)
            live.io_goes_on()


def _renamed(image: bytes) -> bytes:
    """A bzImage whose release does not end in -udrvN: the boot protocol says where its name is."""
    offset = struct.unpack_from("<H", image, 0x20E)[0] + 0x200
    end = image.index(b"\0", offset)
    name = image[offset:end]
    if b"-udrv" not in name:
        raise Failure(f"the kernel is called {name.split()[0].decode()}, without -udrvN")
    return image[:offset] + name.replace(b"-udrv", b"-none") + image[end:]


@case("one-cannot-be-kept", "one device that cannot be preserved stops the update, which is undone for the other as well")
def one_cannot_be_kept(context: Context) -> None:
    with Live(context, 2, vfs={"nvme1": 1}) as live:
        bdf = live.bdfs["nvme1"]
        # Nobody probes the VF: that it is there is enough.
        live.guest.check(f"cd /sys/bus/pci/devices/{bdf} && echo 1 > /sys/module/vfio_pci/parameters/enable_sriov && "
                         "echo 0 > sriov_drivers_autoprobe && echo 1 > sriov_numvfs && test -e virtfn0")
        for _ in range(2):      # what the first left behind would be in the second's way
            live.refused(UPDATE, "nvme1", bdf, "cannot be preserved")
            live.io_goes_on()
        reasons = [line for line in live.guest.check("dmesg").splitlines() if re.search("live ?update: ", line)]
        expect(len(reasons) == 2 and all(f"{bdf}: live update: device has enabled VFs" in line for line in reasons),
               f"the kernel log says: {reasons}")
        # The same update without the hindrance.
        live.guest.check(f"echo 0 > /sys/bus/pci/devices/{bdf}/sriov_numvfs")
        live.update()
        for name in live.names:
            live.running(name, "resumed")
        live.io_goes_on()


@case("unfinished-session", "until every device of an update runs or is given up, the next update is refused, and names it")
def unfinished_session(context: Context) -> None:
    with Live(context) as live:
        live.excuse("nvme0")
        good = live.setup.command_line()
        bad = re.sub(r"udrv\.nvme=\S+", "udrv.nvme=nonsense", good)
        # A host that cannot read its options ends before it touches the device; so does the next one, a second later.
        live.guest.check("udrvctl set nvme0 restart-limit=1000 restart-max-ms=1000")
        live.guest.send(f"udrvctl {UPDATE} --cmdline '{bad}'")
        live.guest.wait_ready(BOOT_TIMEOUT)
        live.kexecs += 1
        for _ in range(3):
            live.refused(f"{UPDATE} --cmdline '{good}'", "nvme0", live.bdfs["nvme0"], "session is not finished")
        command = live.paravisor.config.config(live.bdfs["nvme0"])[4]
        expect(command & 4, "the device that waits for a host is no bus master any more")
        live.guest.check("udrvctl set nvme0 restart-limit=1")
        wait("the device was not given up", lambda: live.device("nvme0")["state"] == "failed")
        live.update(options=f"--cmdline '{good}'")
        live.running("nvme0", "started")
        live.io_goes_on()
