# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests of the witness: a good trace passes, and for each rule a trace that breaks it fails at that line."""
from __future__ import annotations

import json
import unittest
from collections.abc import Callable
from datetime import datetime, timezone

import tracelog
from witness import Kept, Verdict, Witness

DEVICE = "01:00.0"
PORT = "00:01.0"
MSIX = 0x42
KEPT = Kept("nvme0", DEVICE, (PORT,), {DEVICE: frozenset({0x06, 0x8A}), PORT: frozenset({0x06, 0x1E, 0x5E})},
            {PORT: MSIX})


class Trace:
    """Writes a trace as QEMU does."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._now = 1_800_000_000.0

    def event(self, name: str, text: str, after: float = 0.0001) -> Trace:
        self._now += after
        when = datetime.fromtimestamp(self._now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.lines.append(f"{when} {name} {text}")
        return self

    def config(self, bdf: str, offset: int, value: int) -> Trace:
        model = "pcie-root-port" if bdf == PORT else "nvme"
        return self.event("pci_cfg_write", f"{model} {bdf} @{offset:#x} <- {value:#x}")

    def msix(self, enabled: int, masked: int, bdf: str = DEVICE) -> Trace:
        self.config(bdf, MSIX, enabled << 15 | masked << 14 | 8)
        model = "pcie-root-port" if bdf == PORT else "nvme"
        return self.event("msix_write_config", f"dev {model} enabled {enabled} masked {masked}")

    def mapping(self, change: str, bdf: str) -> Trace:
        return self.event(f"pci_update_mappings_{change}", f"nvme {bdf} 0,0xfe400000+0x4000")

    def create_queue(self, qid: int) -> Trace:
        self.event("pci_nvme_create_cq", f"create completion queue, addr=0x1000, cqid={qid}, vector={qid}, "
                   "qsize=63, qflags=3, ien=1")
        return self.event("pci_nvme_create_sq", f"create submission queue, addr=0x2000, sqid={qid}, cqid={qid}, "
                          "qsize=63, qflags=1")

    def start(self) -> Trace:
        self.event("pci_nvme_mmio_aqattr", "wrote MMIO, admin queue attributes=0x1f001f")
        self.event("pci_nvme_mmio_cfg", "wrote MMIO, config controller config=0x460001")
        return self.event("pci_nvme_mmio_start_success", "setting controller enable bit succeeded")

    def stop(self) -> Trace:
        self.event("pci_nvme_mmio_cfg", "wrote MMIO, config controller config=0x460000")
        return self.event("pci_nvme_mmio_stopped", "cleared controller enable bit")

    def submit(self, cid: int, sqid: int = 1) -> Trace:
        self.event("pci_nvme_mmio_doorbell_sq", f"sqid {sqid} new_tail {cid + 1}")
        return self.event("pci_nvme_io_cmd", f"cid {cid} nsid 0x1 sqid {sqid} opc 0x1 opname 'NVME_NVM_CMD_WRITE'")

    def complete(self, cid: int, cqid: int = 1, status: int = 0, after: float = 0.0001) -> Trace:
        return self.event("pci_nvme_enqueue_req_completion",
                          f"cid {cid} cqid {cqid} dw0 0x0 dw1 0x0 status {status:#x}", after)

    def interrupt(self, vector: int) -> Trace:
        return self.event("pci_nvme_irq_msix", f"raising MSI-X IRQ vector {vector}")

    def ioapic(self) -> Trace:
        for pin in range(24):
            self.event("ioapic_mem_write", f"ioapic mem write addr 0x10 regsel: {0x10 + 2 * pin:#x} size 0x4 val 0x10000")
            self.event("ioapic_mem_write", f"ioapic mem write addr 0x10 regsel: {0x11 + 2 * pin:#x} size 0x4 val 0x0")
        return self

    def ioapic_boot(self) -> Trace:
        """A driver of the next kernel asks for the serial port's interrupt."""
        return self.event("ioapic_mem_write", "ioapic mem write addr 0x10 regsel: 0x18 size 0x4 val 0x24")

    def firmware(self) -> Trace:
        self.event("pci_nvme_pci_reset", "PCI Function Level Reset")
        self.config(DEVICE, 0x10, 0xFFFFFFFF).mapping("add", DEVICE)
        return self.start().create_queue(1).event("pci_nvme_identify_ctrl", "identify controller").stop()

    def setup(self, queues: int = 2) -> Trace:
        self.msix(1, 1).msix(1, 0).start().event("pci_nvme_identify_ctrl", "identify controller")
        for qid in range(1, queues + 1):
            self.create_queue(qid)
        return self

    def kexec(self, inside: Callable[[Trace], object] = lambda trace: None) -> Trace:
        """A good window: two commands in flight, one of which completes inside; `inside` may spoil it."""
        self.submit(1).submit(2, 2)
        self.msix(1, 1)
        self.submit(3).complete(3)                  # the old kernel still runs
        self.ioapic()
        self.interrupt(1).complete(1, after=0.5)
        inside(self)
        self.config(DEVICE, 0x06, 0xF900).config(PORT, 0x5E, 0xF).config(PORT, MSIX, 0xC000)
        self.msix(1, 1)                             # the next kernel masks again what it finds masked
        self.msix(1, 0)
        return self.complete(2, 2).interrupt(2)

    def check(self, cycles: int | None = None, kept: list[Kept] | None = None) -> Verdict:
        return Witness(tracelog.parse(self.lines), kept or [KEPT]).check(cycles)


