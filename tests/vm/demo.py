# SPDX-License-Identifier: GPL-2.0-or-later
"""`make demo`: verified NVMe I/O and network traffic through several kexec updates, a live timeline, and a verdict."""
from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

import artifacts
import report
from experiment import Experiment, Narrator, Plan
from paravisor import Setup, accel, bare_kexec
from qemu import NoQemu

OUTPUTS = ("report.json", "acked.bin", "timeline.svg", "qemu-trace.log", "console.log")


class Terminal(Narrator):
    """A stamped line for each thing that happened, and one that is redrawn while something goes on."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._live = sys.stdout.isatty()
        self._drawn = False

    def _stamp(self, text: str) -> str:
        return f"[{time.monotonic() - self._start:7.2f} s] {text}"

    def line(self, text: str) -> None:
        if self._drawn:
            sys.stdout.write("\r\x1b[K")
            self._drawn = False
        print(self._stamp(text), flush=True)

    def progress(self, done: float, text: str) -> None:
        if not self._live:
            return
        filled = int(24 * min(max(done, 0.0), 1.0))
        text = self._stamp(f"[{'#' * filled}{'.' * (24 - filled)}] {text}")
        sys.stdout.write("\r\x1b[K" + text[:shutil.get_terminal_size().columns - 1])
        sys.stdout.flush()
        self._drawn = True


def run(kernel: Path, image: Path, out: Path, cycles: int, disk: Path, blackout: float | None, nic: bool) -> int:
    terminal = Terminal()
    out.mkdir(parents=True, exist_ok=True)
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)
    accelerator = accel(kernel)
    try:
        blackout = blackout or bare_kexec(Setup(kernel, image, out / "measure", devices="none", accel=accelerator,
                                                    resident=True)) / 1000
    except Exception as e:      # whatever it was, there must be a report that says so
        counted = report.Counted(cycles, accelerator, failures=[f"measuring the blackout: {type(e).__name__}: {e}"])
    else:
        terminal.line(f"a kexec of this kernel takes {blackout:.2f} s here ({accelerator})")
        plan = Plan(kernel, image, out, accelerator, blackout, cycles, writes=report.WRITES * min(cycles, 3) // 3,
                    disks=[disk], nic=nic, resident=True)
        counted = Experiment(plan, terminal).run()
    result = report.build(counted)
    (out / "report.json").write_text(json.dumps(result, indent=1) + "\n")
    for failure in result["failures"]:
        print(f"  - {failure}")
    print(f"report.json, timeline.svg and logs are in {out}")
    print(f"verdict: {result['verdict']}")
    return 0 if result["verdict"] == "pass" else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", type=Path, help="instead of the one of `make kernel`")
    parser.add_argument("--image", type=Path, help="instead of the one of `make image`")
    parser.add_argument("--out", type=Path, help="instead of demo/ in the build directory")
    parser.add_argument("--blackout", type=float, metavar="SECONDS", help="how long one takes, instead of measuring it")
    parser.add_argument("--nic", action=argparse.BooleanOptionalAction, default=True,
                        help="a NIC under the verifying UDP stream beside the controller")
    options = parser.parse_args()
    try:
        cycles = int(os.environ.get("CYCLES") or 3)
        if cycles < 1:
            raise ValueError(f"CYCLES={cycles}: must be at least 1")
        out = (options.out or artifacts.build_dir() / "demo").resolve()
        return run((options.kernel or artifacts.kernel()).resolve(), (options.image or artifacts.image()).resolve(), out,
                   cycles, Path(os.environ.get("DISK") or out / "disk.raw").resolve(), options.blackout, options.nic)
    except (artifacts.NotBuilt, NoQemu, ValueError, OSError) as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
