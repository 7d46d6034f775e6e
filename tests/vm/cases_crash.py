# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of hosts and agents that end, together, by request, or again and again."""
from __future__ import annotations

import time

import artifacts
import initramfs
from cases import Context, Failure, case, expect, wait
from live import Live
from tracelog import read


def _pids(live: Live, program: str) -> set[str]:
    return set(live.guest.run(f"pidof {program}")[1].split())


@case("all-killed-at-once", "agent and hosts are killed together: PID 1 hands everything back, nothing is lost")
def all_killed_at_once(context: Context) -> None:
    with Live(context, 2) as live:
        for _ in range(3):
            live.io_goes_on()
            before = _pids(live, "udrv-agent") | _pids(live, "udrv-host")
            live.guest.check("kill -9 " + " ".join(sorted(before)))
            wait("there were no successors",
                 lambda old=before: len(_pids(live, "udrv-host") - old) == 2 and len(_pids(live, "udrv-agent") - old) == 1)
            for name in live.names:
                live.running(name, "resumed")
        live.io_goes_on()


@case("host-replaced", "a host is replaced by request, also by another build, and resumes in place")
def host_replaced(context: Context) -> None:
    build = artifacts.build_dir() / "bin" / "udrv"
    with Live(context, files={"new-build": build}) as live:
        for command in ("restart nvme0", "upgrade nvme0 --program /host/new-build", "restart nvme0"):
            live.io_goes_on()
            old = live.device("nvme0")["pid"]
            live.guest.check(f"udrvctl {command}")
            device = live.running("nvme0", "resumed")
            expect(device["pid"] != old, f"{command}: the host is still process {old}")
            expect(device["restarts_in_a_row"] == 0, f"{command}: counted as a failure")
        exe = live.guest.check(f"readlink /proc/{live.device('nvme0')['pid']}/exe")
        expect("memfd" in exe, f"the host runs {exe.strip()}, not what was handed over")
        # The program outlives the agent that was given it.
        agent = _pids(live, "udrv-agent")
        live.guest.check(f"kill -9 {' '.join(agent)}")
        wait("there was no other agent", lambda: _pids(live, "udrv-agent") - agent and live.running("nvme0"))
        live.guest.check("udrvctl restart nvme0")
        exe = live.guest.check(f"readlink /proc/{live.running('nvme0', 'resumed')['pid']}/exe")
        expect("memfd" in exe, f"after the agent's death the host runs {exe.strip()}")
        live.refused("upgrade nvme0 --program /host/nothing", "nothing")
        live.io_goes_on()


@case("crash-loop", "a host that dies again and again backs off; at the user's limit its device is quiesced, alone")
def crash_loop(context: Context) -> None:
    with Live(context, 2) as live:
        guest = live.guest
        live.excuse("nvme1")
        live.io_goes_on()
        guest.check("udrvctl set nvme1 restart-limit=4 restart-max-ms=100")
        live.let_no_host_live("nvme1")
        guest.check(f"kill -9 {live.device('nvme1')['pid']}")
        device = wait("the device was not given up",
                      lambda: (d := live.device("nvme1"))["state"] == "failed" and d)
        expect("5 times in a row" in device["error"] and "quiesced" in device["error"], f"error: {device['error']}")
        expect(device["restarts"] == 5, f"{device['restarts']} hosts ended, 5 were to")
        command = live.paravisor.config.config(live.bdfs["nvme1"])[4]
        expect(not command & 4, "a quiesced device still is a bus master")
        log = guest.check("dmesg")
        expect(log.count("a successor takes it over") >= 5, "the deaths were not reported")
        expect("quiesced" in log, "the end was not reported")
        live.io_goes_on("nvme0")
        # What it took to fail is gone: it may begin again, and tells its owner what was lost.
        guest.check("rmdir /run/udrv/nvme1.sock && udrvctl restart nvme1")
        live.running("nvme1", "started")
        live.io_goes_on()
        resets = [e for e in read(live.paravisor.vm.trace) if e.name == "pci_nvme_pci_reset"]
        expect(resets, "the trace shows no reset of a function")


