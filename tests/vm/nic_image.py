# SPDX-License-Identifier: GPL-2.0-or-later
"""An image to test a network interface in: the paravisor's with a bare init, network tools and kernel modules."""
from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import initramfs
from artifacts import NotBuilt

RDINIT = "rdinit=/bare-init"
TOOLS = ("iperf3", "ethtool", "ip")
TOOL_DIRECTORY, MODULE_DIRECTORY = "tools", "modules"
SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def _tool(name: str) -> Path:
    found = shutil.which(name, path=SEARCH)
    if not found:
        raise NotBuilt(f"{name} is not installed: run `scripts/packages.sh model`")
    return Path(found)


def _libraries(program: Path) -> list[Path]:
    """Its shared libraries and its loader, where the loader finds them."""
    out = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    return [Path(p) for p in re.findall(r"(?:=> |^\s+)(/\S+)", out, re.MULTILINE)]


def _depends(module: Path) -> list[str]:
    modinfo = shutil.which("modinfo", path=SEARCH)
    if not modinfo:
        raise NotBuilt("modinfo is not installed: run `scripts/packages.sh model`")
    out = subprocess.run([modinfo, "-F", "depends", str(module)], capture_output=True, text=True, check=True).stdout
    return [name for name in out.strip().split(",") if name]


def module_closure(directory: Path, names: list[str]) -> list[Path]:
    """Modules with all that they depend on, in the order of insertion. One that is not there is built in, or wrong."""
    files = {path.name.removesuffix(".ko").replace("-", "_"): path for path in directory.rglob("*.ko")}
    ordered: list[Path] = []

    def add(name: str) -> None:
        path = files.get(name.replace("-", "_"))
        if path is None or path in ordered:
            return
        for other in _depends(path):
            add(other)
        ordered.append(path)

    for name in names:
        add(name)
    return ordered


def build(image: Path, out: Path, modules: list[Path]) -> Path:
    """Tools are in /tools and modules in /modules, for a shell on ttyS1 and without a share."""
    files: dict[str, tuple[int, bytes]] = {"bare-init": (stat.S_IFREG | 0o755, initramfs.NO_SHARE_INIT.encode())}

    def add(name: str, source: Path) -> None:
        for parent in reversed(Path(name).parents[:-1]):
            files.setdefault(str(parent), (stat.S_IFDIR | 0o755, b""))
        files[name] = (stat.S_IFREG | 0o755, source.read_bytes())

    for tool in map(_tool, TOOLS):
        add(f"{TOOL_DIRECTORY}/{tool.name}", tool)
        for library in _libraries(tool):
            add(str(library).lstrip("/"), library)
    for module in modules:
        add(f"{MODULE_DIRECTORY}/{module.name}", module)
    return initramfs.extended(image, out, files)
