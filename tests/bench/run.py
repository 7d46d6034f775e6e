# SPDX-License-Identifier: GPL-2.0-or-later
"""`make bench`: our drivers beside their peers, each ratio out of one run. Writes build/bench/report.json and plots."""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "vm")]

import artifacts  # noqa: E402
import blackout  # noqa: E402
import mana  # noqa: E402
import nvme  # noqa: E402
import plot  # noqa: E402
from measure import OURS  # noqa: E402
from paravisor import accel  # noqa: E402

IDLE = 0.5                                                  # load average above which figures are doubtful
# What others need, or what has been reached: more is a step back.
NVME_BUDGET = {"batch1": 120, "batch16": 80}
MANA_BUDGET = {"rx32": 74, "tx32": 95}
NVME_MS, MANA_MS = 500, 600
SPREAD = 2.0                                                # fastest against slowest round: more is noise, not a figure


def _instructions(script: str, program: str) -> dict[str, float]:
    run = subprocess.run([str(HERE / script), str(artifacts.host_program(program))], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr.strip())
    return json.loads(run.stdout)


class Bench:
    def __init__(self, options: argparse.Namespace, out: Path) -> None:
        self.options = options
        self.out = out
        self.kernel = artifacts.kernel().resolve()
        self.image = artifacts.image().resolve()
        self.accel = accel(self.kernel)
        self.report: dict[str, Any] = {"accel": self.accel, "kernel": self.kernel.with_name("release").read_text().strip()}

    def directory(self, name: str) -> Path:
        path = self.out / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _row(self, unit: str) -> Callable[[str, dict[str, Any]], None]:
        def tell(case: str, r: dict[str, Any]) -> None:
            peers = "  ".join(f"{peer} {r[peer]:>8} = {x:5.2f} x (CPU {r['cpu_ratio'][peer]:4.2f} x)"
                              for peer, x in r["ratio"].items())
            noisy = ", ".join(f"{name} {x:.1f}" for name, x in r["spread"].items() if x > SPREAD)
            if noisy:
                self.report.setdefault("doubtful", []).append(case)
                peers += f"  doubtful: fastest to slowest round {noisy}"
            print(f"  {case:24} udrv {r[OURS]:>8} {unit}  {r['cpu_ns'][OURS]:>6} ns CPU   {peers}", flush=True)
        return tell

    def instructions(self) -> None:
        io = _instructions("nvme-insn", "nvme-insn")
        packet = _instructions("mana-insn", "mana-insn")
        self.report["instructions_per_io"] = io
        self.report.setdefault("mana", {})["instructions_per_packet"] = packet
        self.report["budget"] = {"instructions_per_io": NVME_BUDGET, "instructions_per_packet": MANA_BUDGET}
        print("Instructions, by callgrind: deterministic, with timeouts, counters and crash-consistent state on")
        for name, value, budget in [*((f"4 KiB read, {k}", v, NVME_BUDGET.get(k)) for k, v in io.items()),
                                    *((f"64 B packet, {k}", v, MANA_BUDGET.get(k)) for k, v in packet.items())]:
            said = "" if budget is None else f"   budget {budget}" + (", over" if value > budget + 0.5 else "")
            print(f"  {name:24} {value:6.1f}{said}", flush=True)

    def nvme(self) -> None:
        print("NVMe, null-co behind QEMU's controller, I/Os a second; the peer is Linux's nvme driver")
        result = nvme.measure(self.kernel, self.image, self.directory("nvme"), self.accel, self.options.rounds, NVME_MS,
                              self._row("IOPS"))
        self.report["nvme"] = result
        plot.ratios(self.out / "nvme.svg", "NVMe: IOPS, times those of Linux's driver", result)

    def mana(self) -> None:
        print("MANA, the device model over vfio-user, packets a second; the peer is Linux's mana driver")
        result = mana.measure(self.kernel, self.image, self.directory("mana"), self.accel, self.options.rounds, MANA_MS,
                              self._row("pps"))
        self.report["scale"] = {"mana": (scale := result.pop("scale"))}
        print("  queue pairs   state KiB   rings and receive buffers KiB   resume ms")
        for row in scale:
            print(f"  {row['queues']:11}   {row['state_bytes'] / 1024:9.0f}   {row['dma_bytes'] / 1024:29.0f}   "
                  f"{row['resume_ns'] / 1e6:9.2f}")
        self.report.setdefault("mana", {}).update(result)
        plot.ratios(self.out / "mana.svg", "MANA: packets a second, times those of Linux's driver", result)

    def blackout(self) -> None:
        print("Blackout of an update, against a kexec that keeps nothing")
        result = blackout.measure(self.kernel, self.image, self.directory("blackout"), self.options.rounds)
        self.report["blackout"] = result
        print(f"  an update takes {result['ratio_to_bare_kexec']} x a bare kexec; userspace {result['userspace_ms']} ms")


PARTS = ("instructions", "nvme", "mana", "blackout")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; all by default")
    parser.add_argument("--rounds", type=int, default=3, help="of each comparison")
    options = parser.parse_args()
    out = artifacts.build_dir() / "bench"
    out.mkdir(parents=True, exist_ok=True)
    bench = Bench(options, out)
    load = os.getloadavg()[0]
    if bench.accel == "tcg":
        print("The guests run under TCG (emulation): rates say little of real machines, ratios and instructions more.")
    if load > IDLE:
        print(f"The machine is busy (load average {load:.1f}): figures are doubtful.")
        bench.report["load_average"] = load
    failures = []
    for part in options.part or PARTS:
        begin = time.monotonic()
        try:
            getattr(bench, part)()
        except Exception as e:      # the other parts are worth having
            failures.append(f"{part}: {type(e).__name__}: {e}")
            print(f"bench: {failures[-1]}", file=sys.stderr)
        print(f"  ({part} took {time.monotonic() - begin:.0f} s)", flush=True)
    if bench.report.get("doubtful"):
        print(f"Too much else went on in {len(bench.report['doubtful'])} comparisons, which are marked: repeat them on an "
              "idle machine.")
    bench.report["failures"] = failures
    (out / "report.json").write_text(json.dumps(bench.report, indent=1) + "\n")
    print(f"report: {out / 'report.json'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
