# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of a NIC under the verifying UDP stream: kexecs, deaths, overruns, and policies beside a controller's."""
from __future__ import annotations

from typing import Any

import report_nic
from cases import Context, Failure, case, expect, expect_pass, io_goes_on, wait
from experiment import prepare_disk
from nic_traffic import CONSTANT, NAME, NicTraffic
from paravisor import Paravisor
from qemu import Controller, Namespace, addresses

TIMES = 3
RATE = 200.0            # frames a second: the rings hold those of a kexec of 12 s, however unevenly the flows are spread
FRAMES = 300            # that must come back between two events
FLOOD = 2000            # frames a second, more than small rings hold for long
NVME = "nvme0"
ON_THEIR_WAY = 8            # frames that the slowest machine has not echoed yet
OTHER = 0xbb                # Device ID of a device that nobody left
# CQE types 33: a send that failed, 4: a frame that was cut off, which the consumer sees as a damaged one.
FAULTS = ("drop-irq:0xffff:2", "garbage-cqe:3", "tx-error:33:2", "rx-error:4:2", "link-down,link-up", "reset-request")


@case("nic-one-kexec", "a NIC receives through a kexec, beside a controller: nothing lost, nothing twice")
def nic_one_kexec(context: Context) -> None:
    expect_pass(context.experiment(nic=True))


class _NicLive:
    """A paravisor with a NIC, and the stream running. A context manager. `setup`: more of the guest's set-up."""

    def __init__(self, context: Context, controllers: list[Controller] | None = None, **setup: Any) -> None:
        self.traffic = NicTraffic(context.directory, RATE)
        try:
            bdfs = addresses([*(controllers or []), self.traffic.model.device])
            self.paravisor = Paravisor(context.setup(
                controllers=controllers or [], vfio_user=[self.traffic.model.device],
                devices=",".join(f"{name}@{bdf}" for name, bdf in bdfs.items()), **{"verify": "rate=400", **setup}))
        except BaseException:
            self.traffic.__exit__()
            raise

    def __enter__(self) -> _NicLive:
        try:
            self.paravisor.wait_up()
            self.traffic.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.paravisor.vm.stop()
        self.traffic.__exit__()

    def come_back(self, frames: int = FRAMES) -> None:
        start = self.traffic.status()["echoed"]
        wait(f"{frames} more frames did not come back", lambda: self.traffic.status()["echoed"] >= start + frames)

    def lost(self) -> int:
        """Pause, wait until nothing more comes, and go on: how many frames have not come back."""
        self.traffic.rate(0)
        seen = -1

        def settled() -> bool:
            nonlocal seen
            before, seen = seen, self.traffic.status()["echoed"]
            return before == seen

        wait("frames kept coming back", settled)
        status = self.traffic.status()
        self.traffic.rate(RATE)
        return status["sent"] - status["echoed"]

    def finish(self) -> None:
        self.traffic.stop_sender()
        self.traffic.finish(self.paravisor.guest.json(f"udrvctl verify stop {NAME} -o json", 60))


@case("nic-host-killed", "a NIC's host that is killed under traffic is followed by one that resumes: nothing lost, nothing twice")
def nic_host_killed(context: Context) -> None:
    with _NicLive(context) as live:
        for n in range(1, TIMES + 1):
            live.come_back()
            live.paravisor.guest.check(f"kill -9 {live.paravisor.device(NAME)['pid']}")
            device = wait(f"{NAME} did not run again", lambda n=n: (d := live.paravisor.device(NAME))["state"] == "running"
                          and d["restarts"] == n and d)
            expect(device["start"] == "resumed", f"after death {n} {NAME} was {device['start']}")
        live.come_back()
        live.finish()
        problems = live.paravisor.complaints()
    problems += report_nic.build(live.traffic.counted, 0)[1]
    expect(not problems, "\n".join(problems))


@case("nic-overrun", "more frames than the receive rings hold: each drop is counted for want of a buffer, reception goes on")
def nic_overrun(context: Context) -> None:
    with _NicLive(context, cmdline="udrv.mana=queues=1,depth=64,rx_depth=128") as live:
        live.come_back()
        pid = live.paravisor.device(NAME)["pid"]
        live.paravisor.guest.check(f"kill -STOP {pid}")
        start = live.traffic.model.stats()["rx_no_buffer"]
        live.traffic.rate(FLOOD)
        wait("the rings did not overflow", lambda: live.traffic.model.stats()["rx_no_buffer"] > start + FRAMES)
        live.traffic.rate(RATE)
        live.paravisor.guest.check(f"kill -CONT {pid}")
        live.come_back()
        live.finish()
        problems = live.paravisor.complaints()
    counted = live.traffic.counted
    assert counted.sender and counted.guest and counted.model_start and counted.model_end
    dropped = counted.model_end["rx_no_buffer"] - counted.model_start["rx_no_buffer"]
    expect(counted.sender["lost"] == dropped,
           f"{counted.sender['lost']} frames were lost, the model dropped {dropped} for want of a buffer")
    expect(counted.guest["received"] == counted.sender["sent"] - dropped, f"the consumer received {counted.guest['received']}")
    for key in ("duplicated", "corrupt"):
        expect(not counted.sender[key] and not counted.guest[key], f"{key}: {counted.sender[key]}, {counted.guest[key]}")
    expect(not any(counted.losses.values()), f"lost by the harness: {counted.losses}")
    expect(not counted.model_end["strict_violations"], counted.model_end["first_violation"])
    expect(not problems, "\n".join(problems))


