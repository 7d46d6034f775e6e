# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests of blocks.py: each way in which a disk can be wrong is found."""
from __future__ import annotations

import struct
import tempfile
import unittest
from pathlib import Path

import blocks


def block(index: int, sequence: int, cycle: int = 0) -> bytes:
    """A valid verifying block."""
    fill = struct.pack("<Q", sequence * 0x9E3779B97F4A7C15 & (1 << 64) - 1) * ((blocks.BLOCK - 32) // 8)
    head = blocks.HEADER.pack(blocks.MAGIC, index, sequence, cycle, 0)
    crc = blocks.crc32c_each(head + fill, blocks.BLOCK)[0]
    return blocks.HEADER.pack(blocks.MAGIC, index, sequence, cycle, crc) + fill


class Crc(unittest.TestCase):
    def test_known_answers(self) -> None:
        self.assertEqual(blocks.crc32c_each(b"123456789", 9), [0xE3069283])
        self.assertEqual(blocks.crc32c_each(bytes(32), 32), [0x8A9136AA])

    def test_blocks_are_independent(self) -> None:
        self.assertEqual(blocks.crc32c_each(b"123456789" * 3, 9), [0xE3069283] * 3)

    def test_refuses_part_of_a_block(self) -> None:
        with self.assertRaises(ValueError):
            blocks.crc32c_each(b"1234", 3)


class Disk(unittest.TestCase):
    def setUp(self) -> None:
        self._dir = tempfile.TemporaryDirectory()
        self.addCleanup(self._dir.cleanup)
        self.disk = Path(self._dir.name) / "disk"
        self.acked = Path(self._dir.name) / "acked.bin"
        # block: (acknowledged, submitted)
        self.records = {0: (1, 1), 3: (2, 5), 5000: (7, 7), 9: (0, 6)}
        self.content = {0: block(0, 1), 3: block(3, 5), 5000: block(5000, 7)}

    def check(self) -> blocks.Result:
        with open(self.disk, "wb") as file:
            file.truncate(8192 * blocks.BLOCK)
            for index, data in self.content.items():
                file.seek(index * blocks.BLOCK)
                file.write(data)
        self.acked.write_bytes(b"".join(blocks.RECORD.pack(i, a, s) for i, (a, s) in self.records.items()))
        return blocks.check(self.disk, self.acked)

    def assert_problem(self, text: str) -> None:
        problems = self.check().problems
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(text, problems[0])

    def test_good(self) -> None:
        result = self.check()
        self.assertEqual(result.problems, [])
        self.assertEqual((result.written, result.acknowledged, result.on_disk), (4, 3, 3))

    def test_unacknowledged_write_may_be_there(self) -> None:
        self.content[9] = block(9, 6)
        self.assertEqual(self.check().problems, [])

    def test_acknowledged_write_missing(self) -> None:
        del self.content[5000]
        self.assert_problem("sequence 7 was acknowledged, but the block is empty")

    def test_acknowledged_write_overwritten_by_an_older(self) -> None:
        self.records[3] = (5, 5)
        self.content[3] = block(3, 2)
        self.assert_problem("holds sequence 2, but 5 was acknowledged")

    def test_never_submitted_sequence(self) -> None:
        self.content[3] = block(3, 99)
        self.assert_problem("holds sequence 99, but only 5 was submitted")

    def test_never_submitted_block(self) -> None:
        self.content[77] = block(77, 8)
        self.assert_problem("never submitted")

    def test_torn_block(self) -> None:
        self.content[3] = block(3, 5)[:2048] + block(3, 4)[2048:]
        self.assert_problem("CRC")

    def test_every_byte_counts(self) -> None:
        good = self.content[3]
        for at in (0, 8, 16, 24, 28, 32, 4095):
            self.content[3] = good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]
            with self.subTest(byte=at):
                self.assertEqual(len(self.check().problems), 1)

    def test_misplaced_block(self) -> None:
        self.content[3] = block(4, 5)
        self.assert_problem("holds block 4")

    def test_sequence_used_twice(self) -> None:
        self.records[9] = (5, 5)
        self.content[9] = block(9, 5)
        self.assert_problem("is also in block 3")

    def test_zeroed_tail_of_a_record(self) -> None:
        self.check()
        self.acked.write_bytes(self.acked.read_bytes()[:-1])
        self.assertTrue(any("whole number" in p for p in blocks.check(self.disk, self.acked).problems))

    def test_acknowledged_but_not_submitted(self) -> None:
        self.records[0] = (2, 1)
        self.assertTrue(any("only 1 submitted" in p for p in self.check().problems))

    def test_beyond_the_end(self) -> None:
        self.records[9000] = (0, 8)
        self.assert_problem("beyond the end")


if __name__ == "__main__":
    unittest.main()
