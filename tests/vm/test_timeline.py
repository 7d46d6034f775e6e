# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture: well-formed, with a panel for a NIC only where there is one."""
from __future__ import annotations

import unittest
import xml.etree.ElementTree as ElementTree

import timeline
from timeline import Series
from witness import Cycle

SVG = "{http://www.w3.org/2000/svg}"
CYCLE = Cycle(freeze=102.0, stopped=102.1, rearm=104.0, in_flight=8, completed_inside=4, completed_across=8, vectors_latched=1)
STREAM = {"start": 99.0, "bucket": 0.1, "sent": [[n, 50] for n in range(120)],
          "echoed": [[n, 50] for n in range(30)] + [[52, 1000]] + [[n, 50] for n in range(53, 120)]}


def series() -> Series:
    found = Series(100.0, 110.0, 0.1)
    for n in range(100):
        found.completed[1][n] = found.delivered[n] = 0 if 20 < n < 40 else 30
        found.in_flight.append((100 + n / 10, 64))
    return found


class Picture(unittest.TestCase):
    def panels(self, stream: dict | None) -> ElementTree.Element:
        root = ElementTree.fromstring(timeline.svg(series(), [CYCLE], {1: "<disk> & more"}, "a title", stream))
        bottom = max(float(r.get("y", 0)) + float(r.get("height", 0)) for r in root.iter(SVG + "rect") if r.get("class") == "f")
        self.assertLess(bottom, float(root.get("height", 0)))
        return root

    def test_without_a_nic(self) -> None:
        root = self.panels(None)
        self.assertEqual(sum(r.get("class") == "f" for r in root.iter(SVG + "rect")), 3)

    def test_with_a_nic(self) -> None:
        root = self.panels(STREAM)
        self.assertEqual(sum(r.get("class") == "f" for r in root.iter(SVG + "rect")), 4)
        self.assertTrue(any("NIC" in (t.text or "") for t in root.iter(SVG + "text")))
        for path in root.iter(SVG + "path"):
            self.assertNotIn("nan", path.get("d", ""))

    def test_a_stream_outside_of_the_picture(self) -> None:
        self.panels({**STREAM, "start": 500.0})
        self.panels({**STREAM, "sent": [], "echoed": []})


if __name__ == "__main__":
    unittest.main()
