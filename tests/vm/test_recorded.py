# SPDX-License-Identifier: GPL-2.0-or-later
"""The witness on recorded traces of QEMU 11.1.3.

data/one-kexec.log.gz is a whole run of `completion-while-masked` of cases.py on the series' kernel: it must pass, and
fail when single lines of it are changed. data/without-*.log.gz are runs of the same test, from the set-up on, on kernels
that lacked one guard each: every one of them must fail. Where the series guards something twice, with a check at the
place itself and with the filter for configuration writes behind it, both were left out.
"""
from __future__ import annotations

import gzip
import re
import unittest
from collections.abc import Callable
from pathlib import Path

import tracelog
from witness import Kept, Verdict, Witness

DATA = Path(__file__).parent / "data"
DEVICE, PORT = "01:00.0", "00:01.0"
KEPT = Kept("nvme0", DEVICE, (PORT,),
            {DEVICE: frozenset({0x06, 0x8A, 0x92, 0x9A, 0xA0, 0xAA, 0xB2}),
             PORT: frozenset({0x06, 0x1E, 0x5E, 0x66, 0x6E, 0x74, 0x7E, 0x86, 0x104, 0x110, 0x130})},
            {DEVICE: 0x42, PORT: 0x4A})


def load(name: str) -> list[str]:
    with gzip.open(DATA / f"{name}.log.gz", "rt", encoding="utf-8") as log:
        return log.read().splitlines()


def check(lines: list[str], cycles: int = 1) -> Verdict:
    return Witness(tracelog.parse(lines), [KEPT]).check(cycles)


