# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of all VM tests in README.md: `scenarios.py` prints it, `scenarios.py --write` puts it there."""
from __future__ import annotations

import sys
from pathlib import Path

import cases
import run  # noqa: F401  (every module of tests adds to cases.ALL)

README = Path(__file__).with_name("README.md")
BEGIN = "<!-- scenarios: written by scenarios.py -->\n"
END = "<!-- end of scenarios -->\n"


def table() -> str:
    rows = [f"| `{test.name}` | {', '.join(test.suites)} | {test.what} |\n" for test in cases.ALL]
    return "| test | suites | shows |\n|---|---|---|\n" + "".join(rows)


def updated(text: str) -> str:
    """README.md with the present list."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError("README.md has no place for the list of scenarios")
    return head + begin + "\n" + table() + "\n" + end + tail


def main() -> int:
    if sys.argv[1:] == ["--write"]:
        README.write_text(updated(README.read_text()))
    else:
        print(table(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
