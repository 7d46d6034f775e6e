# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests of report.py: a good run passes, each shortcoming fails by name, and what was not counted is left out."""
from __future__ import annotations

import copy
import unittest
from collections.abc import Callable
from typing import Any

import report
import test_report_nic
from report import Counted
from witness import Cycle, Verdict


def good() -> Counted:
    cycle = Cycle(freeze=1.0, stopped=1.1, rearm=4.0, in_flight=100, completed_inside=60, completed_across=100,
                  vectors_latched=4)
    update = {"blackout_ms": {"total": 3000.0, "freeze": 10.0, "kernel": 2960.0, "userspace": 30.0},
              "devices": [{"name": "nvme0", "start": "resumed", "latched_while_masked": 4, "delivered_after": 4}]}
    return Counted(
        cycles=2, accel="tcg", kernels=["7.3.4-udrv2"] * 3,
        devices=[{"name": "nvme0", "bdf": "0000:01:00.0", "driver": "nvme"}], config_diff={"nvme0": []},
        verify={"submitted": 20000, "completed": 20000, "errors": 0, "miscompares": 0, "reissued": 0, "lost": 0,
                "nudges": 3, "writes": 12000},
        resumes=[{"in_flight_at_kexec": 105, "completed_across": 105}, {"in_flight_at_kexec": 100, "completed_across": 100}],
        updates=[update, copy.deepcopy(update)],
        witness=Verdict(cycles=[cycle, copy.deepcopy(cycle)], resets_seen={"nvme0": 0}, bars_moved={"nvme0": 0},
                        accepted=20003, completed=20003),
        disk_problems=[])


