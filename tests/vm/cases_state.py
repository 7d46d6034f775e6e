# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of what cannot be resumed: it is reset and started clean, its owners learn what was lost, and no other
device notices."""
from __future__ import annotations

import artifacts
from cases import Context, case, expect
from live import Live

TOOL = "/tmp/break_device"
FILES = "--kernel /host/bzImage --image /host/image"

# What is done to which device between prepare and commit.
DAMAGE = {"nvme1": "flip", "nvme2": "newer", "nvme3": "asq", "nvme4": "disable", "nvme5": "fail"}


def _break(live: Live, name: str, how: str, other: str = "") -> None:
    live.guest.check(f"{TOOL} {live.bdfs[name]} {how} {live.bdfs[other] if other else ''}")


def _fell_back(live: Live, name: str, lost: int) -> None:
    """It runs again after a reset, its workload has been told of every command that was lost, and goes on."""
    device = live.running(name)
    expect(device["start"] == "fallback", f"{name} was {device['start']}, not a fallback")
    counters = live.paravisor.verify_status(name)
    expect(counters["lost"] >= lost, f"{name}: {counters['lost']} commands were lost, {lost} were in flight for long")
    expect(not counters["errors"] and not counters["miscompares"],
           f"{name}: {counters['errors']} errors, {counters['miscompares']} miscompares")


@case("damaged-each-its-way", "eight devices, seven of them damaged: each is reset and started clean, the eighth is kept")
def damaged_each_its_way(context: Context) -> None:
    files = {"break_device": artifacts.guest_test("break_device")}
    with Live(context, 8, queues=1, slow=True, files=files,
              verify="blocks=512,queues=1,depth=4,zdepth=2,rate=100,write=60,flush=64") as live:
        live.excuse(*(f"nvme{n}" for n in range(1, 8)))
        live.io_goes_on(writes=10)
        # From here on no driver resets its controller by itself: it is the next kernel's that find it so.
        live.guest.check(f"udrvctl update {FILES} --prepare")
        for name, how in DAMAGE.items():
            _break(live, name, how)
        _break(live, "nvme6", "swap", "nvme7")
        live.commit()
        live.running("nvme0", "resumed")
        for n in range(1, 8):
            _fell_back(live, f"nvme{n}", 1)     # of the slow namespace
        report = live.paravisor.update_report()
        expect(len(report["degraded"]) == 7, f"degraded: {report['degraded']}")
        for line in report["degraded"]:
            expect(line.count(": ") >= 2, f"the report does not say why: {line}")
        live.io_goes_on(writes=10)


@case("any-of-eight-fails", "eight devices over eight kexecs: each time another one has lost its state, the others are kept")
def any_of_eight_fails(context: Context) -> None:
    files = {"break_device": artifacts.guest_test("break_device")}
    with Live(context, 8, queues=1, files=files,
              verify="blocks=512,queues=1,depth=4,zdepth=2,rate=100,write=60,flush=64") as live:
        live.excuse(*live.names)        # each loses something once; who must not is looked at below
        for victim in live.names:
            before = {name: live.device(name)["nvme"]["resets"] + live.device(name)["nvme"]["starts"]
                      for name in live.names}
            lost = {name: live.paravisor.verify_status(name)["lost"] for name in live.names}
            live.guest.check(f"udrvctl update {FILES} --prepare")
            _break(live, victim, "flip")
            live.commit()
            # /tmp is another one in each kernel.
            live.guest.check("cp /host/break_device /tmp/ && chmod +x /tmp/break_device")
            for name in live.names:
                if name == victim:
                    _fell_back(live, name, 0)
                    continue
                device = live.running(name, "resumed")
                now = device["nvme"]["resets"] + device["nvme"]["starts"]
                expect(now == before[name], f"{victim} was damaged, {name} was started again")
                counters = live.paravisor.verify_status(name)
                expect(counters["lost"] == lost[name], f"{victim} was damaged, {name} lost commands")
            live.io_goes_on(writes=5)
