# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of a kernel's log that a healthy kernel, and healthy hosts on it, never write."""
from __future__ import annotations

import re
from pathlib import Path

# KASAN's reports, and those of a sleep in atomic context, begin with `BUG:`; lockdep's, RCU's and DEBUG_VM's with
# `WARNING:`. A report may begin while another CPU writes, so its other lines count as well.
COMPLAINT = re.compile("|".join((
    r"BUG:", r"WARNING:", r"kernel BUG at", r"Oops", r"Call Trace", r"Kernel panic", r"general protection",
    r"unable to handle", r"KASAN", r"UBSAN", r"ODEBUG:", r"DEBUG_LOCKS_WARN_ON",
    r"possible (circular|recursive|irq)", r"inconsistent lock", r"bad unlock balance", r"INFO: lockdep is turned off",
    r"suspicious RCU usage", r"sleeping function called", r"scheduling while atomic", r"refcount_t:",
    r"list_(add|del) corruption", r"pagealloc: (single bit error|memory corruption)", r"suspected memory leaks",
    r"rcu.*stall", r"hung task", r"blocked for more than", r"soft lockup", r"hard LOCKUP", r"workqueue lockup",
    # A host that ends like that has a successor, so that nothing is lost and nobody notices. (EISDIR: a test's doing.)
    r"udrv-host \S+: event loop: (?!EISDIR)",
)))

# What the kernel says about an allocation that fails because tests/vm/guest/allocations asked for it
PLANTED = re.compile(r"^.*(?:vmalloc error|page allocation failure): .*\n(?:.*\n){0,3}?.*Comm: allocation_fail\b.*\n"
                     r"(?:.*\n){0,3}?.*Call Trace:.*\n", re.MULTILINE)


def complaints(log: str) -> list[str]:
    return [line for line in PLANTED.sub("", log).splitlines() if COMPLAINT.search(line)]


def on_console(directory: Path) -> list[str]:
    """What the kernels of the last machine that ran in a directory said on their console, those that went down included."""
    console = directory / "console.log"
    return complaints(console.read_text(errors="replace")) if console.exists() else []
