# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU: find one that is new enough, choose an accelerator, build a machine, run it."""
from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import artifacts
from guest import Guest
from qmp import QMP, QMPError
from stream import LineStream

MINIMUM = (10, 1)
PR_SET_PDEATHSIG = 1
VFIO_USER_TIMEOUT_MS = 60_000
# TCG carries out a string instruction byte by byte: a kernel must not take one for the fast way to clear or copy.
TCG_CPU = "-erms,-fsrm,-fsrs,-fzrm"
TCG_CODE_MIB = 256      # of translated code, where all of it is in memory from the start; QEMU's own choice is up to 1 GiB
CAP_IPC_LOCK = 14

# What the witness reads, and what a human wants beside it. `pci_nvme_err_*` and `pci_nvme_ub_*` are the
# controller's complaints (invalid doorbells among them); the IOAPIC's writes show a kernel going down.
TRACE_EVENTS = """
pci_nvme_pci_reset
pci_nvme_mmio_cfg
pci_nvme_mmio_aqattr
pci_nvme_mmio_asqaddr
pci_nvme_mmio_asqaddr_hi
pci_nvme_mmio_acqaddr
pci_nvme_mmio_acqaddr_hi
pci_nvme_mmio_start_success
pci_nvme_mmio_stopped
pci_nvme_mmio_shutdown_set
pci_nvme_mmio_shutdown_cleared
pci_nvme_mmio_doorbell_cq
pci_nvme_mmio_doorbell_sq
pci_nvme_create_sq
pci_nvme_create_cq
pci_nvme_del_sq
pci_nvme_del_cq
pci_nvme_identify_*
pci_nvme_admin_cmd
pci_nvme_io_cmd
pci_nvme_enqueue_req_completion
pci_nvme_irq_msix
pci_nvme_irq_masked
pci_nvme_irq_pin
pci_nvme_err_*
pci_nvme_ub_*
msix_write_config
pci_cfg_write
pci_update_mappings_add
pci_update_mappings_del
ioapic_mem_write
"""


class NoQemu(Exception):
    """There is no QEMU to use, or it does not start."""


def version(binary: str) -> tuple[int, ...]:
    """The version of a QEMU binary; (0,) if it does not run."""
    try:
        out = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return (0,)
    match = re.search(r"version (\d+)\.(\d+)\.(\d+)", out)
    return tuple(int(n) for n in match.groups()) if match else (0,)


def find() -> str:
    """A QEMU of PATH if it is new enough, else the one that `make qemu` has provided."""
    name = "qemu-system-x86_64"
    tried = []
    for candidate in (shutil.which(name), str(artifacts.build_dir() / "qemu" / name)):
        if candidate and os.access(candidate, os.X_OK):
            found = version(candidate)
            if found >= MINIMUM:
                return candidate
            tried.append(f"{candidate} ({'.'.join(map(str, found))})")
    wanted = ".".join(map(str, MINIMUM))
    raise NoQemu(f"no {name} of version {wanted} or newer: found {', '.join(tried) or 'none'}; run `make qemu`")