def good(cycles: int = 2) -> Trace:
    trace = Trace().firmware().setup().submit(7).complete(7)
    for _ in range(cycles):
        trace.kexec()
    return trace


class Parser(unittest.TestCase):
    def test_events_and_other_lines(self) -> None:
        log = ["2026-11-21T10:23:51.294705Z pci_nvme_pci_reset PCI Function Level Reset\n", "qemu: warning: x\n", "\n",
               "2026-11-21T10:23:99.294705Z pci_nvme_pci_reset not a time\n"]
        events = list(tracelog.parse(log))
        self.assertEqual([(e.number, e.name, e.text) for e in events],
                         [(1, "pci_nvme_pci_reset", "PCI Function Level Reset")])
        self.assertEqual(events[0].time, datetime(2026, 11, 21, 10, 23, 51, 294705, timezone.utc).timestamp())

    def test_a_whole_second_has_no_fraction(self) -> None:
        events = list(tracelog.parse(["2026-11-21T12:45:25Z pci_nvme_io_cmd cid 1\n"]))
        self.assertEqual([e.time for e in events], [datetime(2026, 11, 21, 12, 45, 25, 0, timezone.utc).timestamp()])


class Json(unittest.TestCase):
    def test_round_trip(self) -> None:
        self.assertEqual(Kept.from_json(json.loads(json.dumps(KEPT.to_json()))), KEPT)


class Good(unittest.TestCase):
    def test_passes(self) -> None:
        verdict = good().check(2)
        self.assertEqual(verdict.violations, [])
        self.assertEqual(verdict.resets_seen, {"nvme0": 0})
        self.assertEqual(verdict.bars_moved, {"nvme0": 0})
        self.assertEqual(verdict.windows, {"nvme0": 2})

    def test_counts(self) -> None:
        for cycle in good().check(2).cycles:
            self.assertEqual((cycle.in_flight, cycle.completed_inside, cycle.completed_across), (2, 1, 2))
            self.assertEqual(cycle.vectors_latched, 1)
            self.assertLess(cycle.freeze, cycle.stopped or 0)
            self.assertLess(cycle.stopped or 0, cycle.rearm)

    def test_command_after_the_ioapic_is_masked_counts(self) -> None:
        trace = Trace().firmware().setup().kexec()
        masked = max(n for n, line in enumerate(trace.lines) if "ioapic" in line)
        extra = Trace()
        extra._now = tracelog_time(trace.lines[masked])
        trace.lines[masked + 1:masked + 1] = extra.submit(9).lines
        trace.complete(9)
        self.assertEqual(trace.check(1).cycles[0].in_flight, 3)

    def test_queues_of_a_driver_that_had_the_device_before(self) -> None:
        trace = Trace().firmware().msix(1, 1).msix(1, 0).start().create_queue(1).submit(1).complete(1).stop()
        trace.msix(0, 0).setup().kexec()
        verdict = trace.check(1)
        self.assertEqual(verdict.violations, [])
        self.assertEqual(verdict.accepted, 3)       # the kexec's; not the one of the other driver

    def test_other_functions_do_as_they_like(self) -> None:
        trace = Trace().firmware().setup()
        trace.kexec(lambda t: t.config("00:1e.0", 0x04, 0).mapping("del", "00:1e.0"))
        self.assertEqual(trace.check(1).violations, [])

    def test_until(self) -> None:
        trace = good(1)
        end = trace._now
        trace.stop()
        events = list(tracelog.parse(trace.lines))
        self.assertEqual(Witness(events, [KEPT], until=end).check(1).violations, [])
        self.assertNotEqual(Witness(events, [KEPT]).check(1).violations, [])


