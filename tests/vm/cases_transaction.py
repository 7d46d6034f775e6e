# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of the update as a transaction: called off, refused, too slow, committed later, and not for every device."""
from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import artifacts
from cases import Context, case, expect, wait
from live import Live

FILES = "--kernel /host/bzImage --image /host/image"


def _stage(live: Live) -> dict[str, str]:
    return live.paravisor.status()["update"]


@case("update-called-off", "an update is undone by --abort, by its time limits, by the agent's death, and after a dry run")
def update_called_off(context: Context) -> None:
    with Live(context) as live:
        guest = live.guest
        guest.check(f"udrvctl update {FILES} --dry-run")
        expect("can be done" in _stage(live)["last"], "a dry run leaves no trace")
        live.refused("update --abort", "no update is under way")
        live.refused("update --commit", "no update is prepared")
        live.io_goes_on()

        guest.check(f"udrvctl update {FILES} --prepare")
        expect(_stage(live)["stage"] == "prepared", f"after --prepare: {_stage(live)}")
        live.io_goes_on()
        live.refused(f"update {FILES}", "under way", "prepared")
        live.refused("set nvme0 policy=reset", "under way")
        guest.check("udrvctl update --abort")
        expect(_stage(live)["stage"] == "none", f"after --abort: {_stage(live)}")
        expect("aborted" in _stage(live)["last"], f"after --abort: {_stage(live)}")
        live.io_goes_on()

        guest.check(f"udrvctl update {FILES} --prepare --hold 1")
        wait("a prepared update was not given up", lambda: _stage(live)["stage"] == "none")
        expect("neither committed nor aborted" in _stage(live)["last"], f"after --hold: {_stage(live)}")
        live.io_goes_on()

        # To look through ten megabytes, and to load them, takes longer than that on any machine.
        live.refused(f"update {FILES} --deadline 0.001", "took longer than 0.001 s")
        live.io_goes_on()

        said = guest.check("dmesg | grep 'udrv-agent: ready'").splitlines()
        expect(len(said) == 1, f"nothing has changed since its devices run, and the agent says again that they do: {said}")
        guest.check(f"udrvctl update {FILES} --prepare")
        agent = guest.check("pidof udrv-agent").strip()
        guest.check(f"kill -9 {agent}")
        wait("there was no other agent", lambda: guest.check("pidof udrv-agent").strip() != agent and live.running("nvme0"))
        expect(_stage(live)["stage"] == "none", f"after the agent's death: {_stage(live)}")
        live.io_goes_on()

        guest.check(f"udrvctl update {FILES} --prepare")
        live.io_goes_on()
        live.commit()
        live.running("nvme0", "resumed")
        report = live.paravisor.update_report()
        expect(not report["degraded"], f"degraded: {report['degraded']}")
        names = [phase["name"] for phase in report["phases"]]
        for name in ("check", "load", "preserve-memory-nvme0", "preserve-device-nvme0"):
            expect(name in names, f"{name} is not among the phases {names}")
        after = [phase["name"] for phase in report["phases_after"]]
        for name in ("retrieve-nvme0", "adopt-nvme0", "finish", "settle"):
            expect(name in after, f"{name} is not among the phases after the kexec {after}")
        # The agent that took part has told PID 1 what it knew.
        agent = guest.check("pidof udrv-agent").strip()
        guest.check(f"kill -9 {agent}")
        wait("there was no other agent", lambda: guest.check("pidof udrv-agent").strip() != agent and live.running("nvme0"))
        later = live.paravisor.update_report()
        for key in ("cycle", "phases", "phases_after", "degraded"):
            expect(later[key] == report[key], f"after the agent's death {key} is {later[key]}, was {report[key]}")
        live.io_goes_on()


@case("given-up-while-prepared", "a device that is given up while an update waits does not stop it, nor keep its owner from learning what was lost")
def given_up_while_prepared(context: Context) -> None:
    with Live(context, 2) as live:
        guest = live.guest
        live.excuse("nvme1")
        live.io_goes_on()
        guest.check("udrvctl set nvme1 restart-limit=1 restart-max-ms=100")
        live.let_no_host_live("nvme1")
        guest.check(f"udrvctl update {FILES} --prepare")
        guest.check(f"kill -9 {live.device('nvme1')['pid']}")
        wait("the device was not given up", lambda: live.device("nvme1")["state"] == "failed")
        expect(_stage(live)["stage"] == "prepared", f"after that: {_stage(live)}")
        live.commit()
        live.running("nvme0", "resumed")
        live.running("nvme1", "started")
        live.io_goes_on()


