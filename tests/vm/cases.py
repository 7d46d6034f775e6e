# SPDX-License-Identifier: GPL-2.0-or-later
"""The VM tests. Each is a function; its decorator says its name, what it shows, and the suites that it is in."""
from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import artifacts
import initramfs
import report
import tracelog
from experiment import Experiment, Narrator, Plan, prepare_disk
from paravisor import BOOT_TIMEOUT, Paravisor, Setup, UpdateFailed, bare_kexec
from qemu import Controller, Namespace, addresses
from witness import Witness


class Failure(Exception):
    """A test found what it looks for."""


@dataclass
class Case:
    name: str
    what: str
    suites: tuple[str, ...]
    function: Callable[[Context], None]


ALL: list[Case] = []


def case(name: str, what: str, *suites: str) -> Callable[[Callable[[Context], None]], Callable[[Context], None]]:
    def add(function: Callable[[Context], None]) -> Callable[[Context], None]:
        ALL.append(Case(name, what, suites or ("vm",), function))
        return function
    return add


class _Log(Narrator):
    def __init__(self, path: Path) -> None:
        self._path = path

    def line(self, text: str) -> None:
        with open(self._path, "a", encoding="utf-8") as log:
            log.write(text + "\n")


@dataclass
class Context:
    kernel: Path
    image: Path
    out: Path
    accel: str
    directory: Path = field(default_factory=Path)
    _blackout: float | None = None

    def begin(self, name: str) -> Path:
        """A directory for the logs of a test."""
        self.directory = self.out / name
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "log").unlink(missing_ok=True)
        return self.directory

    @property
    def blackout(self) -> float:
        """Measured once, for all tests of a run."""
        if self._blackout is None:
            self._blackout = bare_kexec(self.setup(directory=self.out / "measure", devices="none")) / 1000
        return self._blackout

    def setup(self, **changes: Any) -> Setup:
        values: dict[str, Any] = {"kernel": self.kernel, "image": self.image, "directory": self.directory,
                                  "accel": self.accel}
        return Setup(**{**values, **changes})

    def bare_setup(self, **changes: Any) -> Setup:
        """A guest without udrv: a shell, and what is in `files`."""
        image = initramfs.bare(self.image, self.directory / "bare-image")
        return self.setup(image=image, cmdline="rdinit=/bare-init", **changes)

    def plan(self, **changes: Any) -> Plan:
        return Plan(self.kernel, self.image, self.directory, self.accel, self.blackout,
                    **{"cycles": 1, "writes": 2000, **changes})

    def experiment(self, **changes: Any) -> Experiment:
        return Experiment(self.plan(**changes), _Log(self.directory / "log"))


def expect(condition: object, text: str) -> None:
    if not condition:
        raise Failure(text)


def expect_pass(experiment: Experiment) -> dict[str, Any]:
    """Run an experiment that must be a pass in every respect; its report."""
    result = report.build(experiment.run())
    expect(result["verdict"] == "pass", "\n".join(result["failures"]))
    return result


# ---- updates that keep the device ----------------------------------------------------------------

@case("one-kexec", "verified I/O runs through one kexec, controller untouched", "smoke", "vm")
def one_kexec(context: Context) -> None:
    expect_pass(context.experiment())


@case("three-kexecs", "verified I/O runs through three kexecs, 10,000 writes")
def three_kexecs(context: Context) -> None:
    expect_pass(context.experiment(cycles=3, writes=10_000))


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


# ---- ways back from what cannot be kept ----------------------------------------------------------

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


def _io_goes_on(paravisor: Paravisor, name: str, completed: int, timeout: float = 30.0) -> dict[str, Any]:
    """Wait until more than `completed` commands have completed; the workload's counters then."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        counters = paravisor.verify_status(name)
        if counters["completed"] > completed:
            return counters
    raise Failure(f"{name}: no I/O completed within {timeout:.0f} s")


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
            before = paravisor.verify_status("nvme0")["completed"]
            try:
                paravisor.update(kernel=kernel, options=f"--cmdline '{cmdline}'" if cmdline else "")
            except UpdateFailed as e:
                expect(re.search(reason, str(e)), f"{what}: refused without saying why: {e}")
            else:
                raise Failure(f"{what}: the update went through")
            after = _io_goes_on(paravisor, "nvme0", before)
            expect(not after["errors"] and not after["miscompares"], f"{what}: I/O was disturbed")
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


# ---- the kernel by itself ------------------------------------------------------------------------

def _run_probe(context: Context, name: str, controllers: list[Controller], arguments: str = "") -> None:
    with Paravisor(context.bare_setup(controllers=controllers, files={name: artifacts.guest_test(name)})) as paravisor:
        paravisor.guest.wait_ready(BOOT_TIMEOUT)
        status, output = paravisor.guest.run(f"cp /host/{name} /tmp/ && chmod +x /tmp/{name} && /tmp/{name} {arguments}", 60)
        (context.directory / "output").write_text(output + "\n")
    bad = [line for line in output.splitlines() if line.startswith("not ok")]
    expect(not bad, "\n".join(bad))
    expect(status == 0, f"exit status {status}: {output[-400:]}")
    expect(re.search(r"^ok\b", output, re.MULTILINE), "it checked nothing")


@case("kexec-load-refused", "the kernel refuses a live update into an image loaded with kexec_load(2)", "vm", "kernel")
def kexec_load_refused(context: Context) -> None:
    _run_probe(context, "kexec_load", [])


@case("upstream-pieces", "what we rely on upstream for: noiommu cdev, pinned IOAS, GET_PA, CAP_SYS_RAWIO", "vm", "kernel")
def upstream_pieces(context: Context) -> None:
    controller = Controller("nvme0", [Namespace()])
    _run_probe(context, "upstream_pieces", [controller], addresses([controller])["nvme0"])
