# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of a next kernel that differs from the one before: in size, in CPUs, in the time that it takes."""
from __future__ import annotations

import os

import initramfs
from cases import Context, case, expect
from live import Live
from paravisor import BOOT_TIMEOUT

PADDING = 24 << 20
DELAY = float(os.environ.get("RETRIEVE_DELAY") or 60)       # seconds

# What late-retrieval is about is time that passes: here it is.
SLOW_INIT = """#!/bin/busybox sh
/bin/busybox sleep {delay:.0f}
exec /init
"""


@case("next-kernel-differs", "next kernels with a larger and a smaller image, one CPU instead of two, and two again: all I/O goes on")
def next_kernel_differs(context: Context) -> None:
    large = initramfs.extended(context.image, context.directory / "large-image", {"padding": (0o100644, os.urandom(PADDING))})
    with Live(context, queues=4, files={"large": large}) as live:
        line = live.setup.command_line()
        queues = {}
        for what, image, cmdline, cpus in (("larger", "large", "", 2), ("smaller", "image", "", 2),
                                           ("one CPU", "image", line + " maxcpus=1", 1), ("two CPUs", "image", line, 2)):
            live.update(image=image, options=f"--cmdline '{cmdline}'" if cmdline else "")
            live.running("nvme0", "resumed")
            found = int(live.guest.check("grep -c ^processor /proc/cpuinfo"))
            expect(found == cpus, f"{what}: {found} CPUs")
            before = [queue["completed"] for queue in live.device("nvme0")["nvme"]["queues"]]
            live.io_goes_on(writes=100)
            after = [queue["completed"] for queue in live.device("nvme0")["nvme"]["queues"]]
            queues[what] = [b - a for a, b in zip(before, after)][1:]
            expect(all(queues[what]), f"{what}: completions per queue: {queues[what]}")


@case("late-retrieval", f"{DELAY:.0f} s between the next kernel's start and the retrieval: nothing times out, nothing is lost")
def late_retrieval(context: Context) -> None:
    # The first program of the next kernel is one that waits, then becomes udrv-init.
    delayed = SLOW_INIT.format(delay=DELAY)
    image = initramfs.extended(context.image, context.directory / "slow-image", {"slow-init": (0o100755, delayed.encode())})
    with Live(context, slow=True, nvme="queues=2,depth=64,timeout_ms=5000", files={"slow": image}) as live:
        line = live.setup.command_line() + " rdinit=/slow-init"
        live.update(image="slow", options=f"--cmdline '{line}'", timeout=BOOT_TIMEOUT + DELAY)
        device = live.running("nvme0", "resumed")
        report = live.paravisor.update_report()
        total = report["blackout_ms"]["total"] / 1000
        expect(total >= DELAY, f"the blackout lasted {total:.0f} s only")
        expect(not device["nvme"]["resets"], "the controller was reset")
        expect(not sum(queue["timeouts"] for queue in device["nvme"]["queues"]), "commands timed out")
        live.io_goes_on()