@case("asked-all-the-time", "updates while status, log pages and configuration space are asked for without a pause: they change nothing")
def asked_all_the_time(context: Context) -> None:
    ask = "udrvctl status; udrvctl smart-log nvme0; udrvctl error-log nvme1; udrvctl inspect nvme0; udrvctl update --report"
    with Live(context, 2) as live:
        for _ in range(2):
            for _ in range(2):
                live.guest.check(f"(while echo; do {ask}; done > /tmp/asked 2>&1 &)")
            wait("nothing was answered", lambda: "critical_warning" in live.guest.check("cat /tmp/asked"))
            live.io_goes_on()
            live.update()
            for name in live.names:
                device = live.running(name, "resumed")
                wait(f"{name} has other admin commands than its event request",
                     lambda n=name: live.device(n)["nvme"]["outstanding"][0] == 1)
                expect(not device["nvme"]["resets"], f"{name} was reset")
            live.io_goes_on()


@case("update-policies", "keep, reset and detach: one device that cannot be kept does not stop the update of the others")
def update_policies(context: Context) -> None:
    files = {"break_device": artifacts.guest_test("break_device")}
    with Live(context, 3, files=files) as live:
        guest, bdfs = live.guest, live.bdfs
        live.excuse("nvme1")
        live.forget("nvme2")
        live.refused("set nvme1 policy=burn", "keep, reset or detach")
        live.refused("set nvme9 policy=keep", "no such device")
        # It reaches a page that belongs to no memfd: the kernel cannot keep that.
        guest.check(f"/tmp/break_device {bdfs['nvme1']} anonymous")
        live.refused(f"update {FILES}", "nvme1", bdfs["nvme1"], "policy")
        live.io_goes_on("nvme0", "nvme2")
        guest.check("udrvctl set nvme1 policy=reset restart-limit=7")
        guest.check("udrvctl set nvme2 policy=detach")
        # What is set outlives the agent.
        agent = guest.check("pidof udrv-agent").strip()
        guest.check(f"kill -9 {agent}")
        wait("there was no other agent", lambda: live.device("nvme1")["policy"] == "reset")
        expect(live.device("nvme1")["restart_limit"] == 7, "restart-limit was forgotten")
        for name in live.names:
            live.running(name)

        live.update()
        live.running("nvme0", "resumed")
        live.running("nvme1", "started")
        expect(live.device("nvme2")["state"] == "detached", f"nvme2 is {live.device('nvme2')['state']}")
        expect(live.device("nvme1")["restart_limit"] == 7, "restart-limit did not cross the kexec")
        # It is left to whoever wants it: the kernel's own driver here.
        driver = guest.run(f"readlink /sys/bus/pci/devices/{bdfs['nvme2']}/driver")[1].strip()
        expect(not driver.endswith("vfio-pci"), "a detached device was bound to vfio-pci")
        report = live.paravisor.update_report()
        decisions = {d["name"]: d["decision"] for d in report["devices"]}
        expect(decisions == {"nvme0": "keep", "nvme1": "reset", "nvme2": "detach"}, f"the report says {decisions}")
        expect(not report["degraded"], f"degraded: {report['degraded']}")
        live.io_goes_on("nvme0", "nvme1")
        # It was stopped in an orderly way: its workload went on where it was, and lost nothing.
        counters = live.paravisor.verify_status("nvme1")
        expect(counters["seq"] > 50 and not counters["lost"], f"nvme1 lost {counters['lost']} commands")

        guest.check("udrvctl set nvme2 policy=keep")
        live.running("nvme2", "started")
        live.io_goes_on()
        guest.check("udrvctl set nvme1 policy=keep")
        live.update()
        for name in live.names:
            live.running(name, "resumed")
        live.io_goes_on()


@case("somebody-in-the-way", "an update is refused while another process has /dev/liveupdate or the session: it is named, I/O goes on")
def somebody_in_the_way(context: Context) -> None:
    name = "hold_liveupdate"
    with Live(context, files={name: artifacts.guest_test(name)}) as live:
        guest = live.guest
        for what, said in (("", "/dev/liveupdate is open in"), ("udrv", "holds a session 'udrv'")):
            # It waits for a moment without an agent.
            guest.check(f"(/tmp/{name} {what} > /tmp/held 2>&1 &)")
            pid = wait(f"{name} did not begin", lambda: guest.check(f"pidof {name}").strip())
            agent = guest.check("pidof udrv-agent").strip()
            guest.check(f"kill -9 {agent}")
            wait("nothing was held", lambda: "held" in guest.check("cat /tmp/held"))
            wait("there was no other agent", lambda a=agent: guest.check("pidof udrv-agent").strip() not in ("", a))
            live.running("nvme0")
            for _ in range(2):
                live.refused(f"update {FILES}", said, f"process {pid} ({name})")
                live.io_goes_on()
            guest.check(f"kill {pid}")
            wait("it still holds something", lambda: guest.run(f"pidof {name}")[0])
            live.update()
            live.running("nvme0", "resumed")
            live.io_goes_on()
            guest.check(f"cp /host/{name} /tmp/ && chmod +x /tmp/{name}")


