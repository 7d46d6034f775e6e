# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests of report_nic.py: a good run passes, and each shortcoming fails by name."""
from __future__ import annotations

import copy
import unittest
from collections.abc import Callable
from typing import Any

import report_nic
from nic_traffic import NicCounted

MODEL = {"strict_violations": 0, "first_violation": "", "resets": 1, "hwc_established": 1, "queues_created": 12,
         "regions_created": 20, "rx_no_buffer": 3, "tx": 0, "rx": 0}


def good() -> NicCounted:
    return NicCounted(
        sender={"sent": 1000, "echoed": 1000, "lost": 0, "duplicated": 0, "corrupt": 0, "send_errors": 0, "missing": [],
                "across": [[0, 0, 400], [0, 1, 300], [1, 1, 100], [1, 2, 150], [2, 2, 50]]},
        guest={"received": 1000, "duplicated": 0, "corrupt": 0, "other": 5, "echoed": 1000, "echo_errors": 0,
               "cycles": [{"cycle": 0}, {"cycle": 1, "rx_buffered_across": 290}, {"cycle": 2, "rx_buffered_across": 150}]},
        model_start=dict(MODEL), model_end={**MODEL, "tx": 1000, "rx": 1000}, losses={"the TAP's queue": 0},
        tcp={"echoed": 5000, "damaged": 0},
        interface=[{"first_packet_ms": 1800.0, "tcp_reconnect_ms": 1900.0}, {"first_packet_ms": 1700.5, "tcp_reconnect_ms": 1750.0}])


class ReportNic(unittest.TestCase):
    def test_pass(self) -> None:
        self.assertEqual(report_nic.build(good(), 2),
                         ({"tx": 1000, "rx": 1000, "lost": 0, "duplicated": 0, "rx_buffered_across": [290, 150],
                           "first_packet_ms": [1800.0, 1700.5], "tcp_reconnect_ms": [1900.0, 1750.0]}, []))

    def spoil(self, change: Callable[[NicCounted], Any], text: str) -> dict[str, Any]:
        counted = copy.deepcopy(good())
        change(counted)
        out, problems = report_nic.build(counted, 2)
        self.assertTrue(any(text in p for p in problems), problems)
        return out

    def test_lost(self) -> None:
        out = self.spoil(lambda c: c.sender.update(lost=2, echoed=998, missing=[7, 9]), "2 of 1000 frames did not come back")
        self.assertEqual(out["lost"], 2)
        self.spoil(lambda c: c.guest.update(received=999), "the consumer received 999")
        self.spoil(lambda c: c.guest.update(echoed=1001), "sent 1001 echoes, 1000 arrived")

    def test_twice(self) -> None:
        out = self.spoil(lambda c: c.sender.update(duplicated=1), "1 of 1000 frames came back twice")
        self.assertEqual(out["duplicated"], 1)
        self.spoil(lambda c: c.guest.update(duplicated=1), "counts 1 frames twice")

    def test_damaged(self) -> None:
        self.spoil(lambda c: c.sender.update(corrupt=1), "came back damaged")
        self.spoil(lambda c: c.guest.update(corrupt=1), "1 damaged frames")
        self.spoil(lambda c: c.guest.update(echo_errors=1), "1 failed echoes")

    def test_nothing(self) -> None:
        self.spoil(lambda c: c.sender.update(sent=0, echoed=0), "nothing was sent")

    def test_interface(self) -> None:
        out = self.spoil(lambda c: c.interface.pop(), "nic.tcp_reconnect_ms: not counted: 1 of 2")
        self.assertNotIn("first_packet_ms", out)
        self.spoil(lambda c: c.tcp.update(damaged=1), "1 times other bytes came back")
        self.spoil(lambda c: c.tcp.update(echoed=0), "TCP: nothing came back")

    def test_not_counted(self) -> None:
        self.assertEqual(self.spoil(lambda c: setattr(c, "sender", None), "the sender gave no final counters"), {})
        self.assertEqual(self.spoil(lambda c: setattr(c, "guest", None), "the consumer gave no final counters"), {})
        self.spoil(lambda c: setattr(c, "model_end", None), "the model gave no counters")
        out = self.spoil(lambda c: c.guest["cycles"].pop(), "no account of 1 kexecs")
        self.assertNotIn("rx_buffered_across", out)

    def test_across(self) -> None:
        self.spoil(lambda c: c.guest["cycles"][1].update(rx_buffered_across=0), "kexec 1: no received frame was waiting")
        self.spoil(lambda c: c.guest["cycles"][1].update(rx_buffered_across=301), "kexec 1: 301 received frames")

    def test_model(self) -> None:
        for key in ("resets", "hwc_established", "queues_created", "regions_created"):
            self.spoil(lambda c, k=key: c.model_end.update({k: 99}), f"the model's {key} went from")
        self.spoil(lambda c: c.model_end.update(strict_violations=1, first_violation="wrong mkey"), "the first: wrong mkey")
        self.spoil(lambda c: c.model_end.update(rx_no_buffer=8), "5 frames found no receive buffer")

    def test_harness_losses(self) -> None:
        self.spoil(lambda c: c.losses.update({"the TAP's queue": 4}), "4 frames were lost by the TAP's queue")


if __name__ == "__main__":
    unittest.main()
