# SPDX-License-Identifier: GPL-2.0-or-later
"""A paravisor in a VM: boot it, ask it, update it by kexec. Shared by the demo, the tests and the measurements."""
from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import qemu
from complaints import complaints
from pciconf import ConfigReader, difference, layout, short_bdf
from qemu import VM, Controller, Machine, VfioUser
from stream import Timeout
from witness import Kept

BOOT_TIMEOUT = 120.0        # seconds, for a slow machine under TCG; a boot takes a few
REFRESH = 0.3               # seconds between two looks at what goes on
# no_timer_check: under TCG on a busy machine the kernel's test of the timer's interrupt fails, and may even panic.
BASE_CMDLINE = ("console=ttyS0 quiet kho=on liveupdate=on vfio.enable_unsafe_noiommu_mode=1 "
                "transparent_hugepage=never no_timer_check udrv.shell=ttyS1 udrv.share=host")
# KASAN takes an eighth of the memory at the very beginning of a boot, out of KHO's scratch area after a kexec, and
# KHO's own guess of how large that must be is more than there is. loglevel=5: `quiet` keeps warnings from the console.
# page_poison: what is written to a free page, by a device for one, is reported when the page is allocated again.
DEBUG_MEMORY = "2G"
KASAN_PATIENCE = 5.0        # how much longer a kernel with all its debugging may take, also beside another one
DEBUG_CMDLINE = "kho_scratch=16M,512M,256M loglevel=5 page_poison=1"
# Until alternatives are patched, the kernel looks into boot_cpu_data for whether there are five levels of page tables.
# identify_cpu() clears that for a moment, with interrupts on: KASAN's checks in an interrupt then compute with another
# start of its shadow, and report a wild access. A CPU without the feature always gives the same answer.
DEBUG_CPU = "max,la57=off"


class UpdateFailed(Exception):
    """The update command returned, so there was no kexec."""


def has_kasan(kernel: Path) -> bool:
    """By the configuration beside the kernel; a kernel from elsewhere is taken for an ordinary one."""
    config = kernel.with_name("config")
    return config.exists() and "CONFIG_KASAN=y\n" in config.read_text()


@dataclass
class Setup:
    """What the guest is booted with."""
    kernel: Path
    image: Path
    directory: Path
    controllers: list[Controller] = field(default_factory=list)
    devices: str = ""               # udrv.devices=, "" for the default
    nvme: str = ""                  # udrv.nvme=
    verify: str = ""                # udrv.verify=
    cmdline: str = ""               # appended
    accel: str = "tcg"
    memory: str = ""                # "" for what the kernel needs
    vfio_user: list[VfioUser] = field(default_factory=list) # they come after the controllers
    files: dict[str, Path] = field(default_factory=dict)    # more for the share, by name
    resident: bool = False          # a measurement: see qemu.Machine
    extra: list[str] = field(default_factory=list)          # more arguments of QEMU

    def command_line(self) -> str:
        words = [BASE_CMDLINE] + ([DEBUG_CMDLINE] if has_kasan(self.kernel) else [])
        for name in ("devices", "nvme", "verify"):
            value = getattr(self, name)
            if value:
                words.append(f"udrv.{name}={value}")
        return " ".join(words + ([self.cmdline] if self.cmdline else []))


