# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of what the death of a process leaves alone: the controller, and the I/O that is in flight."""
from __future__ import annotations

from cases import Context, case, expect, wait
from guest import CommandFailed
from live import Live

NAME = "nvme0"
TIMES = 3


def _pid(live: Live, program: str) -> int:
    """The one process of that name. For a moment after a fork there are two."""
    pids = live.guest.check(f"pidof {program}").split()
    if len(pids) != 1:
        raise CommandFailed(f"{len(pids)} processes are called {program}")
    return int(pids[0])


def _killed(context: Context, program: str, resumed: bool) -> None:
    """Kill the program over and over under verified I/O."""
    with Live(context, queues=4) as live:
        before = live.paravisor.snapshot(live.kept[NAME])
        for n in range(1, TIMES + 1):
            live.io_goes_on(writes=200)
            pid = _pid(live, program)
            host = live.device(NAME)["pid"]
            live.guest.check(f"kill -9 {pid}")
            wait(f"there was no successor of {program}", lambda old=pid: _pid(live, program) != old)
            device = live.running(NAME)
            if resumed:
                expect(device["start"] == "resumed", f"after death {n} {NAME} was {device['start']}")
                expect(device["restarts"] == n, f"{device['restarts']} hosts of {NAME} have died, {n} were killed")
            else:
                expect(device["pid"] == host, f"the host of {NAME} was {host}, is {device['pid']}")
            expect(live.paravisor.snapshot(live.kept[NAME]) == before, f"death {n} changed configuration space")
        live.io_goes_on(writes=200)


@case("host-killed", "a host that is killed under verified I/O is followed by one that resumes in place")
def host_killed(context: Context) -> None:
    _killed(context, "udrv-host", resumed=True)


@case("agent-killed", "an agent that is killed under verified I/O is followed by another, and I/O does not notice")
def agent_killed(context: Context) -> None:
    _killed(context, "udrv-agent", resumed=False)