POINTS = 100
STEP_TIMEOUT = 180.0


def _stop_at_points(live: Live, *programs: str) -> None:
    """Each of the programs ends itself at POINTS points, one after the other; nobody is asked anything meanwhile."""
    guest = live.guest
    for program in programs:
        guest.check(f"echo 0 {POINTS} > /run/udrv/step-{program}")
    guest.check("kill -9 " + " ".join(f"$(pidof {program})" for program in programs))
    deadline = time.monotonic() + STEP_TIMEOUT
    while True:
        at = [int(guest.check(f"cut -d' ' -f1 /run/udrv/step-{program}")) for program in programs]
        if min(at) >= POINTS:
            break
        # An agent has fewer occasions to stop than a host: it needs somebody who asks.
        guest.run("udrvctl list")
        if time.monotonic() > deadline:
            raise Failure(f"{programs}: only {at} of {POINTS} points within {STEP_TIMEOUT:.0f} s")
    guest.check("rm " + " ".join(f"/run/udrv/step-{program}" for program in programs))
    wait("the device did not run again", lambda: live.running("nvme0", "resumed"))
    live.io_goes_on()


@case("killed-at-100-points", "host, agent and both end at 100 points each, spread over stores and messages, under verified I/O")
def killed_at_100_points(context: Context) -> None:
    image = initramfs.with_init(context.image, artifacts.guest_test("udrv_step"), context.directory / "step-image")
    with Live(context, image=image, cmdline="udrv.agent_max_ms=1",
              verify="blocks=2048,queues=2,depth=8,zdepth=4,rate=2000,write=60,flush=64") as live:
        live.guest.check("udrvctl set nvme0 restart-limit=0 restart-max-ms=0")
        live.io_goes_on()
        places: dict[str, set[str]] = {"udrv-host": set(), "udrv-agent": set()}
        for programs in (("udrv-host",), ("udrv-agent",), ("udrv-host", "udrv-agent")):
            _stop_at_points(live, *programs)
            log = [line.split() for line in live.guest.check("cat /run/udrv/step.log; rm /run/udrv/step.log").splitlines()]
            # A host that gets no lease, as the agent has just ended, gives up by itself: its point is not reached.
            least = POINTS if len(programs) == 1 else POINTS // 2
            for program in programs:
                stops = sum(name == program for name, *_ in log)
                expect(stops >= least, f"{programs}: {program} was stopped {stops} times, not {least}")
                places[program] |= {at for name, _, at in log if name == program}
        for program, least in (("udrv-host", 15), ("udrv-agent", 2)):
            expect(len(places[program]) >= least, f"{program} was stopped at {len(places[program])} places of its code only")


TAKEOVER_STEPS = 16     # that one device takes at least: retrieved, in custody, bound, attached, and its host with it


@case("takeover-crashes", "PID 1 crashes at each step of taking a device over: an agent goes on with what there is, I/O does not notice")
def takeover_crashes(context: Context) -> None:
    image = initramfs.with_init(context.image, artifacts.guest_test("udrv_step"), context.directory / "step-image")
    with Live(context, image=image) as live:
        guest, line = live.guest, live.setup.command_line()
        for step in range(1, 3 * TAKEOVER_STEPS):
            live.update(options=f"--cmdline '{line} UDRV_CRASH={step}'")
            live.running("nvme0", "resumed")
            live.io_goes_on(writes=50)
            if "was ended by signal 11" not in guest.check("dmesg"):
                break
        expect(step > TAKEOVER_STEPS, f"it crashed at {step - 1} steps only")
        expect(step < 3 * TAKEOVER_STEPS - 1, "it never came to the end")
        # Whose child its host is does not matter: the agent learns how it ended.
        guest.check("kill -9 $(pidof udrv-host)")
        live.running("nvme0", "resumed")
        expect("ended by signal 9: the device goes on" in guest.check("dmesg"), "nobody knows how the host ended")
        live.io_goes_on()
