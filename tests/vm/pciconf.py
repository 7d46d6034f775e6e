# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI configuration space as QEMU has it: read from outside, compared, and its layout for the witness."""
from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from qmp import QMP

CONFIG_SIZE = 4096

PCI_STATUS = 0x06
PCI_CAPABILITY_LIST = 0x34
PCI_SEC_STATUS = 0x1E
CAP_MSI = 0x05
CAP_EXP = 0x10
CAP_MSIX = 0x11
EXT_CAP_ERR = 0x0001


class ConfigError(Exception):
    """Configuration space cannot be read or makes no sense."""


def split_bdf(bdf: str) -> tuple[int, int, int]:
    """"0000:01:00.0" or "01:00.0" as (bus, device, function)."""
    match = re.fullmatch(r"(?:0000:)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", bdf.lower())
    if not match:
        raise ConfigError(f"not the address of a PCI function: {bdf!r}")
    return int(match[1], 16), int(match[2], 16), int(match[3])


def short_bdf(bdf: str) -> str:
    """The form QEMU's trace uses: "01:00.0"."""
    return "%02x:%02x.%x" % split_bdf(bdf)


@dataclass
class Layout:
    """Where a function has what the witness must know."""
    msix_control: int | None = None
    status: frozenset[int] = field(default_factory=frozenset)   # write-one-to-clear registers
    bridge: bool = False
    secondary: int = 0
    subordinate: int = 0


def capabilities(config: bytes) -> dict[int, int]:
    """Offset of each capability, by its ID. A loop in the list is an error, not a hang."""
    found: dict[int, int] = {}
    if not struct.unpack_from("<H", config, PCI_STATUS)[0] & 0x10:
        return found
    at = config[PCI_CAPABILITY_LIST] & 0xFC
    for _ in range(48):
        if at < 0x40:
            return found
        found.setdefault(config[at], at)
        at = config[at + 1] & 0xFC
    raise ConfigError("the capability list has a loop")


def extended_capabilities(config: bytes) -> dict[int, int]:
    found: dict[int, int] = {}
    at = 0x100
    for _ in range(960):
        header = struct.unpack_from("<I", config, at)[0]
        if header in (0, 0xFFFFFFFF):
            return found
        found.setdefault(header & 0xFFFF, at)
        at = header >> 20 & 0xFFC
        if at < 0x100:
            return found
    raise ConfigError("the extended capability list has a loop")


def layout(config: bytes) -> Layout:
    caps = capabilities(config)
    status = {PCI_STATUS}
    bridge = config[0x0E] & 0x7F == 1
    if bridge:
        status.add(PCI_SEC_STATUS)
    if CAP_EXP in caps:
        # Device, Link, Slot and Root Status, Device and Link Status 2
        status.update(caps[CAP_EXP] + n for n in (0x0A, 0x12, 0x1A, 0x20, 0x2A, 0x32))
    aer = extended_capabilities(config).get(EXT_CAP_ERR) if len(config) >= CONFIG_SIZE else None
    if aer is not None:
        status.update(aer + n for n in (0x04, 0x10, 0x30))
    msix = caps.get(CAP_MSIX)
    return Layout(msix + 2 if msix is not None else None, frozenset(status), bridge,
                  config[0x19] if bridge else 0, config[0x1A] if bridge else 0)


class ConfigReader:
    """Reads configuration space through the monitor, so that the guest has no part in it."""

    def __init__(self, qmp: QMP) -> None:
        self._qmp = qmp
        self._base: int | None = None

    def _mmconfig(self) -> int:
        if self._base is None:
            match = re.search(r"^\s*([0-9a-f]{16})-[0-9a-f]{16} .*pcie-mmcfg", self._qmp.monitor("info mtree -f"),
                              re.MULTILINE)
            if not match:
                raise ConfigError("the firmware has not enabled MMCONFIG")
            self._base = int(match[1], 16)
        return self._base

    def memory(self, address: int, words: int) -> bytes:
        """`words` 32-bit words of guest physical memory."""
        out = bytearray()
        for line in self._qmp.monitor(f"xp /{words}xw {address:#x}").splitlines():
            _, _, values = line.partition(":")
            for value in values.split():
                out += struct.pack("<I", int(value, 16))
        if len(out) != words * 4:
            raise ConfigError(f"the monitor gave {len(out)} of {words * 4} bytes at {address:#x}")
        return bytes(out)

    def config(self, bdf: str) -> bytes:
        bus, device, function = split_bdf(bdf)
        data = self.memory(self._mmconfig() + (bus << 20 | device << 15 | function << 12), CONFIG_SIZE // 4)
        if data[:4] == b"\xff\xff\xff\xff":
            raise ConfigError(f"there is no function at {bdf}")
        return data

    def bridges(self, bdf: str) -> list[str]:
        """The bridges above a function, the outermost first. (The bridges of q35's bus 0 only lead downwards.)"""
        bus = split_bdf(bdf)[0]
        path: list[str] = []
        at = 0
        while bus != at:
            for device in range(32):
                try:
                    lay = layout(self.config(f"{at:02x}:{device:02x}.0"))
                except ConfigError:
                    continue
                if lay.bridge and lay.secondary and lay.secondary <= bus <= lay.subordinate:
                    path.append(f"{at:02x}:{device:02x}.0")
                    at = lay.secondary
                    break
            else:
                raise ConfigError(f"no bridge leads to {bdf}")
        return path

    def msix_table(self, bdf: str) -> list[tuple[int, int, int]]:
        """(address, data, vector control) of each entry of the MSI-X table."""
        config = self.config(bdf)
        cap = capabilities(config).get(CAP_MSIX)
        if cap is None:
            return []
        control, table = struct.unpack_from("<HI", config, cap + 2)
        bar = 0x10 + 4 * (table & 7)
        base = struct.unpack_from("<I", config, bar)[0]
        address = base & ~0xF
        if base & 6 == 4:
            address |= struct.unpack_from("<I", config, bar + 4)[0] << 32
        count = (control & 0x7FF) + 1
        raw = self.memory(address + (table & ~7), count * 4)
        return [struct.unpack_from("<QII", raw, 16 * n) for n in range(count)]


def difference(bdf: str, before: bytes, after: bytes) -> list[str]:
    """One text for each 32-bit register that differs."""
    return [f"{bdf} @{at:#05x}: {struct.unpack_from('<I', before, at)[0]:#010x} -> "
            f"{struct.unpack_from('<I', after, at)[0]:#010x}"
            for at in range(0, min(len(before), len(after)), 4) if before[at:at + 4] != after[at:at + 4]]
