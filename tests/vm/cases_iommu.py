# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests behind an IOMMU: the same drivers, the same I/O; updates that keep the device are for noiommu mode."""
from __future__ import annotations

from cases import Context, case, expect
from live import Live

IOMMU = ["-device", "intel-iommu,intremap=off"]
# Our kernel remaps no interrupts, without which iommufd binds no device unless it is told to.
CMDLINE = "intel_iommu=on iommufd.allow_unsafe_interrupts=1"
UPDATE = "update --kernel /host/bzImage --image /host/image"


@case("iommu-mode", "behind an IOMMU I/O is the same, and an update that would have to keep the device is refused")
def iommu_mode(context: Context) -> None:
    with Live(context, cmdline=CMDLINE, extra=IOMMU) as live:
        bdf = live.bdfs["nvme0"]
        live.guest.check(f"test -e /sys/bus/pci/devices/{bdf}/iommu_group")     # or the test would show nothing
        device = live.running("nvme0", "started")
        expect(not device["noiommu"], "nvme0 is in noiommu mode")
        for _ in range(2):      # the first leaves nothing behind that changes the second
            live.io_goes_on(writes=300)
            live.refused(UPDATE, "nvme0", bdf, "cannot be preserved")
        reasons = [line for line in live.guest.check("dmesg").splitlines() if "liveupdate: " in line]
        expect(len(reasons) == 2 and all("behind an IOMMU" in line for line in reasons), f"the kernel log says: {reasons}")
        live.io_goes_on(writes=300)


@case("iommu-reset", "behind an IOMMU a device goes through an update by an orderly stop and a clean start")
def iommu_reset(context: Context) -> None:
    with Live(context, cmdline=CMDLINE, extra=IOMMU) as live:
        live.excuse("nvme0")
        live.guest.check("udrvctl set nvme0 policy=reset")
        live.io_goes_on()
        live.update()
        device = live.running("nvme0", "started")
        expect(not device["noiommu"], "nvme0 is in noiommu mode after the update")
        live.io_goes_on()
        counters = live.paravisor.verify_status("nvme0")
        expect(not counters["lost"], f"{counters['lost']} commands were lost")
