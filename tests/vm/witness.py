# SPDX-License-Identifier: GPL-2.0-or-later
"""The impartial witness: what QEMU's trace says about the devices that were to be kept.

The rules, for each kept device:

 1. Freeze is a `msix_write_config` that masks a device whose MSI-X was on and unmasked; the *masked window* lasts
    until the one that unmasks it (re-arming). One window for each kexec, and the old kernel stops inside it.
 2. In a window: no `pci_update_mappings_*` of the device or of a bridge above it.
 3. In a window: no `pci_cfg_write` to them other than to MSI-X control and to write-one-to-clear status registers.
    In a window MSI-X is never switched off.
 4. After the set-up's last I/O queue: no CC, AQA, ASQ or ACQ write, no queue creation or deletion, no Identify
    Controller, no reset, start or stop, no complaint of the controller about what is asked of it.
 5. A command is never accepted under an identifier that is still in flight, and never completed without having
    been accepted.

The firmware starts and stops each controller before the first kernel; that, and all else before the set-up's last
I/O queue, is nobody's concern. `pci_nvme_*` events do not name their controller: with several controllers rule 4
holds for all of them together, and commands are matched as a multiset.

The old kernel stops after it has cleared the IOAPIC, pin by pin (its last act but one before it leaves), and later than
the last submission doorbell before re-arming. What is in flight then is "in flight at the kexec".
"""
from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tracelog
from pciconf import short_bdf
from tracelog import Event

PCI_STATUS = 0x06
BURST_GAP = 0.02                # seconds without an IOAPIC write that end a burst of them

# Rule 4: event → what it means.
FORBIDDEN = {
    "pci_nvme_pci_reset": "the function was reset",
    "pci_nvme_mmio_cfg": "CC was written",
    "pci_nvme_mmio_aqattr": "AQA was written",
    "pci_nvme_mmio_asqaddr": "ASQ was written",
    "pci_nvme_mmio_asqaddr_hi": "ASQ was written",
    "pci_nvme_mmio_acqaddr": "ACQ was written",
    "pci_nvme_mmio_acqaddr_hi": "ACQ was written",
    "pci_nvme_mmio_start_success": "the controller was started",
    "pci_nvme_mmio_stopped": "the controller was stopped",
    "pci_nvme_create_sq": "a submission queue was created",
    "pci_nvme_create_cq": "a completion queue was created",
    "pci_nvme_del_sq": "a submission queue was deleted",
    "pci_nvme_del_cq": "a completion queue was deleted",
    "pci_nvme_identify_ctrl": "Identify Controller was sent",
}
COMPLAINTS = ("pci_nvme_err_", "pci_nvme_ub_")
RESETS = ("pci_nvme_pci_reset", "pci_nvme_mmio_stopped")

_LAST_PIN = re.compile(r"addr 0x10 regsel: 0x3f ")        # the IOAPIC has 24 pins, and is cleared from the first on
_PCI = re.compile(r"(\S+) ([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) (.*)")
_CFG = re.compile(r"@0x([0-9a-f]+) <- 0x([0-9a-f]+)")
_MSIX = re.compile(r"dev (\S+) enabled (\d) masked (\d)")
_CID = re.compile(r"cid (\d+) ")
_SQID = re.compile(r" sqid (\d+) ")
_CQID = re.compile(r" cqid (\d+) ")
_STATUS = re.compile(r" status 0x([0-9a-f]+)")
_CREATE_SQ = re.compile(r"sqid=(\d+), cqid=(\d+)")
_VECTOR = re.compile(r"vector (\d+)")


@dataclass(frozen=True)
class Kept:
    """A device that is to be kept, and what of it may be written in a window."""
    name: str
    bdf: str                                    # "01:00.0"
    bridges: tuple[str, ...] = ()
    status: dict[str, frozenset[int]] = field(default_factory=dict)     # write-one-to-clear registers by function
    control: dict[str, int] = field(default_factory=dict)               # MSI-X control, where it is known beforehand
    nvme: bool = True       # rules 4 and 5 are for NVMe controllers, whose events QEMU traces

    @property
    def path(self) -> frozenset[str]:
        return frozenset((self.bdf, *self.bridges))

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "bdf": self.bdf, "bridges": list(self.bridges),
                "status": {bdf: sorted(offsets) for bdf, offsets in self.status.items()}, "control": self.control,
                "nvme": self.nvme}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Kept:
        return Kept(value["name"], value["bdf"], tuple(value["bridges"]),
                    {bdf: frozenset(offsets) for bdf, offsets in value["status"].items()}, value["control"],
                    value.get("nvme", True))


