# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of what the death of a process leaves alone: the controller, and the I/O that is in flight."""
from __future__ import annotations

import shutil

import blocks
import tracelog
from cases import Context, case, expect, io_goes_on, wait
from experiment import Experiment, Narrator, prepare_disk
from guest import CommandFailed
from paravisor import Paravisor
from witness import Witness

NAME = "nvme0"
TIMES = 3


def _pid(paravisor: Paravisor, program: str) -> int:
    """The one process of that name. For a moment after a fork there are two."""
    pids = paravisor.guest.check(f"pidof {program}").split()
    if len(pids) != 1:
        raise CommandFailed(f"{len(pids)} processes are called {program}")
    return int(pids[0])


def _killed(context: Context, program: str, resumed: bool) -> None:
    """Kill the program over and over under verified I/O."""
    experiment = Experiment(context.plan(), Narrator())
    disk = experiment.disks[0]
    prepare_disk(disk)
    with Paravisor(experiment.setup()) as paravisor:
        paravisor.wait_up()
        kept = paravisor.kept(NAME, experiment.bdfs[NAME])
        before = paravisor.snapshot(kept)
        for n in range(1, TIMES + 1):
            io_goes_on(paravisor, NAME, 200)
            pid = _pid(paravisor, program)
            host = paravisor.device(NAME)["pid"]
            paravisor.guest.check(f"kill -9 {pid}")
            wait(f"there was no successor of {program}", lambda old=pid: _pid(paravisor, program) != old)
            device = wait(f"{NAME} did not run again",
                           lambda: (d := paravisor.device(NAME))["state"] == "running" and d)
            if resumed:
                expect(device["start"] == "resumed", f"after death {n} {NAME} was {device['start']}")
                expect(device["restarts"] == n, f"{device['restarts']} hosts of {NAME} have died, {n} were killed")
            else:
                expect(device["pid"] == host, f"the host of {NAME} was {host}, is {device['pid']}")
            expect(paravisor.snapshot(kept) == before, f"death {n} changed configuration space")
        io_goes_on(paravisor, NAME, 200)
        final, acked = paravisor.verify_stop(NAME)
        shutil.move(acked, context.directory / "acked.bin")
        paravisor.end()
    expect(not final["errors"] and not final["miscompares"],
           f"{final['errors']} errors, {final['miscompares']} miscompares")
    verdict = Witness(tracelog.read(context.directory / "qemu-trace.log"), [kept]).check(0)
    expect(not verdict.violations, "\n".join(verdict.violations))
    expect(not verdict.resets_seen[NAME], f"{verdict.resets_seen[NAME]} resets")
    problems = blocks.check(disk, context.directory / "acked.bin").problems
    expect(not problems, "\n".join(problems))


@case("host-killed", "a host that is killed under verified I/O is followed by one that resumes in place")
def host_killed(context: Context) -> None:
    _killed(context, "udrv-host", resumed=True)


@case("agent-killed", "an agent that is killed under verified I/O is followed by another, and I/O does not notice")
def agent_killed(context: Context) -> None:
    _killed(context, "udrv-agent", resumed=False)
