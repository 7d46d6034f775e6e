# SPDX-License-Identifier: GPL-2.0-or-later
"""The price of keeping a device: the blackout of an update against a kexec of the same kernel that keeps nothing.

Pairs of runs, alternating, so that what else the machine does falls on both alike; medians are compared. Both times
begin at reboot(); a bare kexec ends at the first instruction of /init, an update when the first completion is delivered.
"""
from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import artifacts
from experiment import Experiment, Narrator, Plan
from paravisor import Setup, accel, bare_kexec
from qemu import NoQemu


def measure(kernel: Path, image: Path, out: Path, pairs: int) -> dict[str, Any]:
    accelerator = accel(kernel)
    nothing = Setup(kernel, image, out / "bare", devices="none", accel=accelerator, resident=True)
    blackout = bare_kexec(nothing) / 1000
    bare, kept, userspace, running = [], [], [], []
    for n in range(1, pairs + 1):
        bare.append(bare_kexec(nothing))
        plan = Plan(kernel, image, out / "kept", accelerator, blackout, cycles=1, writes=500, resident=True)
        counted = Experiment(plan, Narrator()).run()
        if counted.failures:
            raise RuntimeError("; ".join(counted.failures))
        times = counted.updates[0]["blackout_ms"]
        kept.append(times["total"])
        userspace.append(times["userspace"])
        running.append(times["running"])
        print(f"pair {n}: bare kexec {bare[-1]:.0f} ms, update {kept[-1]:.0f} ms, of it userspace {userspace[-1]:.1f} ms, "
              f"new commands after {running[-1]:.0f} ms", flush=True)
    return {"ratio_to_bare_kexec": round(statistics.median(kept) / statistics.median(bare), 3),
            "userspace_ms": round(statistics.median(userspace), 1),
            "bare_kexec_ms": [round(t, 1) for t in bare], "update_ms": [round(t, 1) for t in kept],
            "running_ms": [round(t, 1) for t in running], "accel": accelerator}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--kernel", type=Path, help="instead of the one of `make kernel`")
    parser.add_argument("--image", type=Path, help="instead of the one of `make image`")
    options = parser.parse_args()
    out = artifacts.build_dir() / "bench" / "blackout"
    out.mkdir(parents=True, exist_ok=True)
    try:
        result = measure((options.kernel or artifacts.kernel()).resolve(), (options.image or artifacts.image()).resolve(),
                         out, options.pairs)
    except (artifacts.NotBuilt, NoQemu, RuntimeError) as e:
        print(f"blackout: {e}", file=sys.stderr)
        return 1
    (out / "report.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"an update takes {result['ratio_to_bare_kexec']} x a bare kexec; userspace {result['userspace_ms']} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