@dataclass
class Window:
    """From freeze to re-arming of one device, as indices into the events."""
    start: Event
    first: int
    end: Event | None = None
    last: int = 0


@dataclass
class Command:
    accepted: Event
    completed: Event | None = None
    failed: bool = False


@dataclass
class Cycle:
    """One kexec, seen from outside."""
    freeze: float
    stopped: float | None               # the old kernel is gone
    rearm: float                        # the last of the devices is unmasked again
    in_flight: int | None
    completed_inside: int | None        # completed by the device while no kernel served it
    completed_across: int | None        # completed once, without an error, by the end of the log
    vectors_latched: int                # distinct vectors that were raised while masked; at most, if there are several devices


@dataclass
class Verdict:
    violations: list[str] = field(default_factory=list)
    cycles: list[Cycle] = field(default_factory=list)
    resets_seen: dict[str, int] = field(default_factory=dict)
    bars_moved: dict[str, int] = field(default_factory=dict)
    windows: dict[str, int] = field(default_factory=dict)
    accepted: int = 0                   # I/O commands since our driver has the kept devices
    completed: int = 0                  # I/O commands after the set-up that completed


class Witness:
    def __init__(self, events: Iterable[Event], kept: list[Kept], until: float | None = None) -> None:
        self.events = [e for e in events if until is None or e.time <= until]
        self.kept = kept
        self.verdict = Verdict()
        self._path = frozenset().union(*(k.path for k in kept)) if kept else frozenset()
        self._msix: list[tuple[int, str, int, bool, bool]] = []     # index, bdf, offset, enabled, masked
        self._control: dict[str, int] = {}      # offset of MSI-X control, by function

    def check(self, cycles: int | None = None) -> Verdict:
        """Apply the rules; `cycles` is how many kexecs there were, if that is known."""
        self._find_msix_writes()
        windows = {k.name: self._windows(k) for k in self.kept}
        setup_end = self._setup_end(windows)
        for kept in self.kept:
            self._check_windows(kept, windows[kept.name], cycles)
            self._count(kept, setup_end if kept.nvme else self._armed(kept, windows[kept.name]))
        self._check_controller(setup_end)
        self._check_commands(setup_end, {k.name: windows[k.name] for k in self.kept if k.nvme})
        self.verdict.violations.sort(key=_line_number)
        return self.verdict

    def _violation(self, event: Event, text: str) -> None:
        self.verdict.violations.append(f"{event}: {text}")

    def _find_msix_writes(self) -> None:
        # The event of MSI-X names a model only; the configuration write that caused it, just before it, says which.
        for index, event in enumerate(self.events):
            if event.name != "msix_write_config" or not index:
                continue
            match = _MSIX.search(event.text)
            cause = self.events[index - 1]
            where = _PCI.match(cause.text) if cause.name == "pci_cfg_write" else None
            write = _CFG.search(cause.text)
            if not match or not where or not write or where[1] != match[1]:
                self._violation(event, "no configuration write before it tells which device this is")
                continue
            self._msix.append((index, where[2], int(write[1], 16), match[2] == "1", match[3] == "1"))
            self._control[where[2]] = int(write[1], 16)

    def _windows(self, kept: Kept) -> list[Window]:
        windows: list[Window] = []
        enabled = masked = False
        current: Window | None = None
        for index, bdf, _, now_enabled, now_masked in self._msix:
            if bdf != kept.bdf:
                continue
            event = self.events[index]
            if current is None and enabled and not masked and now_enabled and now_masked:
                current = Window(event, index)
                windows.append(current)
            elif current is not None and not now_enabled:
                self._violation(event, f"{kept.name}: MSI-X was switched off inside a masked window")
                current.end, current.last, current = event, index, None
            elif current is not None and not now_masked:
                current.end, current.last, current = event, index, None
            enabled, masked = now_enabled, now_masked
        if current is not None:
            current.last = len(self.events)
        return windows

    def _setup_end(self, windows: dict[str, list[Window]]) -> int:
        """Index of the last queue creation before the first freeze; what follows is the life that must not be disturbed."""
        firsts = [w[0].first for w in windows.values() if w]
        limit = min(firsts) if firsts else len(self.events)
        for index in range(limit - 1, -1, -1):
            if self.events[index].name == "pci_nvme_create_sq":
                return index
        self.verdict.violations.append("no I/O queue was ever created before the first freeze")
        return limit

    def _armed(self, kept: Kept, windows: list[Window]) -> int:
        """Index of the event with which a device that is no NVMe controller was armed for its life: the last before its
        first freeze that left its MSI-X on and unmasked."""
        limit = windows[0].first if windows else len(self.events)
        return max((index for index, bdf, _, enabled, masked in self._msix
                    if bdf == kept.bdf and index < limit and enabled and not masked), default=limit)

    def _check_windows(self, kept: Kept, windows: list[Window], cycles: int | None) -> None:
        self.verdict.windows[kept.name] = len(windows)
        if cycles is not None and len(windows) != cycles:
            self.verdict.violations.append(f"{kept.name}: {len(windows)} masked windows for {cycles} kexecs: "
                                           "a freeze without the function mask, or an early unmask")
        for window in windows:
            if window.end is None:
                self._violation(window.start, f"{kept.name}: never re-armed after this freeze")
            if self._stopped(window.first, window.last) is None:
                self._violation(window.start, f"{kept.name}: no kernel stopped inside this masked window: the mask came late")
            for event in self.events[window.first:window.last]:
                if event.name.startswith("pci_update_mappings_"):
                    match = _PCI.match(event.text)
                    if match and match[2] in kept.path:
                        self._violation(event, f"{kept.name}: mapping changed inside a masked window")
                elif event.name == "pci_cfg_write":
                    match = _PCI.match(event.text)
                    write = _CFG.search(event.text)
                    if match and write and match[2] in kept.path and \
                            not self._may_write(kept, match[2], int(write[1], 16)):
                        self._violation(event, f"{kept.name}: configuration written inside a masked window")

    def _may_write(self, kept: Kept, bdf: str, offset: int) -> bool:
        return offset in (self._control.get(bdf), kept.control.get(bdf)) or offset in kept.status.get(bdf, {PCI_STATUS})

    def _count(self, kept: Kept, setup_end: int) -> None:
        after = self.events[setup_end + 1:]
        # FLR, controller stop: neither names its controller, so it counts for each that might be meant.
        if kept.nvme:
            self.verdict.resets_seen[kept.name] = sum(e.name in RESETS for e in after)
        moved = 0
        for event in after:
            if event.name.startswith("pci_update_mappings_"):
                match = _PCI.match(event.text)
                moved += bool(match and match[2] in kept.path)
        self.verdict.bars_moved[kept.name] = moved

    def _check_controller(self, setup_end: int) -> None:
        for event in self.events[setup_end + 1:]:
            if event.name in FORBIDDEN:
                self._violation(event, f"{FORBIDDEN[event.name]} after the set-up")
            elif event.name.startswith(COMPLAINTS):
                self._violation(event, "the controller complained")

    def _check_commands(self, setup_end: int, windows: dict[str, list[Window]]) -> None:
        cq_of: dict[int, int] = {}
        limit = len(windows) or 1
        outstanding: dict[tuple[int, int], list[Command]] = defaultdict(list)   # by (CQ, CID)
        commands: list[Command] = []
        begin = self._begin(setup_end)
        for index, event in enumerate(self.events):
            if event.name == "pci_nvme_create_sq":
                match = _CREATE_SQ.search(event.text)
                if match:
                    cq_of[int(match[1])] = int(match[2])
            elif event.name in ("pci_nvme_mmio_stopped", "pci_nvme_pci_reset"):
                # A stop does not name its controller: once one of them works for us, it is another's, being set up.
                if index < begin:
                    outstanding.clear()
            elif event.name == "pci_nvme_io_cmd":
                cid, sqid = _CID.search(event.text), _SQID.search(event.text)
                if not cid or not sqid:
                    self._violation(event, "cannot be read")
                    continue
                key = (cq_of.get(int(sqid[1]), int(sqid[1])), int(cid[1]))
                if len(outstanding[key]) >= limit:
                    self._violation(event, "command accepted under an identifier that is in flight")
                command = Command(event)
                outstanding[key].append(command)
                if index > setup_end:
                    commands.append(command)
            elif event.name == "pci_nvme_enqueue_req_completion":
                self._complete(event, outstanding, index > setup_end)
        self.verdict.accepted = sum(e.name == "pci_nvme_io_cmd" for e in self.events[begin:])
        self.verdict.completed = sum(c.completed is not None for c in commands)
        self._cycles(commands, windows)

    def _begin(self, setup_end: int) -> int:
        """Where our driver's I/O begins: with the first controller of which it has switched MSI-X on. Firmware leaves that
        off, and a kernel's driver that had the device before has switched it off again."""
        on: dict[str, int] = {}
        for index, bdf, _, enabled, _ in self._msix:
            if index > setup_end:
                break
            if not enabled:
                on.pop(bdf, None)
            else:
                on.setdefault(bdf, index)
        return min((index for bdf, index in on.items() if bdf in {k.bdf for k in self.kept if k.nvme}),
                   default=setup_end)

    def _complete(self, event: Event, outstanding: dict[tuple[int, int], list[Command]], live: bool) -> None:
        cid, cqid, status = _CID.search(event.text), _CQID.search(event.text), _STATUS.search(event.text)
        if not cid or not cqid or not status:
            self._violation(event, "cannot be read")
            return
        if cqid[1] == "0":              # admin commands
            return
        waiting = outstanding[(int(cqid[1]), int(cid[1]))]
        if not waiting:
            if live:
                self._violation(event, "completion of a command that is not in flight")
            return
        command = waiting.pop(0)
        command.completed = event
        command.failed = int(status[1], 16) != 0

    def _cycles(self, commands: list[Command], windows: dict[str, list[Window]]) -> None:
        rounds = min((len(w) for w in windows.values()), default=0)
        for n in range(rounds):
            group = [w[n] for w in windows.values()]
            if any(w.end is None for w in group):
                return
            first, last = min(w.first for w in group), max(w.last for w in group)
            stop = self._stopped(first, min(w.last for w in group))
            across = [c for c in commands if stop is not None and c.accepted.number <= stop.number and
                      (c.completed is None or c.completed.number > stop.number)]
            rearm = self.events[last]
            raised = Counter(m[1] for e in self.events[first:last] if e.name == "pci_nvme_irq_msix"
                             and (m := _VECTOR.search(e.text)))
            self.verdict.cycles.append(Cycle(
                freeze=self.events[first].time, stopped=stop.time if stop else None, rearm=rearm.time,
                in_flight=len(across) if stop else None,
                completed_inside=sum(c.completed is not None and c.completed.number < rearm.number for c in across)
                if stop else None,
                completed_across=sum(c.completed is not None and not c.failed for c in across) if stop else None,
                vectors_latched=sum(min(times, len(group)) for times in raised.values())))

    def _stopped(self, first: int, last: int) -> Event | None:
        """The event after which the old kernel did nothing more; None if the log does not show it."""
        stop: Event | None = None
        for event in self.events[first:last]:
            if event.name != "ioapic_mem_write":
                continue
            if stop is None:
                if _LAST_PIN.search(event.text):
                    stop = event
            elif event.time - stop.time > BURST_GAP:
                break
            else:
                stop = event
        if stop is None:
            return None
        for event in self.events[first:last]:
            if event.name in ("pci_nvme_mmio_doorbell_sq", "pci_nvme_io_cmd") and event.number > stop.number:
                stop = event
        return stop


