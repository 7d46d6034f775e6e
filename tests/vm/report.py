# SPDX-License-Identifier: GPL-2.0-or-later
"""report.json: what was counted, and the verdict. A figure that was not counted is left out, and named as a failure."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import report_nic
from nic_traffic import NicCounted
from witness import Cycle, Verdict

IN_FLIGHT = 32          # commands that must be in flight at each kexec
WRITES = 10_000         # verified writes that a run must have


@dataclass
class Counted:
    """What a run has gathered, from the guest and from outside."""
    cycles: int
    accel: str
    writes: int = WRITES                                                    # how many are wanted
    kernels: list[str] = field(default_factory=list)
    devices: list[dict[str, str]] = field(default_factory=list)             # name, bdf, driver
    config_diff: dict[str, list[str]] = field(default_factory=dict)         # by name, over all cycles
    verify: dict[str, int] | None = None                                    # the guest's final counters, of all devices
    resumes: list[dict[str, int]] | None = None                             # per cycle, what the guest says of its resume
    updates: list[dict[str, Any]] = field(default_factory=list)             # `udrvctl update --report`, one a cycle
    witness: Verdict | None = None
    nic: NicCounted | None = None                                           # None: there is no NIC
    disk_problems: list[str] | None = None                                  # None: the disk was not checked
    failures: list[str] = field(default_factory=list)                       # of the run itself


class _Report:
    def __init__(self, counted: Counted) -> None:
        self.counted = counted
        self.failures = list(counted.failures)

    def missing(self, figure: str, why: str) -> None:
        self.failures.append(f"{figure}: not counted: {why}")

    def nvme(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        verify = self.counted.verify
        for key in ("submitted", "completed", "errors", "miscompares"):
            if verify is None or key not in verify:
                self.missing(f"nvme.{key}", "the guest gave no final counters" if verify is None else
                             "not among the guest's final counters")
            else:
                out[key] = verify[key]
        for key in ("errors", "miscompares", "reissued", "lost"):
            if verify and verify.get(key):
                self.failures.append(f"nvme.{key} is {verify[key]}")
        self._reissued(out)
        if "submitted" in out and "completed" in out and out["submitted"] != out["completed"]:
            self.failures.append(f"{out['submitted']} commands submitted, but {out['completed']} completed")
        self._across(out, clean=bool(verify) and not verify.get("errors") and not verify.get("miscompares"))
        if verify is not None:
            wanted = self.counted.writes
            if verify.get("writes", 0) < wanted:
                self.failures.append(f"{verify.get('writes', 0)} verified writes; at least {wanted} are wanted")
        return out

    def _reissued(self, out: dict[str, Any]) -> None:
        """Commands that the device accepted and nobody submitted: a driver that issues one again does not say so."""
        verify, witness = self.counted.verify, self.counted.witness
        if witness is None or verify is None or "nudges" not in verify or "submitted" not in out:
            self.missing("nvme.reissued", "it takes the trace, and the guest's counts of commands and of nudges")
            return
        more = witness.accepted - out["submitted"] - verify["nudges"]
        if more < 0:
            self.failures.append(f"the guest says {out['submitted']} commands and {verify['nudges']} nudges, "
                                 f"the device saw {witness.accepted}")
        out["reissued"] = max(more, 0)
        if more > 0:
            self.failures.append(f"{more} commands were issued again: the guest says {out['submitted']} and "
                                 f"{verify['nudges']} nudges, the device saw {witness.accepted}")

    def _across(self, out: dict[str, Any], clean: bool) -> None:
        seen = self.counted.witness.cycles if self.counted.witness else []
        in_flight = [c.in_flight for c in seen if c.in_flight is not None]
        if len(in_flight) != self.counted.cycles:
            self.missing("nvme.in_flight_at_kexec", f"the trace shows {len(in_flight)} of {self.counted.cycles} kexecs")
            self.missing("nvme.completed_across", "as in_flight_at_kexec")
            return
        out["in_flight_at_kexec"] = in_flight
        for n, cycle in enumerate(seen, 1):
            if cycle.in_flight < IN_FLIGHT:
                self.failures.append(f"kexec {n}: {cycle.in_flight} commands in flight; at least {IN_FLIGHT} are wanted")
            if not 0 < cycle.completed_inside < cycle.in_flight:
                self.failures.append(f"kexec {n}: {cycle.completed_inside} of {cycle.in_flight} commands completed "
                                     "inside the blackout: some inside and some after it are wanted")
        if not clean:
            # With wrong data somewhere it cannot be said whose it is.
            self.missing("nvme.completed_across", "errors or miscompares, or no final counters")
            return
        out["completed_across"] = [c.completed_across for c in seen]
        self._resumes(seen)
        for n, cycle in enumerate(seen, 1):
            if cycle.completed_across != cycle.in_flight:
                self.failures.append(f"kexec {n}: {cycle.in_flight} commands in flight, "
                                     f"but {cycle.completed_across} of them completed once without an error")

    def _resumes(self, seen: list[Cycle]) -> None:
        """The guest's own account agrees with the trace. To it, what has completed but was not taken is in flight, too,
        and what one more kexec finds still in flight counts as completed across that one."""
        resumes = self.counted.resumes
        if resumes is None or len(resumes) != len(seen):
            self.failures.append("the guest gives no account of what each resume found in flight")
            return
        for n, (cycle, guest) in enumerate(zip(seen, resumes), 1):
            left = guest["in_flight_at_kexec"] - guest["completed_across"]
            if not 0 <= left <= (resumes[n]["in_flight_at_kexec"] if n < len(resumes) else 0):
                self.failures.append(f"kexec {n}: the guest found {guest['in_flight_at_kexec']} commands in flight, "
                                     f"and {guest['completed_across']} of them completed")
            if guest["in_flight_at_kexec"] < cycle.in_flight:
                self.failures.append(f"kexec {n}: {cycle.in_flight} commands in flight, but the guest found "
                                     f"{guest['in_flight_at_kexec']}")

    def updates(self, report: dict[str, Any]) -> None:
        updates = self.counted.updates
        if len(updates) != self.counted.cycles:
            for figure in ("irq", "blackout_ms"):
                self.missing(figure, f"{len(updates)} update reports for {self.counted.cycles} kexecs")
            return
        irq: dict[str, Any] = {}
        # Of a NIC that another process serves, the pending bits cannot be read.
        nics = {d["name"] for d in self.counted.devices if d["driver"] == "mana"}
        devices = [[d for d in u["devices"] if d["name"] not in nics] for u in updates]
        for key in ("latched_while_masked", "delivered_after"):
            values = [sum(d[key] for d in found) for found in devices if all(key in d for d in found)]
            if len(values) == len(updates):
                irq[key] = values
            else:
                self.missing(f"irq.{key}", "not in every update report")
        report["irq"] = irq
        latched, delivered = irq.get("latched_while_masked"), irq.get("delivered_after")
        seen = self.counted.witness.cycles if self.counted.witness else []
        for n in range(len(updates)):
            if latched is not None and not latched[n]:
                self.failures.append(f"kexec {n + 1}: no interrupt was latched while masked")
            if latched is not None and n < len(seen) and latched[n] > seen[n].vectors_latched:
                self.failures.append(f"kexec {n + 1}: {latched[n]} vectors latched says the guest, but the device raised "
                                     f"{seen[n].vectors_latched} while it was masked")
            if latched is not None and delivered is not None and delivered[n] < latched[n]:
                self.failures.append(f"kexec {n + 1}: {latched[n]} vectors latched, {delivered[n]} delivered")
        blackout = [u.get("blackout_ms") for u in updates]
        keys = ("total", "freeze", "kernel", "userspace")
        if all(b and all(k in b for k in keys) for b in blackout):
            report["blackout_ms"] = [{k: b[k] for k in keys} for b in blackout]
        else:
            self.missing("blackout_ms", "not complete in every update report")

    def devices(self) -> list[dict[str, Any]]:
        out = []
        witness = self.counted.witness
        for device in self.counted.devices:
            name = device["name"]
            entry: dict[str, Any] = dict(device)
            if witness is None:
                self.missing(f"{name}: resets_seen, bars_moved", "the trace was not read")
            else:
                for key, values in (("resets_seen", witness.resets_seen), ("bars_moved", witness.bars_moved)):
                    if name not in values:
                        self.missing(f"{name}: {key}", "nobody has seen the device")
                        continue
                    entry[key] = values[name]
                    if values[name]:
                        self.failures.append(f"{name}: {key} is {values[name]}")
            if name in self.counted.config_diff:
                entry["config_space_diff"] = self.counted.config_diff[name]
                if entry["config_space_diff"]:
                    self.failures.append(f"{name}: configuration space differs: {entry['config_space_diff'][0]}")
            else:
                self.missing(f"{name}: config_space_diff", "configuration space was not read before and after each kexec")
            out.append(entry)
        if not out:
            self.failures.append("no device was kept")
        return out


def _limited(texts: Iterable[str], limit: int = 20) -> list[str]:
    texts = list(texts)
    return texts[:limit] + ([f"and {len(texts) - limit} more"] if len(texts) > limit else [])


def build(counted: Counted) -> dict[str, Any]:
    """The report, in the form of the contract."""
    maker = _Report(counted)
    report: dict[str, Any] = {"cycles": counted.cycles, "kernels": counted.kernels, "accel": counted.accel}
    if len(counted.kernels) != counted.cycles + 1:
        maker.missing("kernels", f"{len(counted.kernels)} kernels seen for {counted.cycles} kexecs")
    report["devices"] = maker.devices()
    report["nvme"] = maker.nvme()
    if counted.nic is not None:
        report["nic"], problems = report_nic.build(counted.nic, counted.cycles)
        maker.failures += problems
    maker.updates(report)
    if counted.witness is not None:
        maker.failures += _limited(f"witness: {v}" for v in counted.witness.violations)
    if counted.disk_problems is None:
        maker.failures.append("the disk was not checked")
    else:
        maker.failures += [f"disk: {p}" for p in counted.disk_problems]
    report["verdict"] = "fail" if maker.failures else "pass"
    report["failures"] = maker.failures
    return report
