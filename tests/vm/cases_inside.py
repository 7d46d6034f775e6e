# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of updates at the worst moment: inside an admin command, with full queues, before the last one is over."""
from __future__ import annotations

import artifacts
import initramfs
from cases import Context, case, expect, wait
from live import Live

# After so many stores and messages from the request on: taken in, submitted, rung, completed, released, answered.
LOG_PAGE_POINTS = (2, 5, 8, 11)
# Likewise from the moment on at which the host learns of the event.
EVENT_POINTS = (1, 4, 8)

# Steps of an Abort after which a host stops: in its slot, at the controller; and at the first one after its
# answer was taken.
ABORT_POINTS = ("3 abort", "7 abort", "1 aborted")
# Commands of the slow namespace are overdue, and answered before the controller would be reset.
ABORT_TIMEOUT_MS = 5_000
ABORT_LATENCY = 8_000_000_000
WRITES = 20

# From the event of a changed namespace on: taken in, log page asked for, namespace asked for, recorded.
NAMESPACE_POINTS = (2, 8, 14, 20)
NSID = 3                    # the one that comes and goes, after the two that every controller has
FILES = "--kernel /host/bzImage --image /host/image"


def _stopped(live: Live, pid: int) -> bool:
    return live.guest.run(f"cut -d' ' -f3 /proc/{pid}/stat")[1].strip() == "T"


def _stop_at(live: Live, name: str, point: int | str) -> int:
    """Its host stops after so many steps from now on (see step_hook.c); its pid."""
    pid = live.device(name)["pid"]
    live.guest.check(f"echo {point} > /run/udrv/step-now && kill -USR1 {pid}")
    return pid


def _event(live: Live, value: int) -> None:
    """The controller raises a SMART / Health event: each value is news once."""
    live.paravisor.vm.qmp.execute("qom-set", path="/machine/peripheral/nvme1", property="smart_critical_warning",
                                  value=value)


def _as_before(live: Live) -> None:
    device = live.running("nvme1", "resumed")
    wait("nvme1 has no event request outstanding, or something else",
         lambda: live.device("nvme1")["nvme"]["outstanding"][0] == 1)
    expect(not device["nvme"]["resets"], f"nvme1 was reset {device['nvme']['resets']} times")
    live.guest.check("udrvctl smart-log nvme1")
    live.io_goes_on("nvme0", writes=20)


@case("update-inside-admin-commands", "updates while a Get Log Page, an event or its answer is under way: nothing is lost or repeated")
def update_inside_admin_commands(context: Context) -> None:
    image = initramfs.with_init(context.image, artifacts.guest_test("udrv_step"), context.directory / "step-image")
    with Live(context, 2, image=image) as live:
        # Without I/O the only steps are those of what is asked for.
        live.paravisor.verify_stop("nvme1", acked="unused.bin")
        live.forget("nvme1")
        for point in LOG_PAGE_POINTS:
            pid = _stop_at(live, "nvme1", point)
            live.guest.check("(udrvctl smart-log nvme1 > /dev/null 2>&1 &)")
            wait(f"the host of nvme1 did not stop after {point} steps", lambda p=pid: _stopped(live, p))
            live.update()
            _as_before(live)
        # The event is completed, and nobody there takes it.
        pid = live.device("nvme1")["pid"]
        live.guest.check(f"kill -STOP {pid}")
        _event(live, 1)
        live.update()
        _as_before(live)
        for value, point in enumerate(EVENT_POINTS, 1):
            _event(live, 0)
            pid = _stop_at(live, "nvme1", point)
            _event(live, 1 << value)
            wait(f"the host of nvme1 did not stop after {point} steps", lambda p=pid: _stopped(live, p))
            live.update()
            _as_before(live)
        expect(live.device("nvme0")["start"] == "resumed", "nvme0 was not resumed")


def _aborts(live: Live, name: str) -> int:
    return sum(queue["aborts"] for queue in live.device(name)["nvme"]["queues"])


@case("update-inside-abort", "updates while a command that takes too long is being aborted: it ends once, nothing is reset")
def update_inside_abort(context: Context) -> None:
    image = initramfs.with_init(context.image, artifacts.guest_test("udrv_step"), context.directory / "step-image")
    with Live(context, image=image, slow=True, slow_ns=ABORT_LATENCY, nvme=f"queues=2,depth=64,timeout_ms={ABORT_TIMEOUT_MS}",
              verify="blocks=512,queues=2,depth=4,zdepth=1,rate=100,write=60,flush=64") as live:
        live.aborting = True
        for point in ABORT_POINTS:
            pid = _stop_at(live, "nvme0", point)
            wait(f"the host did not stop at '{point}'", lambda p=pid: _stopped(live, p))
            live.update()
            device = live.running("nvme0", "resumed")
            expect(not device["nvme"]["resets"], f"the controller was reset, stopped at '{point}'")
            # The slots of aborts are free again, and the event request is where it was.
            wait(f"stopped at '{point}', the Abort is still outstanding",
                 lambda: live.device("nvme0")["nvme"]["outstanding"][0] == 1)
            before = live.paravisor.verify_status("nvme0")["writes"]
            wait(f"stopped at '{point}', I/O does not go on",
                 lambda b=before: live.paravisor.verify_status("nvme0")["writes"] > b + WRITES)
        # Whoever comes after all that aborts as before.
        aborts = _aborts(live, "nvme0")
        wait("no command was aborted any more", lambda: _aborts(live, "nvme0") > aborts)
        wait("no aborted command has ended", live.aborted)


