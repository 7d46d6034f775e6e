# SPDX-License-Identifier: GPL-2.0-or-later
"""An image with an /init of the test's own: the kernel unpacks several cpio archives one after the other."""
from __future__ import annotations

from pathlib import Path

ALIGN = 4

# A shell on ttyS1, as udrv-init gives it, and nothing else: no agent, so /dev/liveupdate and the devices are free.
_INIT = """#!/bin/busybox sh
export PATH=/bin:/sbin
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
{share}/bin/busybox --install -s /bin
exec <>/dev/ttyS1 >&0 2>&1
stty -echo
echo udrv-shell: ready
PS1= exec sh
"""
BARE_INIT = _INIT.format(share="busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 host /host\n")
NO_SHARE_INIT = _INIT.format(share="")


def _member(name: str, mode: int, data: bytes) -> bytes:
    """One member in the `newc` format."""
    encoded = name.encode() + b"\0"
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0]
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + encoded
    return head + bytes(-len(head) % ALIGN) + data + bytes(-len(data) % ALIGN)


def cpio(files: dict[str, tuple[int, bytes]]) -> bytes:
    """An archive of {name: (mode with its type bits, contents)}."""
    out = b"".join(_member(name, mode, data) for name, (mode, data) in files.items())
    return out + _member("TRAILER!!!", 0, b"")


def extended(image: Path, out: Path, files: dict[str, tuple[int, bytes]]) -> Path:
    """The image with more files. Directories that it has not, come before what is in them."""
    base = image.read_bytes()
    out.write_bytes(base + bytes(-len(base) % ALIGN) + cpio(files))
    return out


def bare(image: Path, out: Path) -> Path:
    """The image with a bare init in front of udrv-init: boot it with `rdinit=/bare-init`."""
    return extended(image, out, {"bare-init": (0o100755, BARE_INIT.encode())})


def with_init(image: Path, program: Path, out: Path) -> Path:
    """The image with another build of udrv: all its names are links of /init, which the second archive overwrites."""
    return extended(image, out, {"init": (0o100755, program.read_bytes())})
