# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of what the kernel series refuses and guards."""
from __future__ import annotations

import re
import struct

import artifacts
import initramfs
from cases import Context, case, expect
from paravisor import BOOT_TIMEOUT, Paravisor, Setup
from pciconf import CAP_MSI, capabilities
from qemu import Controller, Namespace, addresses
from tap_output import tap_problems

GUARDS = "live_update_guards"
PORT_BUS = "0000:01:00"         # NVMe functions behind a root port
FUNCTIONS = 6
IGB = "0000:02:00.0"            # has MSI, D3 and VFs, which QEMU's NVMe has not by default
VF = "0000:02:10.0"             # its first

# Each refusal is one line of the log, which names the device, or the area, and the reason.
IOMMUFD = "iommufd"
HUGETLB = (IOMMUFD, "IOAS 2: the mapping at IOVA 0x10000 is of hugetlb memory")
DMABUF = (IOMMUFD, "IOAS 2: the mapping at IOVA 0x10000 is of a dma-buf")
IF_CONFIGURED = {HUGETLB: "CONFIG_HUGETLBFS", DMABUF: "CONFIG_VFIO_PCI_DMABUF"}     # memory that not every kernel has
REASONS = [(IOMMUFD, "IOAS 2: the memfd mapped at IOVA 0x100000000 is not preserved"),
           (IOMMUFD, "IOAS 2: the memfd mapped at IOVA 0x100000000 is not preserved"),
           (PORT_BUS, "the iommufd that the device is bound to is not preserved"),
           (PORT_BUS, "the iommufd that the device is bound to is not preserved"),
           (IOMMUFD, "IOAS 2: the mapping at IOVA 0x10000 is of anonymous memory"),
           (IOMMUFD, "IOAS 2: the memfd mapped at IOVA 0x10000 is not preserved"),
           (IOMMUFD, "IOAS 2: the page mapped at IOVA 0x11000 is no longer in its memfd"),
           HUGETLB,
           DMABUF,
           (IOMMUFD, "IOAS 4: the mapping at IOVA 0x10000 is of no device without an IOMMU"),
           (IOMMUFD, "HWPT 4 was not made by attaching a device"),
           (PORT_BUS, "not the cdev file that the device was bound"),
           (PORT_BUS, "INTx or MSI is in use"),
           (IGB, "INTx or MSI is in use"),
           (IGB, "device is in D3hot"),
           (IGB, "the device is in low power mode"),
           (VF, "VFs can not be preserved"),
           (IGB, "device has enabled VFs"),
           (PORT_BUS, "INTx or MSI is in use"),     # of the second device, at the reboot, two times
           (PORT_BUS, "INTx or MSI is in use")]

# The same in the next kernel, where nothing but what was preserved is good enough
STRANGE = (PORT_BUS, "not attached to what it was attached to in the previous kernel")
REASONS_AFTER = [STRANGE, STRANGE,
                 (PORT_BUS, "IOAS 2 has not got the mapping at IOVA 0x140000000"),
                 (PORT_BUS, "the page at IOVA 0x140000000 is at "),
                 (PORT_BUS, "the page at IOVA 0x140000000 is at "),
                 (PORT_BUS, "IOAS 2 has not got the mapping at IOVA 0x140000000"),
                 STRANGE, STRANGE]


def _guard_devices() -> list[str]:
    args = ["-device", "pcie-root-port,id=port1,bus=pcie.0,addr=1,slot=1,chassis=1",
            "-device", "pcie-root-port,id=port2,bus=pcie.0,addr=2,slot=2,chassis=2",
            "-device", "igb,bus=port2"]
    # Function 0 comes last: it makes the others visible.
    for function in reversed(range(FUNCTIONS)):
        args += ["-blockdev", f"driver=null-co,node-name=n{function},size=1048576",
                 "-device", f"nvme,serial=guards{function},drive=n{function},bus=port1,addr=0.{function},multifunction=on"]
    return args


def _once(text: str) -> str:
    """Under load the serial line has been seen to double a character."""
    return re.sub(r"(.)\1+", r"\1", text)