def _line_number(text: str) -> int:
    match = re.match(r"line (\d+):", text)
    return int(match[1]) if match else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a qemu-trace.log against the witness rules.")
    parser.add_argument("log", type=Path)
    parser.add_argument("--device", action="append", default=[], metavar="BDF[,BRIDGE...]",
                        help="a kept device and the bridges above it, e.g. 01:00.0,00:01.0; "
                        "without it, what kept.json beside the log says")
    parser.add_argument("--cycles", type=int, help="number of kexecs")
    options = parser.parse_args()
    kept = []
    for text in options.device:
        bdf, *bridges = (short_bdf(part) for part in text.split(","))
        kept.append(Kept(bdf, bdf, tuple(bridges)))
    if not kept:
        kept = [Kept.from_json(value) for value in json.loads((options.log.parent / "kept.json").read_text())]
    verdict = Witness(tracelog.read(options.log), kept).check(options.cycles)
    for line in verdict.violations:
        print(line)
    for n, cycle in enumerate(verdict.cycles, 1):
        print(f"kexec {n}: {cycle.in_flight} in flight, {cycle.completed_inside} completed inside, "
              f"{cycle.completed_across} across, {cycle.vectors_latched} vectors latched, "
              f"{cycle.rearm - cycle.freeze:.3f} s masked")
    print(f"resets seen {verdict.resets_seen}, mappings changed {verdict.bars_moved}, "
          f"{len(verdict.violations)} violations")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
