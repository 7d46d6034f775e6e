# SPDX-License-Identifier: GPL-2.0-or-later
"""The paravisor's image with Debian's systemd as PID 1, and udrv-agent as a unit of it."""
from __future__ import annotations

import os
import stat
from pathlib import Path

import artifacts
import initramfs

UNIT = Path(__file__).resolve().parents[2] / "udrv" / "agent" / "udrv-agent.service.in"
CMDLINE = ("rdinit=/usr/lib/systemd/systemd systemd.unit=multi-user.target systemd.log_target=kmsg systemd.show_status=0 "
           "printk.devkmsg=on")
UNITS = "etc/systemd/system"
FILE, PROGRAM, LINK = stat.S_IFREG | 0o644, stat.S_IFREG | 0o755, stat.S_IFLNK | 0o777

# Without a journal, what a unit says goes to the kernel's log, as with udrv-init.
DROP_IN = "[Service]\nStandardOutput=file:/dev/kmsg\nStandardError=file:/dev/kmsg\n"
SHELL_UNIT = """[Unit]
After=udrv-agent.service
[Service]
ExecStart=/bin/busybox sh /etc/udrv-shell
Restart=always
KillSignal=SIGKILL
"""
SHELL = """export PATH=/bin:/sbin:/usr/bin
grep -q ' /host ' /proc/mounts || busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 host /host
grep -q debugfs /proc/mounts || busybox mount -t debugfs debugfs /sys/kernel/debug
exec <>/dev/ttyS1 >&0 2>&1
stty -echo -opost
echo udrv-shell: ready
PS1= exec sh
"""


def _configuration() -> dict[str, tuple[int, bytes]]:
    unit = UNIT.read_text().replace("@SBINDIR@", "/bin")
    texts = {
        # The same in each kernel: otherwise systemd takes each boot for the machine's first.
        "etc/machine-id": "75647276000000000000000000000001\n",
        f"{UNITS}/udrv-agent.service": unit,
        f"{UNITS}/udrv-agent.service.d/test.conf": DROP_IN,
        f"{UNITS}/udrv-shell.service": SHELL_UNIT,
        "etc/udrv-shell": SHELL,
    }
    files = {name: (FILE, text.encode()) for name, text in texts.items()}
    for unit_name in ("udrv-agent.service", "udrv-shell.service"):
        files[f"{UNITS}/multi-user.target.wants/{unit_name}"] = (LINK, f"../{unit_name}".encode())
    for tool in ("mount", "umount"):
        files[f"usr/bin/{tool}"] = (LINK, b"/bin/busybox")
    return files


def _root(root: Path) -> dict[str, tuple[int, bytes]]:
    files: dict[str, tuple[int, bytes]] = {"lib": (LINK, b"usr/lib"), "lib64": (LINK, b"usr/lib64")}
    for path in sorted((root / "usr").rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            files[name] = (LINK, os.readlink(path).encode())
        elif path.is_file():
            files[name] = (PROGRAM if os.access(path, os.X_OK) else FILE, path.read_bytes())
    return files


def build(image: Path, out: Path) -> Path:
    files: dict[str, tuple[int, bytes]] = {}
    for name, member in {**_root(artifacts.systemd()), **_configuration()}.items():
        for parent in reversed(Path(name).parents[:-1]):
            files.setdefault(str(parent), (stat.S_IFDIR | 0o755, b""))
        files[name] = member
    return initramfs.extended(image, out, files)