def _said(log: str) -> list[tuple[str, str]]:
    return re.findall(r"(?:vfio-pci +(?=\S+: +live)|\b(?=iommufd: +live))(\S+): +live ?update: +(.*)", log)


def _reason_problems(said: list[tuple[str, str]], reasons: list[tuple[str, str]]) -> list[str]:
    if len(said) == len(reasons) and all(_once(who).startswith(_once(at)) and _once(text).startswith(_once(reason))
                                         for (who, text), (at, reason) in zip(said, reasons)):
        return []
    return [f"the log says {who}: {text}" for who, text in said] or ["the log gives no reason for any refusal"]


@case("live-update-guards", "what the kernel refuses and guards before, during and after a live update", "vm", "kernel")
def live_update_guards(context: Context) -> None:
    setup = context.bare_setup(extra=_guard_devices(), files={GUARDS: artifacts.guest_test(GUARDS)})
    with Paravisor(setup) as paravisor:
        guest, shell = paravisor.guest, paravisor.vm.shell
        guest.wait_ready(BOOT_TIMEOUT)
        install = f"cp /host/{GUARDS} /tmp/ && chmod +x /tmp/{GUARDS}"
        guest.check(install)
        start = guest.send(f"/tmp/{GUARDS} before {PORT_BUS} {IGB} /host/bzImage /host/image 2>&1")
        end, match = shell.wait(r"udrv-shell: ready|^Bail out", 2 * BOOT_TIMEOUT * guest.patience, start)
        before = "\n".join(line.text for line in shell.lines(start, end + 1))
        (context.directory / "before.tap").write_text(before + "\n")
        expect("ready" in match[0], "\n".join(tap_problems(before, "before")))
        guest.wait_ready(BOOT_TIMEOUT)
        guest.check(install)
        _, after = guest.run(f"/tmp/{GUARDS} after {PORT_BUS} {IGB}", BOOT_TIMEOUT)
        (context.directory / "after.tap").write_text(after + "\n")
        (context.directory / "dmesg").write_text(guest.check("dmesg") + "\n")
        complaints = paravisor.complaints()
    problems = tap_problems(before, "before") + tap_problems(after, "after") + complaints
    # The old kernel's log is what it has left on the console, the next one's is all there.
    config = context.kernel.with_name("config").read_text()
    absent = [reason for reason, option in IF_CONFIGURED.items() if f"{option}=y\n" not in config]
    if before.count("# SKIP") != len(absent):
        problems.append(f"{before.count('# SKIP')} refusals were not tried; the kernel's configuration explains {len(absent)}")
    reasons = [reason for reason in REASONS if reason not in absent]
    said = _said((context.directory / "console.log").read_text(errors="replace"))[:len(reasons)]
    problems += _reason_problems(said, reasons)
    said = [line for line in _said((context.directory / "dmesg").read_text()) if "stopping it" not in line[1]]
    problems += _reason_problems(said, REASONS_AFTER)
    expect(not problems, "\n".join(problems))


@case("live-update-lost-devices", "memory of devices that the next kernel does not find stays reserved", "vm", "kernel")
def live_update_lost_devices(context: Context) -> None:
    program = artifacts.guest_test(GUARDS).read_bytes()
    image = initramfs.extended(initramfs.bare(context.image, context.directory / "bare-image"),
                               context.directory / "lost-image", {GUARDS: (0o100755, program)})
    setup = context.setup(image=image, cmdline="rdinit=/bare-init", extra=_guard_devices())
    with Paravisor(setup) as paravisor:
        guest, shell = paravisor.guest, paravisor.vm.shell
        guest.wait_ready(BOOT_TIMEOUT)
        start = guest.send(f"/{GUARDS} lose {PORT_BUS} {IGB} /host/bzImage /host/image 2>&1")
        end, match = shell.wait(r"udrv-shell: ready|^Bail out", 2 * BOOT_TIMEOUT * guest.patience, start)
        before = "\n".join(line.text for line in shell.lines(start, end + 1))
        expect("ready" in match[0], "\n".join(tap_problems(before, "before")))
        guest.wait_ready(BOOT_TIMEOUT)
        _, after = guest.run(f"/{GUARDS} lost {PORT_BUS} {IGB}", BOOT_TIMEOUT)
        dmesg = guest.check("dmesg")
    (context.directory / "after.tap").write_text(after + "\n")
    (context.directory / "dmesg").write_text(dmesg + "\n")
    problems = tap_problems(before, "before") + tap_problems(after, "after")
    for function in range(FUNCTIONS):
        if not re.search(rf"{PORT_BUS}\.{function}: \S+ of the previous kernel was not found; the memory of its user stays", dmesg):
            problems.append(f"the log does not say that {PORT_BUS}.{function} was not found")
    expect(not problems, "\n".join(problems))


