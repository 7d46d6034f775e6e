# SPDX-License-Identifier: GPL-2.0-or-later
"""Our NVMe driver against Linux's own: in one guest, each on a controller of its own of the same model.

Behind both is null-co, so that what is compared is drivers and the way to them, and not disks. The peer goes by io_uring:
as reads and writes of the block device (`io_uring`), and as NVMe commands past the block layer (`io_uring_cmd`). Controllers
have doorbells as hardware has them; `io_uring_shadow` is the peer on one that offers shadow doorbells in memory (Doorbell
Buffer Config), as emulated ones do: Linux uses them, and saves the way out of the guest.
"""
from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import artifacts
import initramfs
from guest import Guest
from measure import OURS, Sample, compare
from paravisor import BOOT_TIMEOUT
from qemu import VM, Controller, Machine, Namespace, addresses

CPUS = 4
CMDLINE = ("console=ttyS0 quiet no_timer_check panic=-1 rdinit=/bare-init vfio.enable_unsafe_noiommu_mode=1 "
           "transparent_hugepage_shmem=within_size")
PROGRAM = "bench_nvme"
SIZE = 1 << 30


@dataclass(frozen=True)
class Load:
    name: str
    qd: int
    bs: int = 4096
    queues: int = 1
    write: bool = False
    seq: bool = False
    modes: tuple[str, ...] = ("poll", "irq")

    def options(self, mode: str) -> str:
        return (f"bs={self.bs} qd={self.qd} queues={self.queues} write={int(self.write)} seq={int(self.seq)} "
                f"poll={int(mode == 'poll')}")


LOADS = [
    Load("randread-4k-qd1", 1),
    Load("randread-4k-qd32", 32),
    Load("randread-4k-qd128", 128),
    Load("randread-4k-qd1-4q", 1, queues=CPUS, modes=("poll",)),
    Load("randread-4k-qd32-4q", 32, queues=CPUS, modes=("poll",)),
    Load("seqread-128k-qd8", 8, bs=128 << 10, seq=True),
    Load("randwrite-4k-qd32", 32, write=True),
]


def bind_vfio(guest: Guest, bdf: str) -> None:
    """Give a function to vfio-pci, whoever has it."""
    device = f"/sys/bus/pci/devices/{bdf}"
    guest.check(f"echo vfio-pci > {device}/driver_override && "
                f"{{ [ ! -e {device}/driver ] || echo {bdf} > {device}/driver/unbind; }} && "
                f"echo {bdf} > /sys/bus/pci/drivers_probe && [ -e {device}/vfio-dev ]", 60)


def _run(guest: Guest, engine: str, device: str, options: str) -> Sample:
    return Sample(**guest.json(f"/host/{PROGRAM} {engine} {device} {options}", 60))


def measure(kernel: Path, image: Path, out: Path, accel: str, rounds: int, ms: int,
            tell: Callable[[str, dict[str, Any]], None]) -> dict[str, Any]:
    share = out / "share"
    share.mkdir(parents=True, exist_ok=True)
    shutil.copy(artifacts.guest_test(PROGRAM), share / PROGRAM)
    # One queue pair for each CPU, for interrupts and once more for polling.
    controllers = [Controller(name, [Namespace(size=SIZE)], queues=2 * CPUS, properties={"dbcs": shadow})
                   for name, shadow in ((OURS, "off"), ("peer", "off"), ("shadow", "on"))]
    machine = Machine(out, kernel, initramfs.bare(image, out / "image"),
                      f"{CMDLINE} nvme.poll_queues={CPUS}", controllers, share=share, cpus=CPUS, accel=accel, trace_events="")
    result: dict[str, Any] = {}
    with VM(machine) as vm:
        guest = vm.guest
        guest.wait_ready(BOOT_TIMEOUT)
        bdf = addresses(controllers)
        bind_vfio(guest, bdf[OURS])
        disk, shadow = (guest.check(f"cd /sys/bus/pci/devices/{bdf[name]}/nvme/nvme* && ls -d nvme*n1").strip()
                        for name in ("peer", "shadow"))
        for load in LOADS:
            for mode in load.modes:
                options = f"{load.options(mode)} ms={ms}"
                case = f"{load.name}-{mode}"
                result[case] = compare({
                    OURS: partial(_run, guest, "udrv", bdf[OURS], options),
                    "io_uring": partial(_run, guest, "uring", f"/dev/{disk}", options),
                    "io_uring_shadow": partial(_run, guest, "uring", f"/dev/{shadow}", options),
                    "io_uring_cmd": partial(_run, guest, "uring-cmd", f"/dev/{disk.replace('nvme', 'ng')}", options),
                }, rounds)
                tell(case, result[case])
    return result