NEIGHBOUR = "/sys/bus/pci/devices/0000:00:1d.0"


def _change(live: Live, attach: bool) -> None:
    """The namespace comes to nvme0, the first controller of its subsystem, or goes: an event tells it."""
    guest = live.guest
    guest.check("cp /host/attach_namespace /tmp/ && chmod +x /tmp/attach_namespace")
    # Probes run beside each other: which number it gets is anybody's guess.
    name = wait("the neighbour had no driver", lambda: guest.check(f"ls {NEIGHBOUR}/nvme").strip())
    wait("the neighbour had no character device", lambda: not guest.run(f"test -c /dev/{name}")[0])
    guest.check(f"/tmp/attach_namespace /dev/{name} {'attach' if attach else 'detach'} {NSID} 0")


def _namespace_known(live: Live, there: bool) -> None:
    def as_it_is() -> bool:
        found = {ns["nsid"]: ns["usable"] for ns in live.device("nvme0")["nvme"]["namespaces"]}
        return found.get(NSID, False) == there
    wait(f"nvme0 does not know that namespace {NSID} has {'come' if there else 'gone'}", as_it_is)


@case("namespace-changes-in-update", "a namespace comes or goes while nobody looks, and at each step of noticing it: the next kernel knows")
def namespace_changes_in_update(context: Context) -> None:
    image = initramfs.with_init(context.image, artifacts.guest_test("udrv_step"), context.directory / "step-image")
    files = {"attach_namespace": artifacts.guest_test("attach_namespace")}
    with Live(context, 2, image=image, files=files, neighboured="nvme0") as live:
        _namespace_known(live, False)
        there = False
        # Under I/O, and in the blackout as far as this driver is concerned: its host has run for the last time.
        for changes in (1, 2, 1):
            live.guest.check(f"udrvctl update {FILES} --prepare")
            live.guest.check(f"kill -STOP {live.device('nvme0')['pid']}")
            for _ in range(changes):
                there = not there
                _change(live, there)
            live.commit()
            live.running("nvme0", "resumed")
            _namespace_known(live, there)
            live.io_goes_on()
        # Without I/O the only steps are those of the event.
        live.paravisor.verify_stop("nvme0", acked="unused.bin")
        live.forget("nvme0")
        for point in NAMESPACE_POINTS:
            there = not there
            pid = _stop_at(live, "nvme0", point)
            _change(live, there)
            wait(f"the host of nvme0 did not stop after {point} steps", lambda p=pid: _stopped(live, p))
            live.update()
            device = live.running("nvme0", "resumed")
            _namespace_known(live, there)
            wait("nvme0 has no event request outstanding, or something else",
                 lambda: live.device("nvme0")["nvme"]["outstanding"][0] == 1)
            expect(not device["nvme"]["resets"], f"nvme0 was reset {device['nvme']['resets']} times")
        live.io_goes_on("nvme1", writes=20)


@case("polled", "queues that are polled, without an interrupt armed, are resumed in place by two updates and after a host's death")
def polled(context: Context) -> None:
    with Live(context, slow=True, nvme="queues=2,depth=64,poll") as live:
        for _ in range(2):
            live.io_goes_on()
            live.update()
            device = live.running("nvme0", "resumed")
            expect(device["resume"]["in_flight"], "nothing was in flight at the kexec")
        live.guest.check("kill -9 $(pidof udrv-host)")
        wait("there was no other host", lambda: live.device("nvme0")["restarts"] and live.running("nvme0", "resumed"))
        live.io_goes_on()


@case("full-queues-back-to-back", "three updates in a row with full queues, each before the last one's commands have ended")
def full_queues_back_to_back(context: Context) -> None:
    # As many slots as the workload has commands, and no namespace answers soon: the queues stay full.
    with Live(context, slow=True, slow_ns=8_000_000_000, fast_ns=8_000_000_000, throttled=True, queues=2,
              nvme="queues=2,depth=17", verify="blocks=512,queues=2,depth=1,zdepth=8,rate=2000,write=60,flush=64") as live:
        live.throttle(1)
        for _ in range(3):
            wait("the queues did not fill up", lambda: live.device("nvme0")["nvme"]["outstanding"][1:] == [17, 17])
            live.update()
            device = live.running("nvme0", "resumed")
            expect(device["resume"]["in_flight"] >= 32, f"only {device['resume']['in_flight']} of 34 were in flight")
        live.throttle(0)