class _LeftAlone:
    """A guest with a device of which nothing but its memory is retrieved."""
    FILES = (GUARDS, "plain_kexec")

    def __init__(self, context: Context, paravisor: Paravisor, bdf: str) -> None:
        self.directory = context.directory
        self.guest, self.shell = paravisor.guest, paravisor.vm.shell
        self.bdf = bdf
        self.kernels = 0
        self._begin()

    @classmethod
    def setup(cls, context: Context, devices: list[str]) -> Setup:
        return context.bare_setup(extra=devices, files={name: artifacts.guest_test(name) for name in cls.FILES})

    def _begin(self) -> None:
        self.kernels += 1
        self.guest.wait_ready(BOOT_TIMEOUT)
        self.guest.check("cp " + " ".join(f"/host/{name}" for name in self.FILES) + " /tmp/ && chmod +x /tmp/*")

    def leave(self, mode: str) -> None:
        """From the kernel in which the device is preserved to the next one."""
        start = self.guest.send(f"/tmp/{GUARDS} {mode} {PORT_BUS} {self.bdf} /host/bzImage /host/image 2>&1")
        end, match = self.shell.wait(r"udrv-shell: ready|^Bail out", 2 * BOOT_TIMEOUT * self.guest.patience, start)
        problems = tap_problems("\n".join(line.text for line in self.shell.lines(start, end + 1)), mode)
        expect("ready" in match[0] and not problems, "\n".join(problems))
        self._begin()

    def kexec(self) -> None:
        """To the next kernel, and what was left stays where it is."""
        start = self.guest.send('/tmp/plain_kexec /host/bzImage /host/image "$(cat /proc/cmdline)"')
        self.shell.wait(r"udrv-shell: ready", 2 * BOOT_TIMEOUT * self.guest.patience, start)
        self._begin()

    def finish(self, mode: str) -> str:
        """Returns the kernel's log."""
        _, said = self.guest.run(f"/tmp/{GUARDS} {mode} {PORT_BUS} {self.bdf}", BOOT_TIMEOUT)
        dmesg = self.guest.check("dmesg")
        (self.directory / f"dmesg-{self.kernels}").write_text(dmesg + "\n")
        problems = tap_problems(said, mode)
        expect(not problems, "\n".join(problems))
        return dmesg


@case("live-update-no-reset", "a device that cannot be reset stays unusable, and its memory reserved", "vm", "kernel")
def live_update_no_reset(context: Context) -> None:
    # On the root bus, so that there is no bus to be reset, and with neither FLR nor power management.
    edu = "0000:00:09.0"
    with Paravisor(_LeftAlone.setup(context, ["-device", "edu,bus=pcie.0,addr=9"])) as paravisor:
        left = _LeftAlone(context, paravisor, edu)
        left.leave("leave")
        dmesg = left.finish("left")
    expect(re.search(rf"{edu}: live update: reset failed \S+ the device can't be used and the memory", dmesg),
           f"the log does not say that {edu} cannot be reset")


