# SPDX-License-Identifier: GPL-2.0-or-later
"""Verified I/O through kexec updates: what the demo shows and most VM tests vary.

Namespace 1 of each controller is a raw file behind a throttle filter: shortly before each kexec its limit is lowered so
far that of what is then in flight about a third completes inside the blackout. Namespaces 2 and 3 are null-co with a
latency below and above the blackout, which is measured first, in a VM of its own. A kexec that takes longer than that
finds the rest still in flight: the limit is lowered once more.
"""
from __future__ import annotations

import json
import shutil
import stat
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import blocks
import tap_guest
import timeline
import tracelog
from guest import CommandFailed
from nic_traffic import NicTraffic, rate_for
from paravisor import REFRESH, Paravisor, Setup, compare
from qemu import Controller, Namespace, addresses
from report import Counted
from stream import Timeout
from tap_guest import Clock, TcpPeer
from witness import Kept, Witness

DISK_SIZE = 1 << 30
SEGMENT_TIMEOUT = 300.0         # seconds for the writes between two kexecs
INSIDE = 0.33                   # of the throttled commands, this part is to complete inside the blackout
HELD = 1                        # requests a second of namespace 1, once a blackout is longer than it should be
SHORT, LONG = 0.4, 2.5          # latencies of namespaces 2 and 3, in blackouts; a busy machine makes some longer
TCP_RATE = 64e3                 # bytes a second, beside the UDP stream
PATIENCE = 60.0                 # seconds, after which a TCP client connects anew by itself
TIMEOUT = 4                     # of a command, in blackouts, unless the driver's own 30 s are more


class Narrator:
    """Where the story goes. The demo's draws on a terminal."""

    def line(self, text: str) -> None:
        """Something happened."""

    def progress(self, done: float, text: str) -> None:
        """Something goes on; `done` is from 0 to 1."""


@dataclass
class Plan:
    """What to do; the parts that tests vary."""
    kernel: Path
    image: Path
    directory: Path
    accel: str
    blackout: float                 # seconds, measured
    cycles: int = 3
    writes: int = 10_000
    queues: int = 4
    depth: int = 32                 # in flight per queue on namespace 1
    zero_depth: int = 8             # in flight per queue on each other namespace
    blocks: int = 8192              # of namespace 1 that are written
    rate: int = 2000                # I/O a second, unthrottled
    disks: list[Path] = field(default_factory=list)     # one per controller; the default is in the directory
    controllers: int = 1
    root_port: bool = True
    nic: bool = False               # a NIC beside the controllers, under the verifying UDP stream
    cmdline: str = ""
    resident: bool = False          # a measurement: see qemu.Machine
    before_kexec: Callable[[Paravisor, int], None] | None = None
    after_kexec: Callable[[Paravisor, int], None] | None = None


def prepare_disk(disk: Path) -> None:
    """An empty raw image. Anything but a regular file is refused: it would be overwritten."""
    if disk.exists() and not stat.S_ISREG(disk.stat().st_mode):
        raise ValueError(f"{disk} is not a regular file")
    disk.parent.mkdir(parents=True, exist_ok=True)
    with open(disk, "wb") as file:
        file.truncate(DISK_SIZE)