@case("nic-faults", "what a NIC may do wrong is survived: frames come back after each fault, whole and once")
def nic_faults(context: Context) -> None:
    with _NicLive(context) as live:
        live.come_back()
        for fault in FAULTS:
            live.traffic.model.fault(fault)
            try:
                live.come_back()
            except Failure as e:
                raise Failure(f"after the fault {fault}: {e}") from e
        device = live.paravisor.device(NAME)
        expect(device["state"] == "running", f"{NAME} is {device['state']}")
        live.finish()
        problems = live.paravisor.complaints()
    counted = live.traffic.counted
    assert counted.sender and counted.guest and counted.model_end
    # Echoes that are on their way when a fault ends in a reset fail as well.
    for key, least, most in (("corrupt", 2, 2), ("echo_errors", 2, 2 + ON_THEIR_WAY), ("duplicated", 0, 0)):
        expect(least <= counted.guest[key] <= most, f"the consumer counts {counted.guest[key]} {key}; there were to be {least}"
               + (f" to {most}" if most > least else ""))
    for key in ("corrupt", "duplicated"):
        expect(not counted.sender[key], f"{counted.sender[key]} frames came back {key}")
    expect(not counted.model_end["strict_violations"], counted.model_end["first_violation"])
    expect(not problems, "\n".join(problems))


def _beside_nvme(context: Context) -> _NicLive:
    """Beside a controller with verified I/O."""
    disk = context.directory / f"{NVME}.raw"
    prepare_disk(disk)
    controller = Controller(NVME, [Namespace(file=disk), Namespace(latency_ns=2_000_000)], queues=2)
    verify = "blocks=2048,queues=2,depth=8,zdepth=4,rate=400,write=60,flush=64"
    return _NicLive(context, [controller], verify=verify, nvme="queues=2,depth=64")


def _nvme_problems(live: _NicLive) -> list[str]:
    """Stops the controller's I/O."""
    final, _ = live.paravisor.verify_stop(NVME)
    return [f"{NVME}: {final[key]} {key}" for key in ("errors", "miscompares") if final[key]]


@case("nic-policies", "a controller and a NIC, each kept or reset by an update, in all four ways: neither cares about the other")
def nic_policies(context: Context) -> None:
    with _beside_nvme(context) as live:
        guest, model = live.paravisor.guest, live.traffic.model
        for nvme, nic in (("keep", "keep"), ("reset", "keep"), ("keep", "reset"), ("reset", "reset"), ("keep", "keep")):
            what = f"{NVME} {nvme}, {NAME} {nic}"
            guest.check(f"udrvctl set {NVME} policy={nvme} && udrvctl set {NAME} policy={nic}")
            live.come_back()
            io_goes_on(live.paravisor, NVME)
            lost, before = live.lost(), model.stats()
            live.paravisor.update()
            for name, policy in ((NVME, nvme), (NAME, nic)):
                device = wait(f"{what}: {name} did not run", lambda n=name: (d := live.paravisor.device(n))["state"] == "running"
                              and d)
                expect((device["start"] == "resumed") == (policy == "keep"), f"{what}: {name} was {device['start']}")
            live.come_back()
            io_goes_on(live.paravisor, NVME)
            changed = [key for key in CONSTANT if model.stats()[key] != before[key]]
            if nic == "keep":
                expect(not changed, f"{what}: the model's {', '.join(changed)} changed")
                expect(live.lost() == lost, f"{what}: {live.lost() - lost} frames were lost")
            else:
                expect("hwc_established" in changed, f"{what}: the NIC was not set up anew")
        live.finish()
        problems = _nvme_problems(live) + live.paravisor.complaints()
    counted = live.traffic.counted
    assert counted.sender and counted.guest and counted.model_end
    for key in ("duplicated", "corrupt"):
        expect(not counted.sender[key] and not counted.guest[key], f"{key}: {counted.sender[key]}, {counted.guest[key]}")
    expect(not counted.model_end["strict_violations"], counted.model_end["first_violation"])
    expect(not problems, "\n".join(problems))


@case("nic-is-another", "a NIC is another device in the next kernel: nobody adopts it, the memory of the one that was left stays; its neighbour is kept")
def nic_is_another(context: Context) -> None:
    with _beside_nvme(context) as live:
        guest, model = live.paravisor.guest, live.traffic.model
        live.come_back()
        # Our driver finds out that it is no adapter that it knows: once is enough.
        guest.check(f"udrvctl set {NAME} restart-limit=1")
        before = model.stats()
        model.become(OTHER)
        live.paravisor.update()
        device = live.paravisor.device(NVME)
        expect((device["state"], device["start"]) == ("running", "resumed"), f"{NVME} is {device['state']}, {device['start']}")
        io_goes_on(live.paravisor, NVME)
        log = guest.check("dmesg")
        (context.directory / "dmesg").write_text(log + "\n")
        for said in (f"device ID is {OTHER:#x}, but was 0xba in the previous kernel; not adoptable",
                     "[1414:00ba] of the previous kernel was not found; the memory of its user stays reserved"):
            expect(said in log, f"the kernel does not say: {said}")
        device = live.paravisor.device(NAME)
        expect(device["state"] == "failed" and not device.get("start"), f"{NAME} is {device['state']}, {device.get('start')}")
        after = model.stats()
        expect(after["resets"] > before["resets"], f"{NAME} was not reset when it was given up: {model.resets()}")
        expect(not after["strict_violations"], after["first_violation"])
        problems = _nvme_problems(live)
    expect(not problems, "\n".join(problems))
