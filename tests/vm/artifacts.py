# SPDX-License-Identifier: GPL-2.0-or-later
"""What the build leaves for the VMs. UDRV_BUILD is where; make sets it."""
from __future__ import annotations

import os
from pathlib import Path


class NotBuilt(Exception):
    """Something that a VM needs is not there."""


def build_dir() -> Path:
    return Path(os.environ.get("UDRV_BUILD") or "build").resolve()


def _built(path: Path, target: str) -> Path:
    if not path.is_file():
        raise NotBuilt(f"{path} is not there: run `make {target}`")
    return path


def kernel(flavour: str = "") -> Path:
    directory = f"kernel-{flavour}" if flavour else "kernel"
    return _built(build_dir() / directory / "bzImage", f"kernel KCONFIG={flavour}" if flavour else "kernel")


def image() -> Path:
    return _built(build_dir() / "image" / "initramfs", "image")


def guest_test(name: str) -> Path:
    """A program of tests/vm/guest, to be put into a guest."""
    return _built(build_dir() / "tests" / "guest" / name, "check SUITE=vm")


def host_program(name: str) -> Path:
    """A program for the machine that runs the tests."""
    return _built(build_dir() / "tests" / name, "model")


def debian_kernel() -> Path:
    """The directory of Debian 12's cloud kernel: vmlinuz, modules, release."""
    return _built(build_dir() / "debian-kernel" / "vmlinuz", "check SUITE=model").parent


def systemd() -> Path:
    """A root with Debian's systemd."""
    return _built(build_dir() / "systemd" / "version", "check SUITE=systemd").parent
