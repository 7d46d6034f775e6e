# SPDX-License-Identifier: GPL-2.0-or-later
"""What plain-kexec finds in a trace: the order of reset, bus mastering and completions decides."""
from __future__ import annotations

import unittest

from cases import Failure
from stopped import plainly_stopped
from tracelog import Event

BDF = "0000:01:00.0"
START = ("pci_nvme_mmio_start_success", "setting controller enable bit succeeded")
RESET = ("pci_nvme_pci_reset", "PCI Function Level Reset")
FETCHED = ("pci_nvme_io_cmd", "cid 1 nsid 1 sqid 1 opc 0x2")
DONE = ("pci_nvme_enqueue_req_completion", "cid 1 cqid 1 dw0 0x0 dw1 0x0 status 0x0")
ADMIN = ("pci_nvme_enqueue_req_completion", "cid 1 cqid 0 dw0 0x0 dw1 0x0 status 0x0")
ON, OFF = (("pci_cfg_write", f"nvme {BDF[5:]} @0x4 <- {value}") for value in ("0x107", "0x103"))
OTHER = ("pci_cfg_write", "nvme 02:00.0 @0x4 <- 0x107")
BEFORE = [ON, START, ADMIN, FETCHED, DONE, FETCHED]


def stopped(*after: tuple[str, str], before: list[tuple[str, str]] | None = None) -> int:
    before = BEFORE if before is None else before
    events = [Event(n, float(n), name, text) for n, (name, text) in enumerate([*before, *after], 1)]
    return plainly_stopped(events, len(before), BDF)


class PlainlyStopped(unittest.TestCase):
    def test_reset_between_the_two(self) -> None:
        self.assertEqual(stopped(OFF, RESET, DONE, OFF, ON, START, FETCHED, DONE), 1)
        self.assertEqual(stopped(FETCHED, OFF, OTHER, RESET, ON, START), 2)

    def test_completed_after_the_controller_was_started_anew(self) -> None:
        self.assertEqual(stopped(OFF, RESET, ON, START, DONE), 1)

    def refused(self, why: str, *after: tuple[str, str], before: list[tuple[str, str]] | None = None) -> None:
        with self.assertRaisesRegex(Failure, why):
            stopped(*after, before=before)

    def test_no_reset(self) -> None:
        self.refused("not reset before", OFF, ON, START)

    def test_reset_too_late(self) -> None:
        self.refused("not reset before", OFF, ON, RESET, START)

    def test_reset_too_early(self) -> None:
        self.refused("not reset before", OFF, ON, START, before=[*BEFORE, RESET])
        self.refused("not reset before", RESET, OFF, ON, START)

    def test_completed_in_the_next_kernel(self) -> None:
        self.refused("1 commands of the previous kernel", OFF, RESET, ON, DONE, START)

    def test_bus_mastering_left_on(self) -> None:
        self.refused("never switched off", RESET, ON, START)

    def test_nobody_starts_it(self) -> None:
        self.refused("never switched bus mastering on", OFF, RESET)

    def test_nothing_to_see(self) -> None:
        self.refused("nothing was in flight", OFF, RESET, ON, START, before=[ON, START, FETCHED, DONE])


if __name__ == "__main__":
    unittest.main()
