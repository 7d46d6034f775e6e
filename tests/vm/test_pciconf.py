# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests of pciconf.py on made-up configuration space."""
from __future__ import annotations

import struct
import unittest

import pciconf


def config(capabilities: list[tuple[int, int]], bridge: bool = False, aer: int = 0) -> bytearray:
    """Configuration space with (ID, offset) capabilities in that order."""
    data = bytearray(pciconf.CONFIG_SIZE)
    struct.pack_into("<HH", data, 0, 0x1B36, 0x0010)
    if capabilities:
        struct.pack_into("<H", data, 0x06, 0x10)
        data[0x34] = capabilities[0][1]
    for (ident, at), following in zip(capabilities, capabilities[1:] + [(0, 0)]):
        data[at], data[at + 1] = ident, following[1]
    if bridge:
        data[0x0E], data[0x19], data[0x1A] = 1, 2, 5
    if aer:
        struct.pack_into("<I", data, 0x100, 0x0003 | 1 << 16 | aer << 20)
        struct.pack_into("<I", data, aer, 0x0001 | 2 << 16)
    return data


class Layout(unittest.TestCase):
    def test_endpoint(self) -> None:
        layout = pciconf.layout(bytes(config([(0x11, 0x40), (0x10, 0x80)])))
        self.assertEqual(layout.msix_control, 0x42)
        self.assertEqual(layout.status, {0x06, 0x8A, 0x92, 0x9A, 0xA0, 0xAA, 0xB2})
        self.assertFalse(layout.bridge)

    def test_bridge(self) -> None:
        layout = pciconf.layout(bytes(config([(0x10, 0x54)], bridge=True, aer=0x140)))
        self.assertTrue({0x1E, 0x144, 0x150, 0x170} <= layout.status)
        self.assertEqual((layout.bridge, layout.secondary, layout.subordinate), (True, 2, 5))
        self.assertIsNone(layout.msix_control)

    def test_no_capabilities(self) -> None:
        self.assertEqual(pciconf.layout(bytes(config([]))).status, {0x06})

    def test_control_registers_are_no_status(self) -> None:
        layout = pciconf.layout(bytes(config([(0x11, 0x40), (0x10, 0x80)], bridge=True, aer=0x140)))
        for offset in (0x04, 0x10, 0x18, 0x3E, 0x88, 0x90, 0x98, 0x9C, 0x148, 0x16C):
            self.assertNotIn(offset, layout.status)

    def test_loops_end(self) -> None:
        data = config([(0x11, 0x40), (0x10, 0x80)])
        data[0x81] = 0x40
        with self.assertRaises(pciconf.ConfigError):
            pciconf.layout(bytes(data))
        data = config([], aer=0x140)
        struct.pack_into("<I", data, 0x140, 0x0001 | 2 << 16 | 0x140 << 20)
        with self.assertRaises(pciconf.ConfigError):
            pciconf.layout(bytes(data))


class Bdf(unittest.TestCase):
    def test_forms(self) -> None:
        self.assertEqual(pciconf.short_bdf("0000:01:1F.7"), "01:1f.7")
        self.assertEqual(pciconf.split_bdf("01:00.0"), (1, 0, 0))
        for bad in ("", "1:0.0", "0001:01:00.0", "01:00.8", "01:00.0 "):
            with self.assertRaises(pciconf.ConfigError):
                pciconf.split_bdf(bad)


class Difference(unittest.TestCase):
    def test_each_register_is_named(self) -> None:
        before = config([(0x11, 0x40)])
        after = bytearray(before)
        after[0x05] = 1
        after[0xFFC] = 2
        self.assertEqual(pciconf.difference("01:00.0", bytes(before), bytes(before)), [])
        self.assertEqual(pciconf.difference("01:00.0", bytes(before), bytes(after)),
                         ["01:00.0 @0x004: 0x00100000 -> 0x00100100", "01:00.0 @0xffc: 0x00000000 -> 0x00000002"])


if __name__ == "__main__":
    unittest.main()
