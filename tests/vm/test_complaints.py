# SPDX-License-Identifier: GPL-2.0-or-later
import tempfile
import unittest
from pathlib import Path

import complaints
import run
from cases import Case, Context, Failure

BAD = """\
[    1.000000] udrv-host nvme0: event loop: ENOENT
[    1.000000] BUG: KASAN: slab-use-after-free in pci_liveupdate_finish+0x1c/0x90
[    1.000000] BUG: sleeping function called from invalid context at kernel/locking/mutex.c:575
[    1.000000] BUG: unable to handle page fault for address: ffff888000000000
[    1.000000] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!
[    1.000000] BUG: Bad page state in process udrv-agent  pfn:12345
[    1.000000] kernel BUG at mm/memfd_luo.c:100!
[    1.000000] WARNING: kernel/liveupdate/luo_file.c:333 at luo_file_unpreserve_files+0x1/0x2, CPU#0: sh/1
[    1.000000] WARNING: possible circular locking dependency detected
[    1.000000] WARNING: possible recursive locking detected
[    1.000000] WARNING: inconsistent lock state
[    1.000000] WARNING: suspicious RCU usage
[    1.000000] WARNING: bad unlock balance detected!
[    1.000000] INFO: lockdep is turned off.
[    1.000000] UBSAN: array-index-out-of-bounds in drivers/pci/liveupdate/core.c:10:5
[    1.000000] ODEBUG: free active (active state 0) object: 1 object type: timer_list hint: x+0x0/0x1
[    1.000000] refcount_t: underflow; use-after-free.
[    1.000000] list_del corruption. prev->next should be ffff888000000000, but was dead000000000100
[    1.000000] pagealloc: memory corruption
[    1.000000] kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
[    1.000000] Oops: general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 [#1] SMP KASAN
[    1.000000]  Call Trace:
[    1.000000] rcu: INFO: rcu_preempt self-detected stall on CPU
[    1.000000] INFO: task udrv-agent:77 blocked for more than 120 seconds.
[    1.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [sh:1]
[    1.000000] Kernel panic - not syncing: Attempted to kill init!
"""
GOOD = """\
[    0.000000] kasan: KernelAddressSanitizer initialized (generic)
[    0.000000] Running RCU self tests
[    0.000000] rcu: RCU lockdep checking is enabled.
[    0.000000] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
[    0.000000] kmemleak: Kernel memory leak detector initialized (mem pool available: 15669)
[    0.000000] mem auto-init: stack:off, heap alloc:off, heap free:off
[    0.000000] clocksource: Watchdog remote CPU 1 read timed out
[    0.000000] **   NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE    **
[    0.000000] vfio-pci 0000:01:00.0: liveupdate: INTx or MSI is in use and would be lost, use MSI-X
[    0.000000] udrv-host nvme1: event loop: EISDIR
[    0.000000] pci 0000:01:00.0: [1b36:0010] type 00 class 0x010802 PCIe Endpoint
"""


class Complaints(unittest.TestCase):
    def test_each_kind_of_report_is_found(self) -> None:
        for line in BAD.splitlines():
            self.assertEqual(complaints.complaints(GOOD + line + "\n" + GOOD), [line])

    def test_a_healthy_log_has_none(self) -> None:
        self.assertEqual(complaints.complaints(GOOD), [])

    def test_an_allocation_that_was_to_fail_is_none(self) -> None:
        report = ("[  1.0] {}: vmalloc error: size 128, align 0x1, vm_struct allocation failed\n"
                  "[  1.1] CPU: 0 UID: 0 PID: 89 Comm: {} Tainted: G     U\n[  1.2] Tainted: [U]=USER\n[  1.3] Call Trace:\n")
        self.assertEqual(complaints.complaints(GOOD + report.format(*["allocation_fail"] * 2) + GOOD), [])
        self.assertEqual(complaints.complaints(report.format(*["udrv-agent"] * 2)), ["[  1.3] Call Trace:"])
        # Nothing is hidden behind it.
        self.assertEqual(complaints.complaints(report.format(*["allocation_fail"] * 2) + BAD), BAD.splitlines())

    def test_no_console_no_complaint(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            self.assertEqual(complaints.on_console(Path(directory)), [])


class Runner(unittest.TestCase):
    """The runner fails a test whose kernels complained, whatever the test itself thought of it."""

    def judge(self, console: str, passes: bool = True, expects: bool = False) -> str:
        def function(context: Context) -> None:
            (context.directory / "console.log").write_text(console)
            context.complaints_expected = expects
            if not passes:
                raise Failure("it failed")

        with tempfile.TemporaryDirectory() as out:
            context = Context(Path("bzImage"), Path("image"), Path(out), "tcg")
            return run.judge(Case("name", "what", ("kernel",), function), context).error

    def test_silence_passes(self) -> None:
        self.assertEqual(self.judge(GOOD), "")

    def test_a_planted_report_fails(self) -> None:
        for line in BAD.splitlines():
            self.assertIn(line, self.judge(GOOD + line + "\n"))

    def test_both_reasons_are_given(self) -> None:
        error = self.judge(BAD, passes=False)
        self.assertIn("it failed", error)
        self.assertIn("KASAN", error)

    def test_a_test_may_plant_reports(self) -> None:
        self.assertEqual(self.judge(BAD, expects=True), "")

    def test_the_log_of_an_earlier_run_does_not_count(self) -> None:
        with tempfile.TemporaryDirectory() as out:
            context = Context(Path("bzImage"), Path("image"), Path(out), "tcg")
            context.begin("name")
            (context.directory / "console.log").write_text(BAD)
            self.assertEqual(run.judge(Case("name", "what", ("kernel",), lambda context: None), context).error, "")


if __name__ == "__main__":
    unittest.main()
