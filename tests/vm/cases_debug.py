# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests of what only a debug kernel can tell: that its reports are seen, and that updates leave nothing behind."""
from __future__ import annotations

import os
import re
from dataclasses import dataclass

import artifacts
from cases import Context, case, expect
from complaints import on_console
from guest import Guest
from paravisor import BOOT_TIMEOUT, Paravisor
from qemu import Controller, Namespace
from tap_output import tap_problems

KMEMLEAK = "/sys/kernel/debug/kmemleak"
KMEMLEAK_AGE = 6        # seconds; what is younger than five is not reported
SCAN_TIMEOUT = 300.0    # it reads all memory that the kernel knows of, under KASAN
LKDTM = "/sys/kernel/debug/provoke-crash/DIRECT"
MODULE = "kmemleak-test.ko"
PAGE_KIB = 4
NOISE_KIB = 32          # the kernel is somewhere else each time, and what it leaves at its edges differs

# What lkdtm does wrong when told to, and who reports it.
MISTAKES = {"WARNING": r"WARNING: .*lkdtm",
            "READ_AFTER_FREE": r"KASAN: slab-use-after-free in lkdtm_READ_AFTER_FREE",
            "REFCOUNT_INC_OVERFLOW": r"refcount_t: saturated"}


def _leaks(guest: Guest) -> list[str]:
    """Memory of the kernel that nothing points to any more: one text for each object, with where it was allocated."""
    scan = f"echo scan > {KMEMLEAK}"
    guest.check(f"{scan} && sleep {KMEMLEAK_AGE} && {scan}", SCAN_TIMEOUT)
    found = re.split(r"^(?=unreferenced object)", guest.check(f"cat {KMEMLEAK}", SCAN_TIMEOUT), flags=re.MULTILINE)
    return [text.strip() for text in found if text.strip()]


@case("complaints-are-seen", "a kernel's reports reach the runner, and kmemleak finds what is lost: planted mistakes", "kernel")
def complaints_are_seen(context: Context) -> None:
    module = next((context.kernel.parent / "modules").rglob(MODULE), None)
    expect(module, f"there is no {MODULE} beside {context.kernel}")
    assert module
    setup = context.bare_setup(files={MODULE: module})
    setup.cmdline += " kmemleak=on"
    context.complaints_expected = True
    with Paravisor(setup) as paravisor:
        guest = paravisor.guest
        guest.wait_ready(BOOT_TIMEOUT)
        guest.check("mount -t debugfs debugfs /sys/kernel/debug")
        silent = on_console(context.directory)
        for mistake, report in MISTAKES.items():
            guest.run(f"echo {mistake} > {LKDTM}", BOOT_TIMEOUT)
            seen = on_console(context.directory)
            expect(any(re.search(report, line) for line in seen), f"{mistake}: no {report!r} among {seen}")
        before = _leaks(guest)
        guest.check(f"insmod /host/{MODULE}", BOOT_TIMEOUT)
        after = _leaks(guest)
        (context.directory / "kmemleak").write_text("\n\n".join(after) + "\n")
    expect(not silent, "before anything was planted: " + "\n".join(silent))
    expect(not before, "lost before anything was planted:\n" + "\n".join(before))
    expect(any("kmemleak_test" in text for text in after), f"kmemleak found {len(after)} objects, none of {MODULE}'s")


@dataclass(frozen=True)
class Memory:
    """What a kernel has, in KiB."""
    total: int      # that it manages: what was handed over and not released is not in it
    shmem: int      # in memfds, those that were handed over included


def _memory(guest: Guest) -> Memory:
    values = dict(re.findall(r"^(\w+): +(\d+) kB", guest.check("cat /proc/meminfo"), re.MULTILINE))
    return Memory(int(values["MemTotal"]), int(values["Shmem"]))