@case("live-update-bus-reset", "a device that can only be reset with its bus is stopped so, by finish or by the next kexec", "vm", "kernel")
def live_update_bus_reset(context: Context) -> None:
    edu = f"{PORT_BUS}.0"
    devices = ["-device", "pcie-root-port,id=port1,bus=pcie.0,addr=1,slot=1,chassis=1", "-device", "edu,bus=port1"]
    with Paravisor(_LeftAlone.setup(context, devices)) as paravisor:
        left = _LeftAlone(context, paravisor, edu)
        left.leave("leave-bus")
        expect(_msi_address(paravisor, edu), "the device was reset before anybody has given it up")
        left.kexec()
        expect(not _msi_address(paravisor, edu), "a kexec that nobody had prepared has not reset the device")
        left.leave("leave-bus")
        dmesg = left.finish("bus-reset")
        problems = paravisor.complaints()
    console = (context.directory / "console.log").read_text(errors="replace")
    problems += re.findall(".*(?:reset failed|can't be reset).*", dmesg + console)
    expect(not problems, "\n".join(problems))


def _msi_address(paravisor: Paravisor, bdf: str) -> int:
    config = paravisor.config.config(bdf)
    return struct.unpack_from("<I", config, capabilities(config)[CAP_MSI] + 4)[0]


def _run_probe(context: Context, name: str, controllers: list[Controller], arguments: str = "") -> None:
    with Paravisor(context.bare_setup(controllers=controllers, files={name: artifacts.guest_test(name)})) as paravisor:
        paravisor.guest.wait_ready(BOOT_TIMEOUT)
        status, output = paravisor.guest.run(f"cp /host/{name} /tmp/ && chmod +x /tmp/{name} && /tmp/{name} {arguments}", 60)
        (context.directory / "output").write_text(output + "\n")
    bad = [line for line in output.splitlines() if line.startswith("not ok")]
    expect(not bad, "\n".join(bad))
    expect(status == 0, f"exit status {status}: {output[-400:]}")
    expect(re.search(r"^ok\b", output, re.MULTILINE), "it checked nothing")


@case("kexec-load-refused", "the kernel refuses a live update into an image loaded with kexec_load(2)", "vm", "kernel")
def kexec_load_refused(context: Context) -> None:
    _run_probe(context, "kexec_load", [])


@case("upstream-pieces", "what we rely on upstream for: noiommu cdev, pinned IOAS, GET_PA, CAP_SYS_RAWIO", "vm", "kernel")
def upstream_pieces(context: Context) -> None:
    controller = Controller("nvme0", [Namespace()])
    _run_probe(context, "upstream_pieces", [controller], addresses([controller])["nvme0"])


@case("selftest", "the series' own selftest of vfio-pci, from one kernel to the next", "vm", "kernel")
def selftest(context: Context) -> None:
    names = ("luo_vfio_pci", "plain_kexec")
    controller = Controller("nvme0", [Namespace()])
    bdf = addresses([controller])["nvme0"]
    setup = context.bare_setup(controllers=[controller], files={name: artifacts.guest_test(name) for name in names})
    device = f"/sys/bus/pci/devices/{bdf}"
    with Paravisor(setup) as paravisor:
        guest, shell = paravisor.guest, paravisor.vm.shell

        def stage(number: int) -> str:
            guest.check("cp " + " ".join(f"/host/{name}" for name in names) + " /tmp/ && chmod +x /tmp/*")
            status, output = guest.run(f"VFIO_SELFTESTS_BDF={bdf} /tmp/luo_vfio_pci -s {number} 2>&1", 60)
            (context.directory / f"stage-{number}").write_text(output + "\n")
            expect(status == 0 and "SKIP" not in output, f"stage {number}: exit status {status}: {output[-400:]}")
            return output

        guest.wait_ready(BOOT_TIMEOUT)
        guest.check(f"if [ -e {device}/driver ]; then echo {bdf} > {device}/driver/unbind; fi; "
                    f"echo vfio-pci > {device}/driver_override && echo {bdf} > /sys/bus/pci/drivers_probe")
        stage(1)
        start = guest.send('/tmp/plain_kexec /host/bzImage /host/image "$(cat /proc/cmdline)"')
        shell.wait(r"udrv-shell: ready", BOOT_TIMEOUT * guest.patience, start)
        guest.wait_ready(BOOT_TIMEOUT)
        expect("VFIO PCI TEST PASSED" in stage(2), "it does not say that it has passed")
        problems = paravisor.complaints()
    expect(not problems, "\n".join(problems))
