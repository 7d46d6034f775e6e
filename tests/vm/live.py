# SPDX-License-Identifier: GPL-2.0-or-later
"""Some controllers under verified I/O in one VM: what tests of updates, crashes and fall-backs do things to."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import blocks
import tracelog
from cases import Context, expect, io_goes_on, wait
from experiment import prepare_disk
from paravisor import BOOT_TIMEOUT, Paravisor
from pciconf import short_bdf
from qemu import Controller, Namespace, addresses
from tracelog import Event
from witness import Kept, Witness

SLOW = 3_000_000_000        # ns: there is nearly always a command of such a namespace in flight
FAST = 2_000_000
SRIOV_CONTROL = 0x128       # of a controller with VFs, as QEMU lays its configuration space out


class Live:
    """A context manager. Leaving it without an error stops the workloads and judges what they and the trace say.

    `verify` is the workload's options; `slow` gives each controller a third namespace that keeps commands for `slow_ns`;
    `vfs` is how many VFs a controller has to give; the subsystem of `neighboured` has another controller, which the
    kernel's own driver gets, and one more namespace, which no controller has.
    """

    def __init__(self, context: Context, controllers: int = 1, *, queues: int = 2, verify: str = "", nvme: str = "", slow: bool = False,
                 slow_ns: int = SLOW, fast_ns: int = FAST, throttled: bool = False, files: dict[str, Path] | None = None, policies: dict[str, str] | None = None,
                 vfs: dict[str, int] | None = None, neighboured: str = "", **setup: Any) -> None:
        self.context = context
        self.names = [f"nvme{n}" for n in range(controllers)]
        self.disks = {name: context.directory / f"{name}.raw" for name in self.names}
        self.controllers = [
            Controller(name, [Namespace(file=self.disks[name], throttled=throttled), Namespace(latency_ns=fast_ns)] +
                       ([Namespace(latency_ns=slow_ns)] if slow else []) + ([Namespace(detached=True)] if name == neighboured else []),
                       queues=queues, vfs=(vfs or {}).get(name, 0), neighbour=name == neighboured)
            for name in self.names]
        self.bdfs = addresses(self.controllers)
        self.judged = set(self.names)       # whose I/O must be without loss, and whose controller untouched
        self.forgotten: set[str] = set()
        self.aborting = False               # the only controller's commands may be aborted: each is an error, once
        self.kexecs = 0
        self.polled = "poll" in nvme        # no MSI-X, so no mask that tells where a kexec was
        self.kept: dict[str, Kept] = {}
        for disk in self.disks.values():
            prepare_disk(disk)
        policy = policies or {}
        self.setup = context.setup(
            controllers=self.controllers,
            devices=",".join(name + "@" + bdf + ("/" + policy[name] if name in policy else "")
                             for name, bdf in self.bdfs.items()),
            nvme=nvme or f"queues={queues},depth=64",
            verify=verify or f"blocks=2048,queues={queues},depth=8,zdepth=4,rate=400,write=60,flush=64", **setup)
        for name, path in (files or {}).items():
            self.setup.files[name] = path
        self.paravisor = Paravisor(self.setup)
        self.guest = self.paravisor.guest

    def __enter__(self) -> Live:
        try:
            self.paravisor.__enter__()
            self.paravisor.wait_up()
            for name in self.setup.files:
                self.guest.check(f"cp /host/{name} /tmp/ && chmod +x /tmp/{name}")
            for name in self.names:
                self.kept[name] = self.paravisor.kept(name, self.bdfs[name])
        except BaseException:
            self.paravisor.vm.stop()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self.paravisor.vm.stop()

    def io_goes_on(self, *names: str, writes: int = 50) -> None:
        for name in names or self.names:
            io_goes_on(self.paravisor, name, writes)

    def device(self, name: str) -> dict[str, Any]:
        return self.paravisor.device(name)

    def running(self, name: str, start: str = "") -> dict[str, Any]:
        """Wait until a device runs; how it came to, if that is told, must be as given."""
        device = wait(f"{name} did not run",
                      lambda: (d := self.device(name))["state"] == "running" and "nvme" in d and d)
        expect(not start or device["start"] == start, f"{name} was {device['start']}, not {start}: {device.get('error')}")
        return device

    def throttle(self, iops: int) -> None:
        """Limit namespace 1 of every controller; 0 lifts the limit."""
        for controller in self.controllers:
            self.paravisor.vm.throttle(controller.throttle_group(1), iops)

    def update(self, options: str = "", **arguments: Any) -> None:
        self.paravisor.update(options=options, **arguments)
        self.kexecs += 1

    def commit(self) -> None:
        """After `udrvctl update --prepare`: go."""
        self.guest.send("udrvctl update --commit")
        self.paravisor.wait_up(BOOT_TIMEOUT)
        self.kexecs += 1

    def udrvctl(self, arguments: str, timeout: float = 60.0) -> tuple[int, str]:
        return self.guest.run(f"udrvctl {arguments}", timeout)

    def refused(self, arguments: str, *words: str) -> str:
        """A command that must fail, with these words in its message."""
        status, said = self.udrvctl(arguments)
        expect(status == 1, f"udrvctl {arguments}: exit status {status}: {said}")
        for word in words:
            expect(word in said, f"udrvctl {arguments}: '{word}' is not in: {said}")
        return said

    def excuse(self, *names: str) -> None:
        """These devices are reset on purpose: they may lose commands, and their controllers are touched."""
        self.judged -= set(names)

    def let_no_host_live(self, name: str) -> None:
        """Hosts of this device die once they drive it: they cannot listen. Until /run/udrv/NAME.sock is removed."""
        self.guest.check(f"rm /run/udrv/{name}.sock && mkdir /run/udrv/{name}.sock")

    def forget(self, *names: str) -> None:
        """The workloads of these devices have begun anew: they know nothing of what is on their disks."""
        self.excuse(*names)
        self.forgotten |= set(names)

    def _finish(self) -> None:
        problems = self.paravisor.complaints()
        tables: dict[str, Path] = {}
        for name in self.names:
            if self.device(name)["state"] != "running":
                expect(name not in self.judged, f"{name} is {self.device(name)['state']}")
                continue
            final, acked = self.paravisor.verify_stop(name, acked=f"acked-{name}.bin")
            where = shutil.move(acked, self.context.directory / f"acked-{name}.bin")
            counts = ["miscompares"] + ["errors"] * (not self.aborting) + ["lost"] * (name in self.judged)
            problems += [f"{name}: {final[key]} {key}" for key in counts if final[key]]
            if name in self.judged and final["submitted"] != final["completed"]:
                problems.append(f"{name}: {final['submitted']} submitted, {final['completed']} completed")
            tables[name] = Path(where)
        self.paravisor.end()        # the disks are complete only when QEMU has ended
        if self.aborting and final["errors"] != len(self.aborted()):
            problems.append(f"{final['errors']} errors, but {len(self.aborted())} commands were aborted")
        for name, table in tables.items():
            if name in self.forgotten:
                continue
            problems += [f"{name}: {p}" for p in blocks.check(self.disks[name], table).problems]
        problems += self._trace_problems()
        expect(not problems, "\n".join(problems[:30]))

    def aborted(self) -> list[Event]:
        """What the controller has completed as Command Abort Requested."""
        return [e for e in tracelog.read(self.paravisor.vm.trace)
                if e.name == "pci_nvme_enqueue_req_completion" and e.text.endswith("status 0x7")]

    def _trace_problems(self) -> list[str]:
        kept = [self.kept[name] for name in self.names if name in self.judged]
        if not kept:
            return []
        events = tracelog.read(self.context.directory / "qemu-trace.log")
        events = self._without_vfs(list(events))
        if self.aborting:       # a status that was asked for is no complaint
            events = [e for e in events if not (e.name == "pci_nvme_err_req_status" and " status 0x7 " in e.text)]
        verdict = Witness(events, kept).check(0 if self.polled else self.kexecs)
        if len(kept) == len(self.names) and not any(c.neighbour for c in self.controllers):
            return verdict.violations
        # Events of a controller do not name it: with others that are reset, what is certain is what names a function.
        return [v for v in verdict.violations if any(k.name in v or k.bdf in v for k in kept)]

    def _without_vfs(self, events: list[Event]) -> list[Event]:
        """Making and removing a VF resets the VF, at once; the event does not say whose it is."""
        control = tuple(f"nvme {short_bdf(self.bdfs[c.name])} @{SRIOV_CONTROL:#x} " for c in self.controllers if c.vfs)
        return [event for before, event in zip([None, *events], events)
                if event.name != "pci_nvme_pci_reset" or not control or not before or not before.text.startswith(control)]
