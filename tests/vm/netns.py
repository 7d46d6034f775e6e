# SPDX-License-Identifier: GPL-2.0-or-later
"""A network namespace with a TAP interface in it: the other end of a NIC's wire, and a network of its own for the test.

The namespace has no name and lives as long as a process that waits for the end of its standard input: whatever ends the
harness ends both, and nothing is left behind.
"""
from __future__ import annotations

import json
import os
import subprocess

IPV4, IPV6 = "10.77.0.1", "fd00:77::1"          # the namespace's own addresses; both with these prefixes
IPV4_PREFIX, IPV6_PREFIX = 24, 64
# No checksum error may be counted here, nor a header that is wrong.
ERRORS = {"Ip": ("InHdrErrors",), "Icmp": ("InCsumErrors", "InErrors"), "Tcp": ("InCsumErrors", "InErrs"),
          "Udp": ("InCsumErrors",), "Ip6": ("InHdrErrors",), "Icmp6": ("InCsumErrors", "InErrors"),
          "Udp6": ("InCsumErrors",)}


class NoNamespace(Exception):
    """This machine does not let us have a network namespace or a TAP interface."""


def counters(snmp: str, snmp6: str) -> dict[str, int]:
    """`Tcp.InErrs` and the like, out of the texts of /proc/net/snmp and /proc/net/snmp6."""
    found: dict[str, int] = {}
    lines = snmp.splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        group, _, rest = names.partition(":")
        for name, value in zip(rest.split(), values.partition(":")[2].split()):
            found[f"{group}.{name}"] = int(value)
    for line in snmp6.splitlines():
        name, value = line.split()
        for group in ("Icmp6", "Udp6", "Ip6"):
            if name.startswith(group):
                found[f"{group}.{name.removeprefix(group)}"] = int(value)
    return found


def errors(found: dict[str, int]) -> list[str]:
    """Those of `counters` that must be 0 and are not. An unreachable port is told to a sender that may be gone itself
    by then, as at the end of a UDP run; Linux counts that among the ICMP errors, and it is none."""
    excused = {f"{group}.InErrors": found.get(f"{group}.InDestUnreachs", 0) for group in ("Icmp", "Icmp6")}
    return [f"{key} is {found[key]}" for group, names in ERRORS.items() for key in (f"{group}.{name}" for name in names)
            if found.get(key, 0) > excused.get(key, 0)]


class NetworkNamespace:
    """A context manager. `enter` is what a command line begins with to run inside."""

    def __init__(self, tap: str = "tap0") -> None:
        self.tap = tap
        # Without root, a user namespace makes us one that may do this; where such namespaces are allowed.
        user = os.geteuid() != 0
        command = ["unshare", *(["--user", "--map-root-user"] if user else []), "--net", "cat"]
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._holder.stdin and self._holder.stdout and self._holder.stderr
        try:
            # cat answers once the namespace is there.
            self._holder.stdin.write(b"there\n")
            self._holder.stdin.flush()
            answer = self._holder.stdout.readline()
        except OSError:
            answer = b""
        if answer != b"there\n":
            reason = self._holder.stderr.read().decode(errors="replace").strip()
            self.close()
            raise NoNamespace(f"unshare --net: {reason}; network tests need root (CAP_SYS_ADMIN, CAP_NET_ADMIN)")
        namespaces = f"/proc/{self._holder.pid}/ns"
        self.enter = ["nsenter", *([f"--user={namespaces}/user", "--preserve-credentials"] if user else []),
                      f"--net={namespaces}/net", "--"]
        try:
            self._set_up()
        except subprocess.CalledProcessError as e:
            self.close()
            words = e.cmd[len(self.enter):]
            raise NoNamespace(f"{' '.join(words)}: {e.stderr.strip()}; network tests need /dev/net/tun") from e

    def _set_up(self) -> None:
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "tuntap", "add", "dev", self.tap, "mode", "tap")
        self.run("ip", "link", "set", self.tap, "up")
        self.run("ip", "addr", "add", f"{IPV4}/{IPV4_PREFIX}", "dev", self.tap)
        self.run("ip", "addr", "add", f"{IPV6}/{IPV6_PREFIX}", "dev", self.tap, "nodad")

    def run(self, *command: str, timeout: float = 30.0) -> str:
        """Run a command inside; its output."""
        return subprocess.run([*self.enter, *command], capture_output=True, text=True, check=True, timeout=timeout).stdout

    def mtu(self, mtu: int) -> None:
        self.run("ip", "link", "set", self.tap, "mtu", str(mtu))

    def mac(self) -> str:
        return json.loads(self.run("ip", "-j", "link", "show", "dev", self.tap))[0]["address"]

    def dropped(self) -> int:
        """Frames for the TAP's other end that its queue had no room for."""
        return json.loads(self.run("ip", "-j", "-s", "link", "show", "dev", self.tap))[0]["stats64"]["tx"]["dropped"]

    def counters(self) -> dict[str, int]:
        return counters(self.run("cat", "/proc/net/snmp"), self.run("cat", "/proc/net/snmp6"))

    def errors(self) -> list[str]:
        """What this end found wrong with what it received."""
        return errors(self.counters())

    def close(self) -> None:
        """The interface goes with the namespace, once no process is inside."""
        if self._holder.stdin:
            self._holder.stdin.close()
        self._holder.wait(10)
        for stream in (self._holder.stdout, self._holder.stderr):
            if stream:
                stream.close()

    def __enter__(self) -> NetworkNamespace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
