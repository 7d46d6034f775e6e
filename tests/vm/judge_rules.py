# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of Linux's mana driver on the model must not show. Each function returns what is wrong."""
from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from complaints import COMPLAINT

MARK = "nic-test:"      # our own lines in the kernel's log
WARNING = 4             # of the kernel's levels; what is more severe has a lower number
# Warnings about time: of a machine that is slow or busy, not of what runs on it.
ABOUT_TIME = re.compile(r"hrtimer: interrupt took|clocksource: (timekeeping )?watchdog|perf: interrupt took too long")
# Reports of the kernel's debugging about the driver itself, whatever device it drives: where it warns, who called, why.
KNOWN_FLAWS = (
    # 7.3: mana_remove() takes the queues of a port down under the RTNL lock, but without the net_device's own.
    (re.compile(r"WARNING: .*netdev_lock\.h:\d+ at (napi_disable_locked|__netif_napi_del_locked)\+"),
     re.compile(r"\bmana_detach\+.*\n(.*\n)*.*\bmana_remove\+")),
)
MUST_COUNT = ("tx", "rx", "tx_lso", "queues_created")
MUST_NOT_COUNT = ("strict_violations", "tx_errors", "rx_errors", "rx_truncated", "hwc_errors", "hwc_unanswered")


def _reports(lines: Iterable[tuple[int, str]]) -> Iterable[list[tuple[int, str]]]:
    """The log in pieces: a report from `cut here` to `end trace` is one, any other line is one."""
    report: list[tuple[int, str]] = []
    for line in lines:
        if "[ cut here ]" in line[1]:
            yield report
            report = [line]
        elif report and "[ end trace" not in line[1]:
            report.append(line)
        else:
            yield [*report, line]
            report = []
    yield report


def without_known_flaws(lines: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """The log without the reports of KNOWN_FLAWS. A report that another line broke into stays."""
    left: list[tuple[int, str]] = []
    for report in _reports(lines):
        text = "\n".join(text for _, text in report)
        if not any(where.search(text) and by.search(text) and text.count("WARNING:") == 1 for where, by in KNOWN_FLAWS):
            left += report
    return left


def kernel_log(lines: Iterable[tuple[int, str]], bdf: str) -> list[str]:
    """(level, text) of each line. Nothing of the kernel's complaints; of the device, and from our mark on of anything,
    nothing that is a warning."""
    problems = []
    started = False
    for level, text in without_known_flaws(lines):
        started |= MARK in text
        about = started or "mana" in text or bdf in text
        warning = level <= WARNING and about and not ABOUT_TIME.search(text) and MARK not in text
        if warning or COMPLAINT.search(text):
            problems.append(f"kernel log: {text.strip()}")
    return problems if started else [*problems, "kernel log: it does not reach back to the start of the test"]


def statistics(found: dict[str, int]) -> list[str]:
    """The driver's own account (ethtool -S) after traffic: offloads were used, every queue had its part, none complained."""
    problems = []
    for name in ("tso_packets", "csum_partial"):
        counts = [value for key, value in found.items() if key.endswith(name)]
        if not sum(counts):
            problems.append(f"ethtool -S: {name} is {'0' if counts else 'not there'}")
    queues = [name for name in found if re.fullmatch(r"rx_\d+_packets", name)]
    idle = [name for name in queues if not found[name]]
    if not queues or idle:
        problems.append(f"ethtool -S: {', '.join(idle) or 'no receive queue at all'}: received nothing")
    for name, value in found.items():
        # What the hardware counts (hc_*) has the frames that came before the interface was up.
        if value and not name.startswith("hc_") and any(w in name for w in ("_err", "inval", "drop", "wake_fail")):
            problems.append(f"ethtool -S: {name} is {value}")
    return problems


def model(counts: dict[str, Any], probes: int, resets: int) -> list[str]:
    """The model's counters at its end. `resets`: before the first probe."""
    problems = [f"model: {name} is {counts[name]}" + (f", the first: {counts['first_violation']}" if "strict" in name else "")
                for name in MUST_NOT_COUNT if counts[name]]
    problems += [f"model: {name} is 0" for name in MUST_COUNT if not counts[name]]
    if counts["hwc_established"] != probes:
        problems.append(f"model: {counts['hwc_established']} HWC establishments in {probes} probes")
    if counts["resets"] != resets:
        problems.append(f"model: {counts['resets']} resets, {resets} of them before the first probe")
    left = {name: value for name, value in counts["live"].items() if value}
    if left:
        problems.append(f"model: the driver has gone and left {', '.join(f'{v} {k}' for k, v in left.items())}")
    return problems