def tracelog_time(line: str) -> float:
    return next(tracelog.parse([line])).time


class Broken(unittest.TestCase):
    """Each test breaks one rule and expects a violation that says so, at the line that broke it."""

    def expect(self, trace: Trace, text: str, cycles: int | None = None, at: str | None = None) -> Verdict:
        verdict = trace.check(cycles)
        found = [v for v in verdict.violations if text in v]
        self.assertTrue(found, f"{text!r} not in {verdict.violations}")
        if at is not None:
            self.assertIn(at, found[0])
        return verdict

    def inside(self, spoil: Callable[[Trace], object], text: str, at: str | None = None) -> Verdict:
        return self.expect(good(1).kexec(spoil), text, 2, at)

    def test_mapping_removed(self) -> None:
        verdict = self.inside(lambda t: t.mapping("del", DEVICE), "mapping changed", "pci_update_mappings_del")
        self.assertEqual(verdict.bars_moved, {"nvme0": 1})

    def test_mapping_added(self) -> None:
        self.inside(lambda t: t.mapping("add", DEVICE), "mapping changed")

    def test_mapping_of_the_bridge(self) -> None:
        self.inside(lambda t: t.mapping("del", PORT), "mapping changed")

    def test_bar_sizing(self) -> None:
        self.inside(lambda t: t.config(DEVICE, 0x10, 0xFFFFFFFF), "configuration written", "@0x10")

    def test_bus_master_cleared(self) -> None:
        self.inside(lambda t: t.config(DEVICE, 0x04, 0x103), "configuration written", "@0x4")

    def test_command_written_with_the_same_value(self) -> None:
        self.inside(lambda t: t.config(DEVICE, 0x04, 0x107), "configuration written")

    def test_bridge_bus_numbers(self) -> None:
        self.inside(lambda t: t.config(PORT, 0x18, 0x00010100), "configuration written", "@0x18")

    def test_bridge_window(self) -> None:
        self.inside(lambda t: t.config(PORT, 0x20, 0xFE50FE40), "configuration written")

    def test_bridge_control(self) -> None:
        self.inside(lambda t: t.config(PORT, 0x3E, 0x40), "configuration written")

    def test_power_state(self) -> None:
        self.inside(lambda t: t.config(DEVICE, 0x64, 0x3), "configuration written")

    def test_device_control(self) -> None:
        self.inside(lambda t: t.config(DEVICE, 0x88, 0x2810), "configuration written")

    def test_status_register_of_another_function_is_no_excuse(self) -> None:
        self.inside(lambda t: t.config(DEVICE, 0x1E, 0xFFFF), "configuration written")

    def test_msix_switched_off(self) -> None:
        self.inside(lambda t: t.msix(0, 1), "switched off")

    def test_no_mask_at_freeze(self) -> None:
        self.expect(good(1), "1 masked windows for 2 kexecs", 2)

    def test_early_unmask(self) -> None:
        self.inside(lambda t: t.msix(1, 0), "2 kexecs")

    def test_never_rearmed(self) -> None:
        self.expect(good(1).submit(1).msix(1, 1), "never re-armed", 2)

    def test_reset_inside(self) -> None:
        verdict = self.inside(lambda t: t.event("pci_nvme_pci_reset", "PCI Function Level Reset"), "was reset")
        self.assertEqual(verdict.resets_seen, {"nvme0": 1})

    def test_reset_between_windows(self) -> None:
        verdict = self.expect(good(1).event("pci_nvme_pci_reset", "PCI Function Level Reset").kexec(), "was reset", 2)
        self.assertEqual(verdict.resets_seen, {"nvme0": 1})

    def test_controller_stopped_and_started(self) -> None:
        verdict = self.expect(good(1).stop().start().kexec(), "was stopped", 2)
        self.assertEqual(verdict.resets_seen, {"nvme0": 1})

    def test_registers(self) -> None:
        for name, text in (("pci_nvme_mmio_cfg", "CC"), ("pci_nvme_mmio_aqattr", "AQA"),
                           ("pci_nvme_mmio_asqaddr", "ASQ"), ("pci_nvme_mmio_asqaddr_hi", "ASQ"),
                           ("pci_nvme_mmio_acqaddr", "ACQ"), ("pci_nvme_mmio_acqaddr_hi", "ACQ")):
            with self.subTest(event=name):
                self.expect(good(1).event(name, "wrote MMIO, 0x0"), f"{text} was written", 1)

    def test_queues(self) -> None:
        self.expect(good(1).create_queue(3), "queue was created", 1)
        self.expect(good(1).event("pci_nvme_del_sq", "deleting submission queue sqid=1"), "queue was deleted", 1)
        self.expect(good(1).event("pci_nvme_del_cq", "deleted completion queue, cqid=1"), "queue was deleted", 1)

    def test_identify_controller(self) -> None:
        self.expect(good(1).event("pci_nvme_identify_ctrl", "identify controller"), "Identify Controller", 1)

    def test_invalid_doorbell(self) -> None:
        self.expect(good(1).event("pci_nvme_ub_db_wr_invalid_sqtail", "submission queue doorbell write value beyond "
                                  "queue size, sqid=1, new_head=99, ignoring"), "complained", 1)

    def test_command_twice(self) -> None:
        self.expect(good(1).submit(4).submit(4), "in flight", 1)

    def test_completion_twice(self) -> None:
        self.expect(good(1).submit(4).complete(4).complete(4), "not in flight", 1)

    def test_in_flight_command_lost(self) -> None:
        trace = good(0).submit(5).kexec()
        self.assertEqual((trace.check(1).cycles[0].in_flight, trace.check(1).cycles[0].completed_across), (3, 2))

    def test_in_flight_command_failed(self) -> None:
        trace = good(0).submit(5).kexec().complete(5, status=0x4004)
        self.assertEqual((trace.check(1).cycles[0].in_flight, trace.check(1).cycles[0].completed_across), (3, 2))

    def test_no_sign_of_the_old_kernel_stopping(self) -> None:
        trace = good(1)
        trace.lines = [line for line in trace.lines if "ioapic" not in line]
        self.assertIsNone(self.expect(trace, "no kernel stopped", 1).cycles[0].in_flight)

    def test_masked_by_the_next_kernel_only(self) -> None:
        trace = Trace().firmware().setup().submit(1).ioapic()
        trace.msix(1, 1).ioapic_boot().complete(1).msix(1, 0)
        self.expect(trace, "the mask came late", 1)

    def test_no_set_up(self) -> None:
        self.expect(Trace().msix(1, 0).kexec(), "no I/O queue")

    def test_unattributed_msix_write(self) -> None:
        self.expect(good(1).event("msix_write_config", "dev nvme enabled 1 masked 1"), "which device")


