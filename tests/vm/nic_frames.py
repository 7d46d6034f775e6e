# SPDX-License-Identifier: GPL-2.0-or-later
"""The frames of the verifying UDP stream: what the host sends to the NIC, and what must come back.

UDP payload, little endian: 0 magic "UDRVNIC1", 8 u64 sequence number (from 0 on, never used twice), 16 u32 cycle (kexecs
that the sender knows of), 20 u32 0 in a request, in an echo 1 + the cycle in which it was received, 24 u32 CRC-32C of the
payload with this field zero, 28 u32 0, then bytes that depend on the sequence number. The echo is the request but for the
echo field and the CRC.
"""
from __future__ import annotations

import struct

PORT = 7777
SOURCE_PORT = 40000         # of the first flow
MAGIC = b"UDRVNIC1"
HEADER = struct.Struct("<8sQIIII")
LONGEST = 1472              # what fits into an Ethernet frame


def _table() -> list[int]:
    entries = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        entries.append(n)
    return entries


_TABLE = _table()
_PATTERN = bytes((n * n * 31 + n * 7 + 13 >> 2) & 0xFF for n in range(LONGEST + 256))


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def length(sequence: int) -> int:
    """Of the payload: short ones of all sizes, and now and then the longest."""
    return LONGEST if sequence % 16 == 15 else HEADER.size + sequence % 16 * 8


def _fill(sequence: int) -> bytes:
    start = sequence % 256
    return _PATTERN[start:start + length(sequence) - HEADER.size]


def _frame(sequence: int, cycle: int, echo: int) -> bytes:
    fill = _fill(sequence)
    crc = crc32c(HEADER.pack(MAGIC, sequence, cycle, echo, 0, 0) + fill)
    return HEADER.pack(MAGIC, sequence, cycle, echo, crc, 0) + fill


def request(sequence: int, cycle: int) -> bytes:
    return _frame(sequence, cycle, 0)


def echo(data: bytes, cycle: int) -> bytes:
    """What a consumer in that cycle makes of a request."""
    _, sequence, sent, _, _, _ = HEADER.unpack_from(data)
    return _frame(sequence, sent, 1 + cycle)


def read_echo(data: bytes) -> tuple[int, int, int] | None:
    """(sequence, cycle when it was sent, cycle when it was received), or None for what is no whole echo."""
    if len(data) < HEADER.size:
        return None
    magic, sequence, cycle, echoed, _, _ = HEADER.unpack_from(data)
    if magic != MAGIC or not echoed or data != _frame(sequence, cycle, echoed):
        return None
    return sequence, cycle, echoed - 1
