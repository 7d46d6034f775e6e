# SPDX-License-Identifier: GPL-2.0-or-later
"""`make soak`: many updates, and what goes wrong around them, in a random order that a seed repeats."""
from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import artifacts
from cases import Context, Failure, expect, wait
from guest import CommandFailed
from live import Live
from paravisor import accel
from qemu import NoQemu

FILES = "--kernel /host/bzImage --image /host/image"
# How often each is drawn, relative to the others. CYCLES counts the updates.
WEIGHTS = {"update": 10, "host killed": 6, "agent killed": 4, "all killed": 2, "host restarted": 2, "update called off": 4,
           "dry run": 2, "fall-back": 2}
VICTIM = "nvme1"            # the device that falls back; the other one must never notice anything


class Soak:
    def __init__(self, live: Live, seed: int) -> None:
        self.live = live
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.memory: list[int] = []             # kB available after each update, all workloads running

    def step(self) -> str:
        what = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        actions: dict[str, Callable[[], None]] = {
            "update": self.update, "host killed": self.host_killed, "agent killed": self.agent_killed,
            "all killed": self.all_killed, "host restarted": self.host_restarted, "update called off": self.called_off,
            "dry run": self.dry_run, "fall-back": self.fall_back}
        actions[what]()
        self.counts[what] += 1
        self.live.io_goes_on(writes=20)
        return what

    def update(self) -> None:
        complaints = self.live.paravisor.complaints()
        expect(not complaints, "\n".join(complaints))
        self.live.update()
        self._all_resumed()
        self._look_at_memory()

    def _all_resumed(self) -> None:
        for name in self.live.names:
            self.live.running(name, "resumed")

    def _look_at_memory(self) -> None:
        text = self.live.guest.check("cat /proc/meminfo")
        found = re.search(r"MemAvailable:\s+(\d+) kB", text)
        expect(found, "no MemAvailable")
        self.memory.append(int(found[1]))

    def _kill(self, pids: list[str]) -> None:
        self.live.guest.check("kill -9 " + " ".join(pids))
        old = set(pids)

        def followed() -> bool:
            now = set(self.live.guest.check("pidof udrv-agent udrv-host").split())
            return not now & old and len(now) == 1 + len(self.live.names)

        wait("there were no successors", followed)
        for name in self.live.names:
            self.live.running(name)

    def host_killed(self) -> None:
        name = self.random.choice(self.live.names)
        self._kill([str(self.live.device(name)["pid"])])

    def agent_killed(self) -> None:
        self._kill(self.live.guest.check("pidof udrv-agent").split())

    def all_killed(self) -> None:
        self._kill(self.live.guest.check("pidof udrv-agent udrv-host").split())

    def host_restarted(self) -> None:
        name = self.random.choice(self.live.names)
        self.live.guest.check(f"udrvctl restart {name}")

    def called_off(self) -> None:
        self.live.guest.check(f"udrvctl update {FILES} --prepare")
        self.live.io_goes_on(writes=5)
        self.live.guest.check("udrvctl update --abort")

    def dry_run(self) -> None:
        self.live.guest.check(f"udrvctl update {FILES} --dry-run")

    def fall_back(self) -> None:
        """An update at which one device's state is damaged. It is an update for the other one."""
        self.live.guest.check(f"udrvctl update {FILES} --prepare")
        self.live.guest.check(f"cp /host/break_device /tmp/ && chmod +x /tmp/break_device && "
                              f"/tmp/break_device {self.live.bdfs[VICTIM]} flip")
        self.live.commit()
        for name in self.live.names:
            self.live.running(name, "fallback" if name == VICTIM else "resumed")
        self._look_at_memory()


def run(context: Context, cycles: int, seed: int) -> dict[str, object]:
    start = time.monotonic()
    result: dict[str, object] = {"seed": seed, "cycles": 0, "failures": []}
    files = {"break_device": artifacts.guest_test("break_device")}
    soak = None
    try:
        with Live(context, 2, queues=2, files=files, slow=True,
                  verify="blocks=4096,queues=2,depth=8,zdepth=2,rate=400,write=60,flush=64") as live:
            live.excuse(VICTIM)
            live.guest.check(f"udrvctl set {VICTIM} restart-limit=0")
            soak = Soak(live, seed)
            while live.kexecs < cycles:
                what = soak.step()
                print(f"[{time.monotonic() - start:7.1f} s] {live.kexecs:4d} of {cycles} kexecs: {what}", flush=True)
            counters = [live.paravisor.verify_status(name) for name in live.names]
            result["writes"] = sum(c["writes"] for c in counters)
            result["lost_by_fall_backs"] = counters[1]["lost"]
    except (Failure, CommandFailed, Exception) as e:    # whatever it was, the figures so far are told
        result["failures"] = [f"{type(e).__name__}: {e}"]
    if soak:
        result |= {"cycles": soak.live.kexecs, "steps": dict(soak.counts), "memory_kb": soak.memory[-1:] or None}
        # The first update's figure is the measure; what two large folios take may come and go.
        if len(soak.memory) > 2 and soak.memory[-1] < soak.memory[1] - 8192:
            result["failures"] = [*result["failures"], f"memory: {soak.memory[1]} kB were available after the second update, "
                                  f"{soak.memory[-1]} kB after the last"]
    result["verdict"] = "fail" if result["failures"] else "pass"
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or 0) or random.randrange(1, 1 << 31))
    parser.add_argument("--cycles", type=int, default=int(os.environ.get("CYCLES") or 50))
    options = parser.parse_args()
    try:
        kernel = artifacts.kernel().resolve()
        context = Context(kernel, artifacts.image().resolve(), artifacts.build_dir(), accel(kernel))
    except (artifacts.NotBuilt, NoQemu) as e:
        print(f"soak: {e}", file=sys.stderr)
        return 1
    directory: Path = context.begin("soak")
    print(f"seed {options.seed}: SEED={options.seed} CYCLES={options.cycles} make soak repeats this", flush=True)
    result = run(context, options.cycles, options.seed)
    (directory / "soak.json").write_text(json.dumps(result, indent=1) + "\n")
    for failure in result["failures"]:
        print(f"  - {failure}")
    print(json.dumps({key: value for key, value in result.items() if key != "failures"}))
    print(f"logs are in {directory}")
    print(f"verdict: {result['verdict']}")
    return 0 if result["verdict"] == "pass" else 1


if __name__ == "__main__":
    sys.exit(main())