class TwoDevices(unittest.TestCase):
    SECOND = Kept("nvme1", "02:00.0", ("00:02.0",))

    def test_windows_are_told_apart(self) -> None:
        trace = Trace().firmware().setup().msix(1, 1, "02:00.0").msix(1, 0, "02:00.0")
        trace.submit(1).submit(1)                       # one of each controller
        trace.msix(1, 1).msix(1, 1, "02:00.0").ioapic().complete(1).complete(1)
        trace.interrupt(1).interrupt(1).interrupt(1).interrupt(2)
        trace.msix(1, 0).msix(1, 0, "02:00.0")
        verdict = trace.check(1, [KEPT, self.SECOND])
        self.assertEqual(verdict.violations, [])
        self.assertEqual(verdict.cycles[0].in_flight, 2)
        self.assertEqual(verdict.cycles[0].vectors_latched, 3)

    def test_window_of_the_second_alone(self) -> None:
        trace = Trace().firmware().setup().msix(1, 1, "02:00.0").msix(1, 0, "02:00.0")
        trace.submit(1).msix(1, 1).msix(1, 1, "02:00.0").ioapic().msix(1, 0)
        trace.mapping("del", "02:00.0").msix(1, 0, "02:00.0")
        violations = trace.check(1, [KEPT, self.SECOND]).violations
        self.assertEqual(len(violations), 1)
        self.assertIn("nvme1: mapping changed", violations[0])


