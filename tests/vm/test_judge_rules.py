# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests of the judge's rules: a good run passes, and each shortcoming is named."""
from __future__ import annotations

import unittest

import judge_rules

BDF = "0000:01:00.0"
GOOD_LOG = [(6, "[    0.1] Linux version"), (4, "[    0.2] an old warning of the kernel's own"),
            (5, "[    3.0] nic-test: start"), (6, f"[    4.0] mana {BDF} eth0: Configured vPort"),
            (4, "[    5.0] hrtimer: interrupt took 19606270 ns")]
GOOD_STATISTICS = {"rx_0_packets": 5, "rx_1_packets": 6, "tx_0_tso_packets": 3, "tx_1_tso_packets": 0, "csum_partial": 9,
                   "tx_cqe_err": 0, "hc_rx_err_vport_disabled": 7}
GOOD_COUNTS = {"strict_violations": 0, "first_violation": "", "tx_errors": 0, "rx_errors": 0, "rx_truncated": 0,
               "hwc_errors": 0, "hwc_unanswered": 0, "tx": 1, "rx": 1, "tx_lso": 1, "queues_created": 4,
               "hwc_established": 6, "resets": 1, "live": {"hwc": 0, "eqs": 0}}


# As 7.3's driver causes it when the module goes.
REPORT = [(6, "[    9.0] ------------[ cut here ]------------"),
          (4, "[    9.1] WARNING: ../include/net/netdev_lock.h:17 at napi_disable_locked+0x269/0x270, CPU#1: rmmod/294"),
          (4, "[    9.2] Call Trace:"), (4, "[    9.3]  mana_destroy_rxq+0x608/0x6a0 [mana]"),
          (4, "[    9.4]  mana_detach+0x676/0xa30 [mana]"), (4, "[    9.5]  ? mutex_lock_io_nested+0x1750/0x1750"),
          (4, "[    9.6]  mana_remove+0x1b0/0x2d0 [mana]"), (4, "[    9.7] ---[ end trace 0000000000000000 ]---")]


class KernelLog(unittest.TestCase):
    def problems(self, *more: tuple[int, str]) -> list[str]:
        return judge_rules.kernel_log([*GOOD_LOG, *more], BDF)

    def test_good(self) -> None:
        self.assertEqual(self.problems(), [])

    def test_warning(self) -> None:
        self.assertEqual(self.problems((4, "[  9.0] anything")), ["kernel log: [  9.0] anything"])
        self.assertEqual(len(self.problems((3, f"[  9.0] mana {BDF}: HWC: timed out"))), 1)

    def test_complaint_of_any_level(self) -> None:
        self.assertEqual(len(self.problems((6, "[  9.0] WARNING: CPU: 0 PID: 1"))), 1)

    def test_device_before_the_start(self) -> None:
        lines = [(3, f"[  1.0] mana {BDF}: gdma probe failed"), *GOOD_LOG]
        self.assertEqual(len(judge_rules.kernel_log(lines, BDF)), 1)

    def test_known_flaw(self) -> None:
        self.assertEqual(self.problems(*REPORT, *REPORT), [])
        self.assertEqual(self.problems(*REPORT, (4, "[   10.0] anything")), ["kernel log: [   10.0] anything"])

    def test_known_flaw_elsewhere(self) -> None:
        """The same warning about another function or from another caller, or cut short, is a complaint as any other."""
        for old, new in (("napi_disable_locked", "napi_enable_locked"), ("mana_remove", "mana_probe"), ("mana_detach", "mana_close")):
            lines = [(level, text.replace(old, new)) for level, text in REPORT]
            self.assertGreater(len(self.problems(*lines)), 1, old)
        self.assertGreater(len(self.problems(*REPORT[:5])), 1)

    def test_complaint_within_a_known_flaw(self) -> None:
        lines = [*REPORT[:3], (4, "[    9.2] WARNING: possible circular locking dependency detected"), *REPORT[3:]]
        self.assertGreater(len(self.problems(*lines)), 1)

    def test_start_is_lost(self) -> None:
        self.assertEqual(len(judge_rules.kernel_log(GOOD_LOG[3:], BDF)), 1)


class Statistics(unittest.TestCase):
    def problems(self, **changes: int) -> list[str]:
        return judge_rules.statistics({**GOOD_STATISTICS, **changes})

    def test_good(self) -> None:
        self.assertEqual(self.problems(), [])

    def test_each(self) -> None:
        self.assertIn("rx_1_packets: received nothing", self.problems(rx_1_packets=0)[0])
        self.assertIn("tso_packets is 0", self.problems(tx_0_tso_packets=0)[0])
        self.assertIn("csum_partial is 0", self.problems(csum_partial=0)[0])
        self.assertIn("tx_cqe_err is 1", self.problems(tx_cqe_err=1)[0])
        self.assertIn("no receive queue at all", " ".join(judge_rules.statistics({})))


class Model(unittest.TestCase):
    def problems(self, **changes: object) -> list[str]:
        return judge_rules.model({**GOOD_COUNTS, **changes}, 6, 1)

    def test_good(self) -> None:
        self.assertEqual(self.problems(), [])

    def test_each(self) -> None:
        for name in ("strict_violations", "tx_errors", "rx_errors", "rx_truncated", "hwc_errors", "hwc_unanswered"):
            self.assertIn(f"{name} is 1", self.problems(**{name: 1})[0])
        for name in ("tx", "rx", "tx_lso", "queues_created"):
            self.assertIn(f"{name} is 0", self.problems(**{name: 0})[0])
        self.assertIn("7 HWC establishments in 6 probes", self.problems(hwc_established=7)[0])
        self.assertIn("2 resets", self.problems(resets=2)[0])
        self.assertIn("left 3 eqs", self.problems(live={"hwc": 0, "eqs": 3})[0])


if __name__ == "__main__":
    unittest.main()