class Report(unittest.TestCase):
    def test_pass(self) -> None:
        result = report.build(good())
        self.assertEqual(result["failures"], [])
        self.assertEqual(result["verdict"], "pass")
        self.assertEqual(result["devices"], [{"name": "nvme0", "bdf": "0000:01:00.0", "driver": "nvme",
                                              "resets_seen": 0, "bars_moved": 0, "config_space_diff": []}])
        self.assertEqual(result["nvme"], {"submitted": 20000, "completed": 20000, "errors": 0, "miscompares": 0,
                                          "reissued": 0, "in_flight_at_kexec": [100, 100],
                                          "completed_across": [100, 100]})
        self.assertEqual(result["irq"], {"latched_while_masked": [4, 4], "delivered_after": [4, 4]})
        self.assertEqual(result["blackout_ms"][1],
                         {"total": 3000.0, "freeze": 10.0, "kernel": 2960.0, "userspace": 30.0})
        self.assertEqual(list(result), ["cycles", "kernels", "accel", "devices", "nvme", "irq", "blackout_ms", "verdict",
                                        "failures"])

    def test_with_a_nic(self) -> None:
        counted = good()
        counted.devices.append({"name": "mana0", "bdf": "0000:02:00.0", "driver": "mana"})
        counted.config_diff["mana0"] = []
        counted.witness.bars_moved["mana0"] = counted.witness.resets_seen["mana0"] = 0
        for update in counted.updates:
            update["devices"].append({"name": "mana0", "start": "resumed"})     # without what cannot be counted
        counted.nic = test_report_nic.good()
        result = report.build(counted)
        self.assertEqual(result["failures"], [])
        self.assertEqual(result["nic"]["lost"], 0)
        self.assertEqual(result["irq"], {"latched_while_masked": [4, 4], "delivered_after": [4, 4]})
        counted.nic.sender["lost"] = 1
        self.assertEqual(report.build(counted)["verdict"], "fail")
        del counted.witness.resets_seen["mana0"]
        self.assertTrue(any("mana0: resets_seen" in f for f in report.build(counted)["failures"]))

    def spoil(self, change: Callable[[Counted], Any], text: str) -> dict[str, Any]:
        counted = good()
        change(counted)
        result = report.build(counted)
        self.assertEqual(result["verdict"], "fail")
        self.assertTrue(any(text in f for f in result["failures"]), result["failures"])
        return result

    def test_counters(self) -> None:
        for key in ("errors", "miscompares", "reissued", "lost"):
            with self.subTest(key=key):
                self.spoil(lambda c: c.verify.update({key: 1}), f"nvme.{key} is 1")

    def test_issued_again(self) -> None:
        result = self.spoil(lambda c: setattr(c.witness, "accepted", 20005), "2 commands were issued again")
        self.assertEqual(result["nvme"]["reissued"], 2)
        self.spoil(lambda c: setattr(c.witness, "accepted", 20002), "the device saw 20002")
        result = self.spoil(lambda c: c.verify.pop("nudges"), "nvme.reissued: not counted")
        self.assertNotIn("reissued", result["nvme"])

    def test_submitted_but_not_completed(self) -> None:
        self.spoil(lambda c: c.verify.update(completed=19999), "20000 commands submitted, but 19999 completed")

    def test_guest_claims_more_than_the_device_saw(self) -> None:
        self.spoil(lambda c: c.verify.update(submitted=30000, completed=30000), "the device saw 20003")

    def test_too_few_writes(self) -> None:
        self.spoil(lambda c: c.verify.update(writes=9999), "9999 verified writes")

    def test_too_few_in_flight(self) -> None:
        self.spoil(lambda c: setattr(c.witness.cycles[1], "in_flight", 31), "kexec 2: 31 commands in flight")

    def test_nothing_completed_inside(self) -> None:
        self.spoil(lambda c: setattr(c.witness.cycles[0], "completed_inside", 0), "some inside and some after")

    def test_everything_completed_inside(self) -> None:
        self.spoil(lambda c: setattr(c.witness.cycles[0], "completed_inside", 100), "some inside and some after")

    def test_command_lost(self) -> None:
        self.spoil(lambda c: setattr(c.witness.cycles[0], "completed_across", 99), "99 of them completed once")

    def test_the_guests_account_differs(self) -> None:
        self.spoil(lambda c: c.resumes[0].update(completed_across=4), "and 4 of them completed")
        self.spoil(lambda c: c.resumes[0].update(completed_across=106), "and 106 of them completed")
        self.spoil(lambda c: c.resumes[1].update(completed_across=99), "and 99 of them completed")
        self.spoil(lambda c: c.resumes[1].update(in_flight_at_kexec=99, completed_across=99), "but the guest found 99")
        self.spoil(lambda c: c.resumes.pop(), "no account")
        self.spoil(lambda c: setattr(c, "resumes", None), "no account")

    def test_in_flight_over_two_kexecs(self) -> None:
        counted = good()
        counted.resumes[0]["completed_across"] = 73         # the others are among the next kexec's
        self.assertEqual(report.build(counted)["failures"], [])

    def test_device_disturbed(self) -> None:
        self.spoil(lambda c: c.witness.resets_seen.update(nvme0=1), "resets_seen is 1")
        self.spoil(lambda c: c.witness.bars_moved.update(nvme0=2), "bars_moved is 2")
        self.spoil(lambda c: c.config_diff["nvme0"].append("@0x004"), "configuration space differs")
        self.spoil(lambda c: c.witness.violations.append("line 7: x"), "witness: line 7")

    def test_interrupts(self) -> None:
        self.spoil(lambda c: c.updates[1]["devices"][0].update(latched_while_masked=0), "no interrupt was latched")
        self.spoil(lambda c: c.updates[1]["devices"][0].update(delivered_after=3), "4 vectors latched, 3 delivered")
        self.spoil(lambda c: c.updates[1]["devices"][0].update(latched_while_masked=9, delivered_after=9),
                   "9 vectors latched says the guest")

    def test_disk(self) -> None:
        self.spoil(lambda c: c.disk_problems.append("block 3"), "disk: block 3")
        self.spoil(lambda c: setattr(c, "disk_problems", None), "the disk was not checked")

    def test_no_device(self) -> None:
        self.spoil(lambda c: setattr(c, "devices", []), "no device was kept")

    def test_what_was_not_counted_is_left_out(self) -> None:
        result = self.spoil(lambda c: setattr(c, "witness", None), "nvme.in_flight_at_kexec: not counted")
        self.assertNotIn("in_flight_at_kexec", result["nvme"])
        self.assertNotIn("resets_seen", result["devices"][0])
        result = self.spoil(lambda c: setattr(c, "verify", None), "nvme.submitted: not counted")
        self.assertEqual(set(result["nvme"]), {"in_flight_at_kexec"})
        result = self.spoil(lambda c: c.updates.pop(), "blackout_ms: not counted")
        self.assertNotIn("irq", result)
        self.assertNotIn("blackout_ms", result)
        result = self.spoil(lambda c: c.updates[0]["blackout_ms"].pop("freeze"), "blackout_ms: not counted")
        self.assertNotIn("blackout_ms", result)
        result = self.spoil(lambda c: c.updates[0]["devices"][0].pop("delivered_after"), "irq.delivered_after: not counted")
        self.assertEqual(set(result["irq"]), {"latched_while_masked"})
        result = self.spoil(lambda c: c.config_diff.clear(), "config_space_diff: not counted")
        self.assertNotIn("config_space_diff", result["devices"][0])

    def test_missing_cycle_in_the_trace(self) -> None:
        self.spoil(lambda c: c.witness.cycles.pop(), "the trace shows 1 of 2 kexecs")

    def test_miscompare_leaves_completed_across_out(self) -> None:
        result = self.spoil(lambda c: c.verify.update(miscompares=1), "nvme.completed_across: not counted")
        self.assertNotIn("completed_across", result["nvme"])

    def test_failures_of_the_run_itself(self) -> None:
        self.spoil(lambda c: c.failures.append("UpdateFailed: x"), "UpdateFailed")

    def test_an_empty_run_is_a_report_too(self) -> None:
        self.assertEqual(report.build(Counted(3, "tcg"))["verdict"], "fail")


if __name__ == "__main__":
    unittest.main()
