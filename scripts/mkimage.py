#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the paravisor's initramfs: a cpio archive that is the same, byte for byte, for the same programs.

Needs no root: device nodes, owners and times are written into the archive and nowhere else. Files that are
hard links of one another stay so, and are stored once.
"""

import argparse
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile

DIRECTORIES = ("bin", "dev", "etc", "host", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "usr/bin", "usr/sbin")
# The kernel opens /dev/console for init before anybody can mount devtmpfs.
DEVICES = (("dev/console", 0o600, 5, 1), ("dev/null", 0o666, 1, 3), ("dev/kmsg", 0o600, 1, 11))


class Archive:
    """Entries of a newc archive, written in the order of their names."""

    def __init__(self):
        self.entries = {}

    def directory(self, name):
        parts = name.split("/")
        for i in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:i]), (stat.S_IFDIR | 0o755, b"", None))

    def add(self, name, mode, data=b"", device=None):
        if "/" in name:
            self.directory(name.rsplit("/", 1)[0])
        self.entries[name] = (mode, data, device)

    def file(self, name, data, mode=0o755):
        """DATA is bytes; names added with one and the same object become hard links."""
        self.add(name, stat.S_IFREG | mode, data)

    def symlink(self, name, target):
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def write(self, out):
        inodes, links, last = {}, {}, {}
        names = sorted(self.entries)
        for name in names:
            mode, data, _ = self.entries[name]
            key = id(data) if stat.S_ISREG(mode) and data else name
            inodes[name] = key
            links[key] = links.get(key, 0) + 1
            last[key] = name
        numbers = {}
        for name in names:
            mode, data, device = self.entries[name]
            key = inodes[name]
            number = numbers.setdefault(key, len(numbers) + 1)
            # By convention the last of a file's names carries its contents.
            body = data if last[key] == name else b""
            header(out, name, number, mode, links[key], body, device)
        header(out, "TRAILER!!!", 0, 0, 1, b"", None)
        out.write(b"\0" * (-out.tell() % 512))


def header(out, name, number, mode, links, body, device):
    major, minor = device or (0, 0)
    fields = (number, mode, 0, 0, links, 0, len(body), 0, 0, major, minor, len(name) + 1, 0)
    out.write(b"070701" + b"".join(b"%08X" % field for field in fields))
    out.write(name.encode() + b"\0")
    out.write(b"\0" * (-out.tell() % 4))
    out.write(body)
    out.write(b"\0" * (-out.tell() % 4))


def stripped(path):
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "stripped")
        subprocess.run(["strip", "--strip-all", "-o", out, path], check=True)
        with open(out, "rb") as file:
            return file.read()


def closure(path):
    """The shared libraries of PATH and its loader: none for a static program."""
    run = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        return []
    if "not found" in run.stdout:
        sys.exit(f"mkimage: {path}: a shared library is missing:\n{run.stdout}")
    return re.findall(r"(?:=> |^\s+)(/\S+)", run.stdout, re.MULTILINE)


def add_programs(archive, paths):
    contents = {}
    for path in paths:
        status = os.stat(path)
        key = (status.st_dev, status.st_ino)
        if key not in contents:
            contents[key] = stripped(path)
        name = os.path.basename(path)
        archive.file("bin/" + name, contents[key])
        if name == "udrv-init":
            archive.file("init", contents[key])
        for library in closure(path):
            if library.lstrip("/") not in archive.entries:
                archive.file(library.lstrip("/"), stripped(library))


def add_busybox(archive, path):
    with open(path, "rb") as file:
        archive.file("bin/busybox", file.read())
    applets = subprocess.run([path, "--list-full"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    for applet in applets:
        if applet not in archive.entries and applet != "init":
            archive.symlink(applet, "/bin/busybox")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", required=True)
    parser.add_argument("--busybox", help="a static busybox")
    parser.add_argument("--compress", choices=("none", "zstd"), default="none")
    parser.add_argument("programs", nargs="+", help="programs for /bin; udrv-init is also /init")
    args = parser.parse_args()

    archive = Archive()
    for name in DIRECTORIES:
        archive.directory(name)
    archive.entries["tmp"] = (stat.S_IFDIR | 0o1777, b"", None)
    for name, mode, major, minor in DEVICES:
        archive.add(name, stat.S_IFCHR | mode, device=(major, minor))
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
    archive.file("etc/group", b"root:x:0:\n", 0o644)
    add_programs(archive, args.programs)
    if "init" not in archive.entries:
        sys.exit("mkimage: no udrv-init among the programs, so the image would have no /init")
    if args.busybox:
        add_busybox(archive, args.busybox)

    partial = args.output + ".partial"
    with open(partial, "wb") as out:
        archive.write(out)
    if args.compress == "zstd":
        if not shutil.which("zstd"):
            sys.exit("mkimage: zstd is not installed")
        subprocess.run(["zstd", "-q", "-f", "-19", "--no-check", partial, "-o", partial + ".zst"], check=True)
        os.unlink(partial)
        partial += ".zst"
    os.rename(partial, args.output)


if __name__ == "__main__":
    main()