class Nic(unittest.TestCase):
    """A NIC beside a controller: rules 1 to 3 are its own, 4 and 5 do not know it."""

    NIC = "02:00.0"
    BOTH = [KEPT, Kept("mana0", NIC, (), {NIC: frozenset({0x06})}, nvme=False)]

    def trace(self, inside: Callable[[Trace], object] = lambda trace: None) -> Trace:
        # The kernel's own drivers have both for a while, and the NIC is brought up after the controller.
        trace = Trace().firmware()
        trace.msix(1, 1).msix(1, 0).start().create_queue(1).msix(1, 1, self.NIC).msix(1, 0, self.NIC).submit(5).complete(5)
        trace.stop().msix(0, 0).setup().submit(7).complete(7)
        trace.msix(0, 0, self.NIC).mapping("del", self.NIC).mapping("add", self.NIC).msix(1, 1, self.NIC).msix(1, 0, self.NIC)
        trace.submit(1).submit(2, 2).msix(1, 1).msix(1, 1, self.NIC).ioapic().interrupt(1).complete(1, after=0.5)
        inside(trace)
        return trace.msix(1, 0).msix(1, 1, self.NIC).msix(1, 0, self.NIC).complete(2, 2).interrupt(2).submit(3).complete(3)

    def test_good(self) -> None:
        verdict = self.trace().check(1, self.BOTH)
        self.assertEqual(verdict.violations, [])
        self.assertEqual(verdict.windows, {"nvme0": 1, "mana0": 1})
        self.assertEqual(verdict.bars_moved, {"nvme0": 0, "mana0": 0})
        self.assertEqual(verdict.resets_seen, {"nvme0": 0})         # who serves the NIC counts its resets
        self.assertEqual(verdict.accepted, 4)                       # without the one of the kernel's own driver
        self.assertEqual((verdict.cycles[0].in_flight, verdict.cycles[0].completed_across), (2, 2))

    def test_rules_of_the_window(self) -> None:
        verdict = self.trace(lambda t: t.mapping("del", self.NIC)).check(1, self.BOTH)
        self.assertIn("mana0: mapping changed", " ".join(verdict.violations))
        self.assertEqual(verdict.bars_moved["mana0"], 1)
        verdict = self.trace(lambda t: t.config(self.NIC, 0x04, 0)).check(1, self.BOTH)
        self.assertIn("mana0: configuration written", " ".join(verdict.violations))
        verdict = self.trace(lambda t: t.msix(0, 0, self.NIC)).check(1, self.BOTH)
        self.assertIn("mana0: MSI-X was switched off", " ".join(verdict.violations))

    def test_identifiers_are_the_controllers_alone(self) -> None:
        verdict = self.trace(lambda t: t.submit(2, 2)).check(1, self.BOTH)
        self.assertIn("under an identifier that is in flight", " ".join(verdict.violations))


if __name__ == "__main__":
    unittest.main()
