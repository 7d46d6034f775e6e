# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands that a program of the tests gets on its standard input, a line each, beside whatever else it waits for."""
from __future__ import annotations

import os
import sys
from collections.abc import Callable


class Commands:
    """To be read when standard input is readable: complete lines are commands, the rest waits for its end."""

    def __init__(self, run: Callable[[str], None]) -> None:
        self._run = run
        self._input = b""

    def read(self) -> bool:
        """False at the end of the input."""
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            return False
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            self._run(line.decode())
        return True
