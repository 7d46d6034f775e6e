# SPDX-License-Identifier: GPL-2.0-or-later
"""The Test Anything Protocol, as the guests' programs speak it."""
from __future__ import annotations

import re


def tap_problems(text: str, half: str) -> list[str]:
    """What is not ok; as many lines must be ok as the plan says."""
    bad = [line for line in text.splitlines() if line.startswith(("not ok", "Bail out"))]
    good = len(re.findall(r"^ok\b", text, re.MULTILINE))
    plan = re.search(r"^1\.\.(\d+)", text, re.MULTILINE)
    if not bad and not (plan and int(plan[1]) == good > 0):
        bad.append(f"it ended early, after {good} checks")
    return [f"{half} the kexec: {line}" for line in bad]
