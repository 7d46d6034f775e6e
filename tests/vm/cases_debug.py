# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of what only a debug kernel can tell: that its reports are seen."""
from __future__ import annotations

import re

from cases import Context, case, expect
from complaints import on_console
from guest import Guest
from paravisor import BOOT_TIMEOUT, Paravisor

KMEMLEAK = "/sys/kernel/debug/kmemleak"
KMEMLEAK_AGE = 6        # seconds; what is younger than five is not reported
SCAN_TIMEOUT = 300.0    # it reads all memory that the kernel knows of, under KASAN
SLOW_BOOT = 3 * BOOT_TIMEOUT    # each allocation has its stack recorded, for KASAN and for kmemleak
LKDTM = "/sys/kernel/debug/provoke-crash/DIRECT"
MODULE = "kmemleak-test.ko"

# What lkdtm does wrong when told to, and who reports it.
MISTAKES = {"WARNING": r"WARNING: .*lkdtm",
            "READ_AFTER_FREE": r"KASAN: slab-use-after-free in lkdtm_READ_AFTER_FREE",
            "REFCOUNT_INC_OVERFLOW": r"refcount_t: saturated"}


def _leaks(guest: Guest) -> list[str]:
    """Memory of the kernel that nothing points to any more: one text for each object, with where it was allocated."""
    scan = f"echo scan > {KMEMLEAK}"
    guest.check(f"{scan} && sleep {KMEMLEAK_AGE} && {scan}", SCAN_TIMEOUT)
    found = re.split(r"^(?=unreferenced object)", guest.check(f"cat {KMEMLEAK}", SCAN_TIMEOUT), flags=re.MULTILINE)
    return [text.strip() for text in found if text.strip()]


@case("complaints-are-seen", "a kernel's reports reach the runner, and kmemleak finds what is lost: planted mistakes", "kernel")
def complaints_are_seen(context: Context) -> None:
    module = next((context.kernel.parent / "modules").rglob(MODULE), None)
    expect(module, f"there is no {MODULE} beside {context.kernel}")
    assert module
    setup = context.bare_setup(files={MODULE: module})
    setup.cmdline += " kmemleak=on"
    context.complaints_expected = True
    with Paravisor(setup) as paravisor:
        guest = paravisor.guest
        guest.wait_ready(SLOW_BOOT)
        guest.check("mount -t debugfs debugfs /sys/kernel/debug")
        silent = on_console(context.directory)
        for mistake, report in MISTAKES.items():
            guest.run(f"echo {mistake} > {LKDTM}", BOOT_TIMEOUT)
            seen = on_console(context.directory)
            expect(any(re.search(report, line) for line in seen), f"{mistake}: no {report!r} among {seen}")
        before = _leaks(guest)
        guest.check(f"insmod /host/{MODULE}", BOOT_TIMEOUT)
        after = _leaks(guest)
        (context.directory / "kmemleak").write_text("\n\n".join(after) + "\n")
    expect(not silent, "before anything was planted: " + "\n".join(silent))
    expect(not before, "lost before anything was planted:\n" + "\n".join(before))
    expect(any("kmemleak_test" in text for text in after), f"kmemleak found {len(after)} objects, none of {MODULE}'s")