@case("crowded-agent", "more clients than the agent has room for: others wait until one leaves; who reads no answer is hung up on")
def crowded_agent(context: Context) -> None:
    with Live(context, files={"crowd": artifacts.guest_test("crowd")}) as live:
        guest = live.guest
        guest.check("(/tmp/crowd > /tmp/crowded 2>&1 &)")
        wait("the crowd did not connect", lambda: "crowded" in guest.check("cat /tmp/crowded"))
        guest.check("(udrvctl status > /tmp/answer 2>&1 &)")
        # The agent goes on with its own work: a host that dies has a successor, which comes in when there is room.
        host = guest.check("pidof udrv-host").strip()
        guest.check(f"kill -9 {host}")
        wait("there was no other host", lambda: guest.run("pidof udrv-host")[1].strip() not in ("", host))
        expect(not guest.check("cat /tmp/answer"), "there was room for more clients than there is said to be")
        guest.check("kill $(pidof crowd)")
        wait("nobody was served afterwards", lambda: "nvme0" in guest.check("cat /tmp/answer"))
        live.running("nvme0", "resumed")
        guest.check("(/tmp/crowd ask > /tmp/crowded 2>&1 &)")
        wait("who does not read was not hung up on", lambda: "hung up" in guest.check("cat /tmp/crowded"))
        live.running("nvme0", "resumed")
        guest.check("kill $(pidof crowd)")
        live.io_goes_on()


LZ4_LEGACY = 0x184C2102


def _payload(image: bytes) -> int:
    """Where the compressed kernel begins (Documentation/arch/x86/boot.rst)."""
    return 512 * (1 + image[0x1F1]) + struct.unpack_from("<I", image, 0x248)[0]


def _kernel_without(context: Context) -> Path:
    """A kernel of our release whose contents know nothing of a live update: LZ4 has a way to say it uncompressed."""
    image = bytearray(context.kernel.read_bytes())
    kernel = b"\x7fELF" + bytes(64) + b"\0kho\0" + bytes(191)
    literals = bytes([0xF0, len(kernel) - 15]) + kernel
    data = struct.pack("<II", LZ4_LEGACY, len(literals)) + literals + struct.pack("<I", len(kernel))
    start = _payload(image)
    image[start:start + len(data)] = data
    struct.pack_into("<I", image, 0x24C, len(data))
    path = context.directory / "without"
    path.write_bytes(image)
    return path


def _flipped(path: Path) -> bytes:
    """One bit is wrong. A kernel may still unpack: in the end it is the digest that tells."""
    image = bytearray(path.read_bytes())
    image[len(image) // 2] ^= 1
    return bytes(image)


def _cut(context: Context) -> Path:
    path = context.directory / "cut"
    path.write_bytes(context.kernel.read_bytes()[:-100_000])
    return path


@case("bad-payloads", "kernels without LUO, damaged, cut short, or with too large an image are refused before anything is touched")
def bad_payloads(context: Context) -> None:
    files = {"without": _kernel_without(context), "cut": _cut(context), "plain_kexec": artifacts.guest_test("plain_kexec")}
    with Live(context, files=files) as live:
        share = live.paravisor.share
        for name in ("bzImage", "image"):       # what the build has written beside them
            digest = (share / f"{name}.sha256").read_text().split()[0]
            expect(digest == hashlib.sha256((share / name).read_bytes()).hexdigest(), f"{name}.sha256 is of another file")
            (share / f"damaged-{name}").write_bytes(_flipped(share / name))
            (share / f"damaged-{name}.sha256").write_text(f"{digest}  {name}\n")
        # Not copied to the guest's memory: that is what it must not fit into.
        with open(share / "large", "wb") as file:
            file.truncate(900 << 20)
        # Somebody else's, which is not to be unloaded by an update that has not loaded anything.
        live.guest.check("cp /host/plain_kexec /tmp/ && chmod +x /tmp/plain_kexec && "
                         '/tmp/plain_kexec -l /host/bzImage /host/image "$(cat /proc/cmdline)"')
        for kernel, image, reason in (("without", "image", "LUO"), ("damaged-bzImage", "image", "is damaged: its SHA-256"),
                                      ("bzImage", "damaged-image", "its initramfs: the file is damaged"), ("cut", "image", "cut short"),
                                      ("bzImage", "large", "kho_scratch"), ("image", "bzImage", "not a bzImage")):
            live.refused(f"update --kernel /host/{kernel} --image /host/{image}", "next kernel", reason)
            expect(live.guest.check("cat /sys/kernel/kexec_loaded").strip() == "1", "a kernel that somebody else has loaded is gone")
            live.io_goes_on(writes=20)
        live.update()
        live.running("nvme0", "resumed")
        live.io_goes_on()
