# SPDX-License-Identifier: GPL-2.0-or-later
"""The verifying blocks: what is on the disk against what the guest says was submitted and acknowledged.

A block of 4 KiB, little endian: 0 magic "UDRVBLK1", 8 u64 block index, 16 u64 sequence number (never used twice),
24 u32 cycle, 28 u32 CRC-32C of the block with this field zero, then bytes that depend on the sequence number.
`acked.bin` has a record {u64 block index, u64 acknowledged sequence, u64 highest submitted sequence} for each block.
"""
from __future__ import annotations

import argparse
import itertools
import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 4096
MAGIC = b"UDRVBLK1"
HEADER = struct.Struct("<8sQQII")
CRC_OFFSET = 28
RECORD = struct.Struct("<QQQ")
BATCH = 2048            # blocks that are read and checksummed at a time


def _tables() -> list[bytes]:
    """The table of the reflected Castagnoli polynomial, as one table for each byte of its entries."""
    entries = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        entries.append(n)
    return [bytes(entry >> shift & 0xFF for entry in entries) for shift in (0, 8, 16, 24)]


_TABLES = _tables()


def crc32c_each(data: bytes, size: int) -> list[int]:
    """CRC-32C of each `size` bytes of data.

    All blocks at once, a byte position at a time: byte k of every block's CRC is one string, so that a step is a few
    operations on strings instead of a loop over blocks.
    """
    count = len(data) // size
    if not count or count * size != len(data):
        raise ValueError("not a whole number of blocks")

    def xor(a: bytes, b: bytes) -> bytes:
        return (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(count, "little")

    c0 = c1 = c2 = c3 = b"\xff" * count
    for position in range(size):
        index = xor(c0, data[position::size])
        c0 = xor(c1, index.translate(_TABLES[0]))
        c1 = xor(c2, index.translate(_TABLES[1]))
        c2 = xor(c3, index.translate(_TABLES[2]))
        c3 = index.translate(_TABLES[3])
    return [(a | b << 8 | c << 16 | d << 24) ^ 0xFFFFFFFF for a, b, c, d in zip(c0, c1, c2, c3)]


@dataclass
class Result:
    written: int = 0            # blocks with a record
    acknowledged: int = 0       # of them, with an acknowledged write
    on_disk: int = 0            # blocks on the disk that are not zero
    problems: list[str] = field(default_factory=list)


def read_records(path: Path) -> tuple[dict[int, tuple[int, int]], list[str]]:
    """Block index → (acknowledged, highest submitted); and what is wrong with the file."""
    data = path.read_bytes()
    problems = []
    if len(data) % RECORD.size:
        problems.append(f"{path.name}: {len(data)} bytes are not a whole number of records")
        data = data[:len(data) - len(data) % RECORD.size]
    records: dict[int, tuple[int, int]] = {}
    for index, acked, submitted in RECORD.iter_unpack(data):
        if index in records:
            problems.append(f"{path.name}: block {index} has two records")
        if acked > submitted:
            problems.append(f"{path.name}: block {index}: sequence {acked} acknowledged, but only {submitted} submitted")
        records[index] = (acked, submitted)
    return records, problems


def _allocated(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Block-aligned ranges (start, end) of a file that are not holes."""
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(fd, start, os.SEEK_HOLE)
        start -= start % BLOCK
        end = min(-(-end // BLOCK) * BLOCK, size)
        yield max(start, at), end
        at = end


def _written(disk: Path) -> Iterator[tuple[int, bytes]]:
    """(index, data) of each block of the disk that is not zero."""
    zero = bytes(BLOCK)
    with open(disk, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        for start, end in _allocated(file.fileno(), size - size % BLOCK):
            for at in range(start, end, BATCH * BLOCK):
                data = os.pread(file.fileno(), min(BATCH * BLOCK, end - at), at)
                for n in range(len(data) // BLOCK):
                    block = data[n * BLOCK:(n + 1) * BLOCK]
                    if block != zero:
                        yield at // BLOCK + n, block


def _blocks(disk: Path) -> Iterator[tuple[int, bytes, int]]:
    """The same with the CRC-32C of each block, its CRC field taken as zero."""
    written = _written(disk)
    while batch := list(itertools.islice(written, BATCH)):
        sums = crc32c_each(b"".join(block[:CRC_OFFSET] + bytes(4) + block[CRC_OFFSET + 4:] for _, block in batch), BLOCK)
        for (index, block), crc in zip(batch, sums):
            yield index, block, crc


def check(disk: Path, acked: Path, limit: int = 20) -> Result:
    """Every acknowledged write is there or superseded by a submitted one, and nothing else is."""
    records, problems = read_records(acked)
    result = Result(written=len(records), acknowledged=sum(a > 0 for a, _ in records.values()), problems=problems)
    size = os.stat(disk).st_size // BLOCK
    missing = {index for index, (acknowledged, _) in records.items() if acknowledged}
    owner: dict[int, int] = {}
    for index in records:
        if index >= size:
            result.problems.append(f"block {index}: beyond the end of the disk")
    for index, block, crc in _blocks(disk):
        result.on_disk += 1
        missing.discard(index)
        if index not in records:
            result.problems.append(f"block {index}: data of a write that was never submitted")
            continue
        magic, claimed, sequence, cycle, stored = HEADER.unpack_from(block)
        acknowledged, submitted = records[index]
        if magic != MAGIC:
            result.problems.append(f"block {index}: magic is {magic!r}")
        elif stored != crc:
            result.problems.append(f"block {index}: CRC {stored:#010x}, computed {crc:#010x} (cycle {cycle})")
        elif claimed != index:
            result.problems.append(f"block {index}: holds block {claimed}")
        elif sequence < acknowledged:
            result.problems.append(f"block {index}: holds sequence {sequence}, but {acknowledged} was acknowledged")
        elif sequence > submitted:
            result.problems.append(f"block {index}: holds sequence {sequence}, but only {submitted} was submitted")
        elif owner.setdefault(sequence, index) != index:
            result.problems.append(f"block {index}: sequence {sequence} is also in block {owner[sequence]}")
    for index in sorted(missing):
        result.problems.append(f"block {index}: sequence {records[index][0]} was acknowledged, but the block is empty")
    if len(result.problems) > limit:
        more = len(result.problems) - limit
        result.problems[limit:] = [f"and {more} more"]
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a raw disk against acked.bin.")
    parser.add_argument("disk", type=Path)
    parser.add_argument("acked", type=Path)
    options = parser.parse_args()
    result = check(options.disk, options.acked)
    for problem in result.problems:
        print(problem)
    print(f"{result.written} blocks submitted, {result.acknowledged} acknowledged, {result.on_disk} on the disk, "
          f"{len(result.problems)} problems")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