class Experiment:
    def __init__(self, plan: Plan, narrator: Narrator) -> None:
        self.plan = plan
        self.narrator = narrator
        self.counted = Counted(plan.cycles, plan.accel, plan.writes)
        self.slow_rate = max(1, round(plan.queues * plan.depth * INSIDE / plan.blackout))
        short, long = plan.blackout * SHORT, plan.blackout * LONG
        self.namespace_names = {1: "1: raw file, throttled", 2: f"2: null-co, {short:.1f} s",
                                3: f"3: null-co, {long:.1f} s"}
        self.disks = plan.disks or [plan.directory / f"nvme{n}.raw" for n in range(plan.controllers)]
        self.controllers = [
            Controller(f"nvme{n}", [Namespace(file=disk, throttled=True), Namespace(latency_ns=int(short * 1e9)),
                                    Namespace(latency_ns=int(long * 1e9))],
                       root_port=plan.root_port, queues=plan.queues)
            for n, disk in enumerate(self.disks)]
        self.bdfs = addresses(self.controllers)
        self.kept: list[Kept] = []
        self.nic: NicTraffic | None = None
        self.tcp: TcpPeer | None = None

    def setup(self) -> Setup:
        plan = self.plan
        vfio_user = [self.nic.model.device] if self.nic else []
        devices = addresses([*self.controllers, *vfio_user])
        return Setup(
            plan.kernel, plan.image, plan.directory, self.controllers, vfio_user=vfio_user,
            devices=",".join(f"{name}@{bdf}" for name, bdf in devices.items()),
            nvme=f"queues={plan.queues},depth={max(64, plan.depth + 2 * plan.zero_depth)},"
                 f"timeout_ms={max(30_000, round(plan.blackout * TIMEOUT * 1000))}",
            verify=f"blocks={plan.blocks},queues={plan.queues},depth={plan.depth},zdepth={plan.zero_depth},"
                   f"rate={plan.rate},write=60,flush=64",
            cmdline=plan.cmdline, accel=plan.accel, resident=plan.resident)

    def run(self) -> Counted:
        """The whole run. What goes wrong on the way is a failure of the report, and ends the run."""
        try:
            for disk in self.disks:
                prepare_disk(disk)
            with ExitStack() as stack:
                if self.plan.nic:
                    self.nic = stack.enter_context(NicTraffic(self.plan.directory, rate_for(self.plan.blackout)))
                    self.counted.nic = self.nic.counted
                paravisor = stack.enter_context(Paravisor(self.setup()))
                if self.nic:
                    self.tcp = stack.enter_context(TcpPeer(self.plan.directory, self.nic.network, TCP_RATE, PATIENCE))
                self._live(paravisor)
                paravisor.end()
            self._check_disks()
        except Exception as e:      # whatever it was, the report must still be written, and the trace read
            self.counted.failures.append(f"{type(e).__name__}: {e}")
            self.narrator.line(f"FAILED: {e}")
        if self.kept:
            self._read_trace()
        return self.counted

    def _live(self, paravisor: Paravisor) -> None:
        plan = self.plan
        paravisor.wait_up()
        status = paravisor.status()
        self.counted.kernels.append(status["kernel_release"])
        for device in status["devices"]:
            name = device["name"]
            if device["state"] != "running":
                raise CommandFailed(f"{name} is {device['state']}: {device.get('error', 'no error is given')}")
            self.counted.devices.append({key: device[key] for key in ("name", "bdf", "driver")})
            self.counted.config_diff[name] = []
            if not paravisor.verify_status(name)["running"]:
                raise CommandFailed(f"{name}: the workload is not running; console.log may say why")
            self.kept.append(paravisor.kept(name, device["bdf"], "nvme" in device))
            what = f"{device['nvme']['io_queues']} I/O queues, I/O" if "nvme" in device else "its consumer"
            self.narrator.line(f"{name} at {device['bdf']}: {what} is running")
        if self.nic:
            self.nic.start()
            tap_guest.set_up(paravisor)
        per_segment = plan.writes // (plan.cycles + 1) + 1
        for cycle in range(1, plan.cycles + 1):
            self._watch(paravisor, per_segment * cycle)
            self._kexec(paravisor, cycle)
        self._watch(paravisor, per_segment * (plan.cycles + 1))
        self._finish(paravisor)

    def _sum(self, values: list[dict[str, Any]]) -> dict[str, int]:
        total: Counter[str] = Counter()
        for value in values:
            total.update({k: v for k, v in value.items() if isinstance(v, int) and not isinstance(v, bool)})
        return dict(total)

    def _watch(self, paravisor: Paravisor, writes: int) -> None:
        """Let I/O run until there are `writes` writes."""
        deadline = time.monotonic() + SEGMENT_TIMEOUT
        while True:
            v = self._counters(paravisor)
            text = f"{v['writes']} writes, {v['completed']} commands completed, {v['in_flight']} in flight"
            self.narrator.progress(v["writes"] / writes, text)
            if v["errors"] or v["miscompares"]:
                raise CommandFailed(f"the workload reports {v['errors']} errors and {v['miscompares']} miscompares")
            if v["writes"] >= writes:
                self.narrator.line(text)
                return
            if time.monotonic() > deadline:
                raise Timeout(f"{v['writes']} of {writes} writes within {SEGMENT_TIMEOUT:.0f} s")
            time.sleep(REFRESH)

    def _throttle(self, paravisor: Paravisor, iops: int) -> None:
        for controller in self.controllers:
            paravisor.vm.throttle(controller.throttle_group(1), iops)

    def _fill(self, paravisor: Paravisor) -> None:
        """Wait until as much is in flight as there can be behind the throttle."""
        plan = self.plan
        most = plan.queues * (plan.depth + 2 * plan.zero_depth) * len(self.controllers)
        wanted = most - most // 20      # some have just completed, and are about to be followed by others
        deadline = time.monotonic() + SEGMENT_TIMEOUT
        while (v := self._counters(paravisor))["in_flight"] < wanted:
            if time.monotonic() > deadline:
                raise Timeout(f"{v['in_flight']} commands in flight with the throttle on; {wanted} were to be")

    def _counters(self, paravisor: Paravisor) -> dict[str, int]:
        return self._sum([paravisor.verify_status(name) for name in self.bdfs])

    def _kexec(self, paravisor: Paravisor, cycle: int) -> None:
        say = self.narrator.line
        if self.plan.before_kexec:
            self.plan.before_kexec(paravisor, cycle)
        self._complaints(paravisor)
        before = {k.name: paravisor.snapshot(k) for k in self.kept}
        self._throttle(paravisor, self.slow_rate)
        self._fill(paravisor)
        say(f"kexec {cycle} of {self.plan.cycles}: namespace 1 throttled to {self.slow_rate} I/O a second, updating")
        clock = None
        if self.tcp:
            # What waits for the next kernel is to be of the verifying stream only.
            self.tcp.rest()
            clock = Clock(paravisor, self.tcp)
        self._update(paravisor)
        if self.tcp:
            tap_guest.set_up(paravisor)
            self.tcp.again()
            self.tcp.rate(TCP_RATE)
        for kept in self.kept:
            changes = compare(before[kept.name], paravisor.snapshot(kept))
            self.counted.config_diff[kept.name] += [f"kexec {cycle}: {change}" for change in changes]
        self._throttle(paravisor, 0)
        if self.nic:
            self.nic.cycle(cycle)
            stream = self.nic.status()
            say(f"  {stream['sent']} frames sent to the NIC, {stream['echoed']} have come back")
        if self.nic and clock:
            times = clock.wait()
            self.nic.counted.interface.append(times)
            say(f"  {tap_guest.INTERFACE}: first packet after {times['first_packet_ms']:.0f} ms, "
                f"TCP connected again after {times['tcp_reconnect_ms']:.0f} ms")
        update = paravisor.update_report()
        self.counted.updates.append(update)
        self.counted.kernels.append(paravisor.status()["kernel_release"])
        say("  blackout: " + ", ".join(f"{k} {v:.0f} ms" for k, v in (update.get("blackout_ms") or {}).items()))
        for device in update["devices"]:
            # The pending bits of a device that another process serves cannot be read.
            known = not self.nic or device["name"] != self.nic.model.device.name
            say(f"  {device['name']}: {device['start']}" + (f", {device.get('latched_while_masked')} interrupts latched, "
                                                            f"{device.get('delivered_after')} delivered" if known else ""))
        if self.plan.after_kexec:
            self.plan.after_kexec(paravisor, cycle)

    def _complaints(self, paravisor: Paravisor) -> None:
        self.counted.failures += [f"{self.counted.kernels[-1]}: {line}" for line in paravisor.complaints()]

    def _update(self, paravisor: Paravisor) -> None:
        """The kexec itself; the trace shows how the controller goes on while no kernel is there to ask."""
        tail = tracelog.Tail(paravisor.vm.trace)
        start = time.monotonic()
        heard: float | None = None
        completed = 0
        held = False

        def progress(text: str) -> None:
            nonlocal heard
            # To check the image may take as long as a blackout; from loading it on nothing does but the kexec.
            if heard or text.startswith("update: load"):
                heard = time.monotonic()
            self.narrator.line("  " + text)

        def tick() -> None:
            nonlocal completed, held
            completed += tail.counts("pci_nvme_enqueue_req_completion")[0]
            now = time.monotonic()
            elapsed = now - start
            if not held and heard and now - heard > self.plan.blackout:
                # Of what is in flight, something must be left for the next kernel, however late it is.
                self._throttle(paravisor, HELD)
                held = True
            self.narrator.progress(elapsed / self.plan.blackout, f"no kernel: {elapsed:.1f} s, {completed} commands "
                                   "completed by the controller meanwhile")

        try:
            paravisor.update(progress=progress, tick=tick)
        finally:
            tail.close()

    def _finish(self, paravisor: Paravisor) -> None:
        self._complaints(paravisor)
        if self.nic:
            self._finish_nic(paravisor, self.nic)
        self.narrator.line("stopping the workload, reading every block back")
        finals = []
        for n, name in enumerate(self.bdfs):
            final, acked = paravisor.verify_stop(name)
            # Of the I/O queues: the admin queue's are no I/O commands.
            final["nudges"] = sum(queue["nudges"] for queue in paravisor.device(name)["nvme"]["queues"][1:])
            finals.append(final)
            shutil.move(acked, self.plan.directory / ("acked.bin" if n == 0 else f"acked-{name}.bin"))
        v = self.counted.verify = self._sum(finals)
        cycles = [{c["cycle"]: c for c in final["cycles"]} for final in finals]
        if all(n in c for c in cycles for n in range(1, self.plan.cycles + 1)):
            self.counted.resumes = [self._sum([c[n] for c in cycles]) for n in range(1, self.plan.cycles + 1)]
        self.narrator.line(f"{v['submitted']} commands, of namespace 1 {v['writes']} writes, {v['reads']} reads, "
                           f"{v['flushes']} flushes: {v['errors']} errors, {v['miscompares']} miscompares")

    def _finish_nic(self, paravisor: Paravisor, nic: NicTraffic) -> None:
        if self.tcp:
            nic.counted.tcp = self.tcp.stop()
        stream = nic.stop_sender()
        nic.finish(paravisor.guest.json(f"udrvctl verify stop {nic.model.device.name} -o json", SEGMENT_TIMEOUT))
        self.narrator.line(f"{stream['sent']} frames sent to the NIC, {stream['echoed']} came back: {stream['lost']} lost, "
                           f"{stream['duplicated']} twice, {stream['corrupt']} damaged")

    def _check_disks(self) -> None:
        problems = []
        for n, (name, disk) in enumerate(zip(self.bdfs, self.disks)):
            acked = self.plan.directory / ("acked.bin" if n == 0 else f"acked-{name}.bin")
            result = blocks.check(disk, acked)
            problems += [f"{name}: {p}" for p in result.problems]
            self.narrator.line(f"{name}, from outside: {result.written} blocks written, {result.acknowledged} acknowledged, "
                               f"{result.on_disk} on the disk, {len(result.problems)} problems")
        self.counted.disk_problems = problems

    def _read_trace(self) -> None:
        directory = self.plan.directory
        (directory / "kept.json").write_text(json.dumps([k.to_json() for k in self.kept]) + "\n")
        events = tracelog.read(directory / "qemu-trace.log")
        verdict = self.counted.witness = Witness(events, self.kept).check(self.plan.cycles)
        nic = self.counted.nic
        if nic and nic.model_start and nic.model_end and self.nic:
            # QEMU sees no reset of a device that another process serves; the model does.
            verdict.resets_seen[self.nic.model.device.name] = nic.model_end["resets"] - nic.model_start["resets"]
        for n, c in enumerate(verdict.cycles, 1):
            self.narrator.line(f"witness: kexec {n}: {c.in_flight} commands in flight, {c.completed_inside} completed inside "
                               f"the blackout, {c.completed_across} in all; {c.vectors_latched} vectors raised while masked")
        self.narrator.line(f"witness: {len(events)} events, {len(verdict.violations)} violations")
        series = timeline.collect(events)
        if series is None:
            self.counted.failures.append("timeline.svg: the trace shows no I/O")
            return
        stream = nic.sender["series"] if nic and nic.sender else None
        title = f"NVMe I/O{' and network traffic' if stream else ''} through {len(verdict.cycles)} kexec updates" + \
            (f": {len(verdict.violations)} violations" if verdict.violations else
             ", devices never reset" if stream else ", controller never reset")
        (directory / "timeline.svg").write_text(timeline.svg(series, verdict.cycles, self.namespace_names, title, stream))
