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


def _stopped(live: Live, pid: int) -> bool:
    return live.guest.run(f"cut -d' ' -f3 /proc/{pid}/stat")[1].strip() == "T"


def _stop_at(live: Live, name: str, point: int) -> int:
    """Its host stops after so many steps from now on; its pid."""
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