class OneKexec(unittest.TestCase):
    lines: list[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.lines = load("one-kexec")
        masks = [n for n, line in enumerate(cls.lines) if "msix_write_config dev nvme enabled 1 masked 1" in line]
        unmasks = [n for n, line in enumerate(cls.lines) if "msix_write_config dev nvme enabled 1 masked 0" in line]
        cls.rearm = unmasks[-1]
        cls.freeze = next(n for n in masks if n > unmasks[-2])

    def test_passes(self) -> None:
        verdict = check(self.lines)
        self.assertEqual(verdict.violations, [])
        self.assertEqual((verdict.resets_seen, verdict.bars_moved), ({"nvme0": 0}, {"nvme0": 0}))
        cycle = verdict.cycles[0]
        self.assertEqual((cycle.in_flight, cycle.completed_inside, cycle.completed_across), (6, 4, 6))
        self.assertEqual(cycle.vectors_latched, 2)

    def inserted(self, at: int, event: str) -> list[str]:
        stamp = self.lines[at].split(" ", 1)[0]
        return self.lines[:at] + [f"{stamp} {event}"] + self.lines[at:]

    def moved_into_the_window(self, pattern: str) -> None:
        """Take a line that the trace has at boot, and let it happen in the blackout: each must be noticed."""
        source = [line.split(" ", 1)[1] for line in self.lines[:self.freeze] if re.search(pattern, line)]
        self.assertTrue(source, pattern)
        for event in source[:40]:
            with self.subTest(event=event):
                violations = check(self.inserted(self.rearm - 20, event)).violations
                self.assertTrue(violations)

    def test_what_the_first_kernel_did_to_the_device(self) -> None:
        self.moved_into_the_window(rf"pci_cfg_write nvme {DEVICE} @0x(?!42 |6 |8a |92 |9a )")

    def test_what_the_first_kernel_did_to_the_bridge(self) -> None:
        self.moved_into_the_window(rf"pci_cfg_write pcie-root-port {PORT} @0x(?!4a |6 |1e |5e |66 |6e |74 |104 |110 |130 )")

    def test_mappings(self) -> None:
        self.moved_into_the_window(rf"pci_update_mappings_\w+ \S+ ({DEVICE}|{PORT})")

    def test_controller(self) -> None:
        self.moved_into_the_window("pci_nvme_(mmio_(cfg|aqattr|asqaddr|acqaddr|start_success|stopped)|create_[sc]q|"
                                   "identify_ctrl|pci_reset) ")

    def without(self, pattern: str, start: int, end: int) -> list[str]:
        return [line for n, line in enumerate(self.lines) if not (start <= n < end and re.search(pattern, line))]

    def expect(self, lines: list[str], wanted: Callable[[Verdict], bool]) -> None:
        self.assertTrue(wanted(check(lines)), check(lines).violations)

    def test_no_function_mask_at_freeze(self) -> None:
        self.expect(self.without(rf"msix_write_config dev nvme|nvme {DEVICE} @0x42 ", self.freeze - 1, self.freeze + 1),
                    lambda v: bool(v.violations))

    def test_a_completion_that_never_came(self) -> None:
        last = max(n for n, line in enumerate(self.lines) if n < self.rearm and
                   re.search("enqueue_req_completion cid \\d+ cqid [12] ", line))
        self.expect(self.lines[:last] + self.lines[last + 1:],
                    lambda v: bool(v.violations) or v.cycles[0].completed_across != v.cycles[0].in_flight)

    def test_every_completion_twice(self) -> None:
        for n, line in enumerate(self.lines):
            if n > self.freeze and re.search("enqueue_req_completion cid \\d+ cqid [12] ", line):
                self.expect(self.inserted(n, line.split(" ", 1)[1]), lambda v: bool(v.violations))
                return
        self.fail("the trace has no completion after the freeze")


class WithoutAGuard(unittest.TestCase):
    """What the kernel did without the guard, as the witness must report it."""

    def expect(self, name: str, *wanted: str) -> None:
        violations = check(load(f"without-{name}")).violations
        for pattern in wanted:
            self.assertTrue(any(re.search(pattern, v) for v in violations), f"{pattern!r} not in {violations}")

    def test_configuration_filter(self) -> None:
        self.expect("filter", rf"{PORT} @0x5c .*configuration written", rf"{DEVICE} @0x90 .*configuration written")

    def test_bus_master_at_shutdown(self) -> None:
        self.expect("bus-master-at-shutdown-and-filter", rf"{DEVICE} @0x4 <- 0x503.*configuration written",
                    rf"{PORT} @0x4 <- 0x503.*configuration written", "controller fatal status")

    def test_function_mask_at_freeze(self) -> None:
        self.expect("mask-at-freeze", "the mask came late")

    def test_recorded_bars(self) -> None:
        self.expect("bars", "MSI-X was switched off", "the function was reset")

    def test_bar_sizing(self) -> None:
        self.expect("bars-and-filter", rf"{DEVICE} @0x10 <- 0xffffffff.*configuration written",
                    rf"pci_update_mappings_del nvme {DEVICE}.*mapping changed",
                    rf"pci_update_mappings_del pcie-root-port {PORT}.*mapping changed")

    def test_bridge_windows(self) -> None:
        self.expect("bridge-windows-and-filter", rf"{PORT} @0x28 <- 0xffffffff.*configuration written")

    def test_msix_at_enumeration(self) -> None:
        self.expect("msix-init-and-filter", "MSI-X was switched off", "the controller was started")

    def test_reset_at_open(self) -> None:
        self.expect("reset-at-open-and-filter", "the function was reset", "the controller was started")

    def test_bridge_setup(self) -> None:
        self.expect("bridge-setup-and-filter", rf"{PORT} @0x20 <- 0xfe50fe40.*configuration written",
                    rf"{PORT} @0x30 <- 0xffff.*configuration written")

    def test_bus_numbers(self) -> None:
        self.expect("bus-numbers-and-filter", rf"{PORT} @0x18 <- 0x0.*configuration written")

    def test_device_control(self) -> None:
        self.expect("device-control-and-filter", rf"{DEVICE} @0x88 <- 0x100.*configuration written")

    def test_interrupt_disable_probe(self) -> None:
        self.expect("intx-probe-and-filter", rf"{DEVICE} @0x4 <- 0x507.*configuration written")

    def test_link_state(self) -> None:
        self.expect("aspm-and-filter", rf"{PORT} @0x64 <- 0x20.*configuration written")

    def test_port_services_at_shutdown(self) -> None:
        self.expect("portdrv-shutdown-and-filter", rf"{PORT} @0x12c <- 0x0.*configuration written",
                    rf"{PORT} @0x64 <- 0x0.*configuration written")

    def test_interrupt_disable(self) -> None:
        self.expect("intx-disable-and-filter", rf"{DEVICE} @0x4 .*configuration written")


if __name__ == "__main__":
    unittest.main()
