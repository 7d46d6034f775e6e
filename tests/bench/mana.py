# SPDX-License-Identifier: GPL-2.0-or-later
"""Our MANA driver against Linux's own: in one guest, each on a device of its own that the same model serves.

`tx`: frames to nobody, as many as go. `rx`: what the model's repeater sends, 64 frames for each that it gets, at most 128 on
their way. `echo`: 128 frames on their way to the model's peer and back, counted when they are received, so that each is one
packet sent and one received. The peer is a packet socket (mana_packet.c).

`scale`: memory and the time of a resume against the number of our driver's queue pairs.
"""
from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import artifacts
import initramfs
from guest import Guest
from mana_model import ManaModel
from measure import OURS, Sample, compare
from nvme import CMDLINE, bind_vfio
from paravisor import BOOT_TIMEOUT
from qemu import VM, Machine, addresses

PROGRAM = "bench_mana"
WHAT = {"tx": 0, "rx": 2, "echo": 1}
CASES = {f"{what}-{size}": f"size={size} what={n}" for what, n in WHAT.items() for size in (64, 1500)}
SCALE = (1, 2, 4, 8, 16)        # queue pairs


def _run(guest: Guest, engine: str, device: str, options: str) -> Sample:
    return Sample(**guest.json(f"/host/{PROGRAM} {engine} {device} {options}", 120))


def _with_gbits(result: dict[str, Any], size: int) -> dict[str, Any]:
    result["gbit_s"] = {name: round(result[name] * size * 8 / 1e9, 3) for name in result["cpu_ns"]}
    return result


def measure(kernel: Path, image: Path, out: Path, accel: str, rounds: int, ms: int,
            tell: Callable[[str, dict[str, Any]], None]) -> dict[str, Any]:
    share = out / "share"
    share.mkdir(parents=True, exist_ok=True)
    shutil.copy(artifacts.guest_test(PROGRAM), share / PROGRAM)
    result: dict[str, Any] = {}
    with ExitStack() as stack:
        models = []
        for name in (OURS, "peer"):
            (out / name).mkdir(exist_ok=True)
            models.append(stack.enter_context(ManaModel(out / name, name=name, options=())))
        devices = [model.device for model in models]
        machine = Machine(out, kernel, initramfs.bare(image, out / "image"), CMDLINE, vfio_user=devices, share=share,
                          accel=accel, trace_events="")
        guest = stack.enter_context(VM(machine)).guest
        guest.wait_ready(BOOT_TIMEOUT)
        bdf = addresses(devices)
        bind_vfio(guest, bdf[OURS])
        interface = guest.check(f"ls /sys/bus/pci/devices/{bdf['peer']}/net").strip()
        guest.check(f"ip link set {interface} up", 60)
        for case, load in CASES.items():
            options = f"{load} ms={ms}"
            result[case] = _with_gbits(compare({
                OURS: partial(_run, guest, "udrv", bdf[OURS], options),
                "packet_socket": partial(_run, guest, "packet", interface, options),
            }, rounds), int(case.partition("-")[2]))
            tell(case, result[case])
        result["scale"] = [guest.json(f"/host/{PROGRAM} scale {bdf[OURS]} queues={n}", 120) for n in SCALE]
    return result