class Paravisor:
    """A context manager: the VM is up inside, and ended on the way out."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.share = setup.directory / "share"
        shutil.rmtree(self.share, ignore_errors=True)
        self.share.mkdir(parents=True)
        for name, source in {"bzImage": setup.kernel, "image": setup.image, **setup.files}.items():
            shutil.copyfile(source, self.share / name)
            digest = Path(f"{source}.sha256")
            if digest.exists():
                shutil.copyfile(digest, self.share / f"{name}.sha256")
        debug = has_kasan(setup.kernel)
        memory = setup.memory or (DEBUG_MEMORY if debug else "1G")
        self.vm = VM(Machine(setup.directory, setup.kernel, setup.image, setup.command_line(), setup.controllers,
                             setup.vfio_user, self.share, memory=memory, accel=setup.accel,
                             cpu=DEBUG_CPU if debug else "max", resident=setup.resident, extra=setup.extra))
        self.guest = self.vm.guest
        self.deadline = ""     # an option of `udrvctl update`, for kernels that take their time
        if debug:
            self.guest.patience = KASAN_PATIENCE
            self.deadline = f"--deadline {60 * KASAN_PATIENCE:.0f}"
        self.config = ConfigReader(self.vm.qmp)

    def __enter__(self) -> Paravisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.vm.stop()

    def wait_up(self, timeout: float = BOOT_TIMEOUT) -> float:
        """Wait for a kernel's shell, then for its devices; the host time of the shell."""
        when = self.guest.wait_ready(timeout)
        self.guest.check(f"udrvctl wait --timeout {timeout:.0f}", timeout + 5)
        return when

    def status(self) -> dict[str, Any]:
        return self.guest.json("udrvctl status -o json")

    def device(self, name: str) -> dict[str, Any]:
        for device in self.status()["devices"]:
            if device["name"] == name:
                return device
        raise KeyError(f"udrvctl status does not list {name}")

    def verify_status(self, name: str = "") -> dict[str, Any]:
        return self.guest.json(f"udrvctl verify status {name} -o json")

    def verify_stop(self, name: str = "", acked: str = "acked.bin") -> tuple[dict[str, Any], Path]:
        """Drain, read back and verify everything; (the final counters, acked.bin on the host)."""
        result = self.guest.json(f"udrvctl verify stop {name} --acked /host/{acked} -o json", 300)
        return result, self.share / acked

    def update(self, timeout: float = BOOT_TIMEOUT, kernel: str = "bzImage", image: str = "image", options: str = "",
               progress: Callable[[str], None] = lambda line: None, tick: Callable[[], None] = lambda: None) -> float:
        """Update by kexec; returns the host time at which the next kernel's shell came up.

        `progress` gets the lines that the update prints; `tick` is called every now and then while it lasts.
        """
        start = self.guest.send(f"udrvctl update --kernel /host/{kernel} --image /host/{image} {self.deadline} {options} "
                                "2>&1; printf '%s%s %d\\n' udrv- update-returned $?")
        at = start
        deadline = time.monotonic() + timeout * self.guest.patience
        while True:
            try:
                at, match = self.vm.shell.wait(r"udrv-update-returned (\d+)|udrv-shell: ready|^(update: .*)", REFRESH, at)
            except Timeout:
                if time.monotonic() > deadline:
                    where = self._where_it_is()
                    raise Timeout(f"no next kernel within {timeout * self.guest.patience:.0f} s, see {where}") from None
                tick()
                continue
            if match[1] is not None:
                said = [line.text for line in self.vm.shell.lines(start, at)]
                raise UpdateFailed(f"exit status {match[1]}: " + " / ".join(said))
            if match[2] is None:
                break
            progress(match[2])
            at += 1
        return self.wait_up(timeout)

    def _where_it_is(self) -> Path:
        """The processors' registers and what they are about to execute, of a guest that says nothing."""
        path = self.setup.directory / "processors"
        ask = ("info cpus", "info registers -a", "x /30i $eip", "x /64gx $esp", "info irq", "info lapic", "info pic")
        path.write_text("".join(f"{line}\n{self.vm.qmp.monitor(line)}\n" for line in ask))
        return path

    def complaints(self) -> list[str]:
        """What this kernel has complained about so far: lines of its log that a healthy one never has."""
        return complaints(self.guest.check("dmesg"))

    def update_report(self) -> dict[str, Any]:
        return self.guest.json("udrvctl update --report -o json")

    def kept(self, name: str, bdf: str, nvme: bool = True) -> Kept:
        """What the witness needs to know of a device."""
        bridges = self.config.bridges(bdf)
        layouts = {short_bdf(f): layout(self.config.config(f)) for f in (bdf, *bridges)}
        return Kept(name, short_bdf(bdf), tuple(bridges), {f: lay.status for f, lay in layouts.items()},
                    {f: lay.msix_control for f, lay in layouts.items() if lay.msix_control is not None}, nvme)

    def snapshot(self, kept: Kept) -> dict[str, bytes]:
        """Configuration space of a device and its bridges."""
        return {bdf: self.config.config(bdf) for bdf in sorted(kept.path)}

    def end(self) -> None:
        """End QEMU at once, so that the guest's way down is not in the trace."""
        self.vm.qmp.execute("quit")
        self.vm.wait_exit(120)      # it flushes the disk first


def bare_kexec(setup: Setup) -> float:
    """Milliseconds from reboot() to /init of the next kernel when nothing is preserved; the setup has no device."""
    with Paravisor(setup) as paravisor:
        paravisor.wait_up()
        paravisor.update()
        update = paravisor.update_report()
    return (update["tsc_init"] - update["tsc_reboot"]) / update["tsc_khz"]


def compare(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    return [text for bdf in before for text in difference(bdf, before[bdf], after[bdf])]


def accel(kernel: Path) -> str:
    return qemu.accelerator(qemu.find(), kernel)


__all__ = ["BOOT_TIMEOUT", "REFRESH", "Paravisor", "Setup", "Timeout", "UpdateFailed", "accel", "bare_kexec", "compare"]