def _kvm_boots(binary: str, kernel: Path, limit: float) -> bool:
    """Does a kernel really run under KVM? Without a root it panics, which ends the guest."""
    command = [binary, "-M", "q35", "-accel", "kvm", "-cpu", "max", "-m", "512M", "-nodefaults", "-nographic",
               "-no-reboot", "-serial", "stdio", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    try:
        run = subprocess.run(command, capture_output=True, timeout=limit, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"Linux version" in run.stdout


def accelerator(binary: str, kernel: Path, limit: float = 10.0) -> str:
    """`kvm` or `tcg`, by ACCEL; `auto` means KVM only if a guest boots on it within the limit."""
    wanted = os.environ.get("ACCEL") or "auto"
    if wanted in ("tcg", "kvm"):
        return wanted
    if wanted != "auto":
        raise NoQemu(f"ACCEL={wanted}: must be auto, tcg or kvm")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    return "kvm" if _kvm_boots(binary, kernel, limit) else "tcg"


@dataclass
class Namespace:
    """Backed by a raw file, or by null-co with a latency if there is no file."""
    size: int = 1 << 30
    file: Path | None = None
    latency_ns: int = 0
    throttled: bool = False
    detached: bool = False      # of a subsystem: no controller has it until it is attached


@dataclass
class Controller:
    name: str
    namespaces: list[Namespace]
    root_port: bool = True
    queues: int = 8
    mqes: int = 2047
    vfs: int = 0                # VFs that it has to give
    neighbour: bool = False     # its subsystem has another controller, without a namespace, which nobody is given
    properties: dict[str, object] = field(default_factory=dict)

    def node(self, nsid: int) -> str:
        return f"{self.name}n{nsid}"

    def throttle_group(self, nsid: int) -> str:
        return f"{self.name}t{nsid}"


@dataclass
class VfioUser:
    """A device that another process serves; it must listen before QEMU starts."""
    name: str
    socket: Path
    root_port: bool = True


def addresses(devices: Sequence[Controller | VfioUser]) -> dict[str, str]:
    """Where each device will be: behind the n-th root port it is on bus n, else it has its own slot on bus 0."""
    found: dict[str, str] = {}
    ports = 0
    for slot, device in enumerate(devices, 1):
        ports += device.root_port
        found[device.name] = f"0000:{ports:02x}:00.0" if device.root_port else f"0000:00:{slot:02x}.0"
    return found


def may_lock_memory() -> bool:
    """Whether QEMU may keep all of its memory in the host's."""
    status = Path("/proc/self/status").read_text()
    capabilities = int(re.findall(r"^CapEff:\s*([0-9a-f]+)$", status, re.M)[0], 16)
    return bool(capabilities >> CAP_IPC_LOCK & 1) or resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY


@dataclass
class Machine:
    """What to run. `directory` gets console.log, qemu-trace.log and qemu.log."""
    directory: Path
    kernel: Path
    initrd: Path
    cmdline: str
    controllers: list[Controller] = field(default_factory=list)
    vfio_user: list[VfioUser] = field(default_factory=list)     # they come after the controllers
    share: Path | None = None
    memory: str = "1G"
    cpus: int = 2
    accel: str = "tcg"
    cpu: str = "max"
    resident: bool = False              # as a machine's memory: the host takes none of the guest's time to find it
    extra: list[str] = field(default_factory=list)
    trace_events: str = TRACE_EVENTS    # "": a measurement wants none

    def arguments(self, binary: str, sockets: Path) -> list[str]:
        kvm = self.accel == "kvm"
        # A split irqchip leaves the IOAPIC in QEMU, so that its writes are in the trace under KVM as well.
        args = [binary, "-M", "q35,kernel-irqchip=split" if kvm else "q35",
                "-cpu", self.cpu if kvm else f"{self.cpu},{TCG_CPU}",
                "-smp", str(self.cpus), "-m", self.memory, "-nodefaults", "-display", "none", "-no-reboot",
                "-kernel", str(self.kernel), "-initrd", str(self.initrd), "-append", self.cmdline,
                "-chardev", f"socket,id=console,path={sockets}/console,logfile={self.directory}/console.log",
                "-serial", "chardev:console",
                "-chardev", f"socket,id=shell,path={sockets}/shell", "-serial", "chardev:shell",
                "-qmp", f"unix:{sockets}/qmp,server=off",
                "-msg", "timestamp=on", "-D", str(self.directory / "qemu-trace.log"),
                "-trace", f"events={self.directory}/trace-events"]
        args += self._acceleration(kvm)
        if self.share:
            args += ["-fsdev", f"local,id=host,path={self.share},security_model=none",
                     "-device", "virtio-9p-pci,fsdev=host,mount_tag=host,addr=1e"]
        for slot, controller in enumerate(self.controllers, 1):
            args += self._controller(controller, slot)
        for slot, device in enumerate(self.vfio_user, 1 + len(self.controllers)):
            args += self._vfio_user(device, slot)
        if self.vfio_user:
            # Memory that the server can map as well.
            args += ["-object", f"memory-backend-memfd,id=ram,size={self.memory},share=on", "-machine", "memory-backend=ram"]
        return args + self.extra + shlex.split(os.environ.get("QEMU_EXTRA", ""))

    @staticmethod
    def _bus(root_port: bool, slot: int) -> tuple[str, list[str]]:
        """A bus for a device of its own, and the arguments that make it."""
        if not root_port:
            return "pcie.0", []
        bus = f"port{slot}"
        return bus, ["-device", f"pcie-root-port,id={bus},bus=pcie.0,addr={slot},slot={slot},chassis={slot}"]

    @classmethod
    def _vfio_user(cls, device: VfioUser, slot: int) -> list[str]:
        bus, args = cls._bus(device.root_port, slot)
        # A server that answers late has its connection broken off: leave it the time that a busy machine takes.
        properties: dict[str, object] = {
            "driver": "vfio-user-pci", "id": device.name, "bus": bus, "x-msg-timeout": VFIO_USER_TIMEOUT_MS,
            "socket": {"type": "unix", "path": str(device.socket)}}
        if not device.root_port:
            properties["addr"] = f"{slot:x}"
        return args + ["-device", json.dumps(properties)]

    def _acceleration(self, kvm: bool) -> list[str]:
        locked = ["-overcommit", "mem-lock=on"] if self.resident and may_lock_memory() else []
        size = f",tb-size={TCG_CODE_MIB}" if locked else ""
        return ["-accel", "kvm" if kvm else f"tcg,thread=multi{size}"] + locked

    @classmethod
    def _controller(cls, ctrl: Controller, slot: int) -> list[str]:
        bus, args = cls._bus(ctrl.root_port, slot)
        props: dict[str, object] = {"max_ioqpairs": ctrl.queues, "msix_qsize": ctrl.queues + 1, "mqes": ctrl.mqes}
        subsystem = f"{ctrl.name}-subsystem"
        if ctrl.vfs or ctrl.neighbour:
            args += ["-device", f"nvme-subsys,id={subsystem}"]
            props.update(subsys=subsystem)
        if ctrl.vfs:
            # What is flexible, is not the physical function's.
            props.update(sriov_max_vfs=ctrl.vfs, sriov_vq_flexible=2 * ctrl.vfs,
                         sriov_vi_flexible=ctrl.vfs, max_ioqpairs=ctrl.queues + 2 * ctrl.vfs,
                         msix_qsize=ctrl.queues + 1 + ctrl.vfs)
        props.update(ctrl.properties)
        where = "" if ctrl.root_port else f"addr={slot},"
        args += ["-device", f"nvme,id={ctrl.name},serial=udrv-{ctrl.name},bus={bus},{where}" +
                 ",".join(f"{k}={v}" for k, v in props.items())]
        for nsid, ns in enumerate(ctrl.namespaces, 1):
            node = ctrl.node(nsid)
            below = f"{node}-file" if ns.throttled else node
            if ns.file:
                args += ["-blockdev", f"driver=raw,node-name={below},file.driver=file,file.filename={ns.file}"]
            else:
                # Nothing is kept there. QEMU flushes everything at its end, and each flush would take the latency.
                args += ["-blockdev", f"driver=null-co,node-name={below},size={ns.size},read-zeroes=on,"
                         f"latency-ns={ns.latency_ns},cache.no-flush=on"]
            if ns.throttled:
                group = ctrl.throttle_group(nsid)
                args += ["-object", f"throttle-group,id={group}",
                         "-blockdev", f"driver=throttle,node-name={node},throttle-group={group},file={below}"]
            more = ",shared=off" if ctrl.neighbour and not ns.detached else ",detached=on" if ns.detached else ""
            args += ["-device", f"nvme-ns,drive={node},bus={ctrl.name},nsid={nsid}{more}"]
        if ctrl.neighbour:
            args += ["-device", f"nvme,id={ctrl.name}-neighbour,serial=udrv-{ctrl.name},subsys={subsystem},bus=pcie.0,addr=1d"]
        return args


def die_with_parent() -> None:
    """In the child: nothing outlives a harness that was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class VM:
    """A running machine. Use as a context manager: leaving it ends QEMU."""

    def __init__(self, machine: Machine, binary: str | None = None) -> None:
        self.machine = machine
        directory = machine.directory
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "trace-events").write_text(machine.trace_events.strip() + "\n")
        (directory / "qemu-trace.log").unlink(missing_ok=True)
        # A socket's path is short; a build directory's need not be.
        self._sockets = Path(tempfile.mkdtemp(prefix="udrv-vm-"))
        listeners = {name: self._listen(name) for name in ("console", "shell", "qmp")}
        command = machine.arguments(binary or find(), self._sockets)
        (directory / "qemu-command").write_text(shlex.join(command) + "\n")
        self._log = open(directory / "qemu.log", "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
                                        preexec_fn=die_with_parent)
        try:
            self.console = LineStream("console", listeners["console"])
            self.shell = LineStream("shell", listeners["shell"])
            self.qmp = QMP(listeners["qmp"])
        except (OSError, QMPError) as e:
            self.stop()
            text = (directory / "qemu.log").read_text(errors="replace").strip()
            raise NoQemu(f"QEMU did not start: {text or e}") from e
        finally:
            for listener in listeners.values():
                listener.close()
        self.guest = Guest(self.shell)

    def _listen(self, name: str) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._sockets / name))
        listener.listen(1)
        return listener

    def throttle(self, group: str, iops: int) -> None:
        """Limit a throttle group to `iops` requests a second; 0 lifts the limit."""
        self.qmp.execute("qom-set", path=f"/objects/{group}", property="limits", value={"iops-total": iops})

    @property
    def trace(self) -> Path:
        return self.machine.directory / "qemu-trace.log"

    def wait_exit(self, timeout: float) -> int:
        """Wait for QEMU to end by itself (the guest powers off)."""
        return self.process.wait(timeout)

    def stop(self) -> None:
        """End QEMU, whatever it does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for name in ("console", "shell", "qmp"):
            part = getattr(self, name, None)
            if part:
                part.close()
        self._log.close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def __enter__(self) -> VM:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