@case("no-growth", "updates leave nothing behind: kmemleak, managed and shared memory over LEAK_CYCLES (2) kexecs", "kernel")
def no_growth(context: Context) -> None:
    cycles = max(2, int(os.environ.get("LEAK_CYCLES") or 2))
    seen: list[Memory] = []
    with Paravisor(context.setup(controllers=[Controller("nvme0", [Namespace()])], cmdline="kmemleak=on")) as paravisor:
        paravisor.wait_up()
        for cycle in range(cycles + 1):
            if cycle:
                paravisor.update()
                start = paravisor.device("nvme0")["start"]
                expect(start == "resumed", f"kexec {cycle}: nvme0 was {start}")
            leaks = _leaks(paravisor.guest)
            (context.directory / f"kmemleak-{cycle}").write_text("\n\n".join(leaks) + "\n")
            expect(not leaks, f"after kexec {cycle} {len(leaks)} objects are lost:\n" + "\n".join(leaks[:3]))
            seen.append(_memory(paravisor.guest))
            with open(context.directory / "log", "a", encoding="utf-8") as log:
                log.write(f"kexec {cycle}: {seen[-1]}\n")
    # The first kernel was not started by kexec: it has its memory otherwise.
    first, last = seen[1], seen[-1]
    lost = first.total - last.total
    # So a page for each update is found over 20 of them, and a device's memory over two.
    expect(lost <= NOISE_KIB + (cycles - 1) * PAGE_KIB // 2, f"{lost} KiB are not managed any more after {cycles - 1} more kexecs")
    expect(last.shmem <= first.shmem, f"memfds have grown from {first.shmem} to {last.shmem} KiB")


ALLOCATIONS = "allocation_failures"
BUSES = 3           # with eight functions each
UNREADABLE_KIB = 12 * PAGE_KIB      # a memfd of eight pages, and their list


def _functions() -> list[str]:
    args = []
    for bus in range(1, BUSES + 1):
        args += ["-device", f"pcie-root-port,id=port{bus},bus=pcie.0,addr={bus},slot={bus},chassis={bus}"]
        # Function 0 comes last: it makes the others visible.
        for function in reversed(range(8)):
            name = f"{bus}{function}"
            args += ["-blockdev", f"driver=null-co,node-name=n{name},size=1048576",
                     "-device", f"nvme,serial=a{name},drive=n{name},bus=port{bus},addr=0.{function},multifunction=on"]
    return args


@case("allocation-failures", "every allocation of an update fails once: nothing is stopped, moved or lost by that", "kernel")
def allocation_failures(context: Context) -> None:
    setup = context.bare_setup(extra=_functions(), files={ALLOCATIONS: artifacts.guest_test(ALLOCATIONS)})
    problems: list[str] = []
    memory: list[Memory] = []
    taken: dict[str, str] = {}
    with Paravisor(setup) as paravisor:
        guest, shell = paravisor.guest, paravisor.vm.shell

        def install() -> None:
            guest.wait_ready(BOOT_TIMEOUT)
            guest.check(f"cp /host/{ALLOCATIONS} /tmp/ && chmod +x /tmp/{ALLOCATIONS}")
            guest.check("grep -q debugfs /proc/mounts || mount -t debugfs debugfs /sys/kernel/debug")

        def leave(mode: str) -> None:
            start = guest.send(f"/tmp/{ALLOCATIONS} {mode} 0000:01 /host/bzImage /host/image 2>&1")
            end, match = shell.wait(r"udrv-shell: ready|^Bail out", 2 * BOOT_TIMEOUT * guest.patience, start)
            output = "\n".join(line.text for line in shell.lines(start, end + 1))
            (context.directory / f"{mode}.tap").write_text(output + "\n")
            expect("ready" in match[0], "\n".join(tap_problems(output, f"{mode}, before")))
            problems.extend(tap_problems(output, f"{mode}, before"))
            install()

        def take(mode: str) -> None:
            _, output = guest.run(f"/tmp/{ALLOCATIONS} {mode} 0000:01 2>&1", BOOT_TIMEOUT)
            taken[mode] = output
            (context.directory / f"{mode}.tap").write_text(output + "\n")
            problems.extend(tap_problems(output, f"{mode}, after"))
            memory.append(_memory(guest))
            (context.directory / f"{mode}.dmesg").write_text(guest.check("dmesg") + "\n")
            problems.extend(paravisor.complaints())

        install()
        leave("leave-failing")
        take("take")
        leave("leave")
        take("take-failing")
    # Both kernels were started by kexec, and everything was given back to each: but where the list of a memfd's pages
    # cannot be read (EINVAL), nobody knows them until the next kexec.
    lost = memory[0].total - memory[1].total
    unreadable = len(re.findall(r"retrieve a memfd, .*: -22$", taken["take-failing"], re.MULTILINE))
    if abs(lost) > NOISE_KIB + unreadable * UNREADABLE_KIB:
        problems.append(f"{lost} KiB are not managed any more after what failed")
    expect(not problems, "\n".join(problems))
