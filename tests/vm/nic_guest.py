# SPDX-License-Identifier: GPL-2.0-or-later
"""A network interface in a guest that Linux drives by itself: bring it up, use it, ask what it counts."""
from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import netns
from guest import CommandFailed, Guest
from nic_image import MODULE_DIRECTORY, TOOL_DIRECTORY
from paravisor import REFRESH

IPV4, IPV6 = "10.77.0.2", "fd00:77::2"
LINK_TIMEOUT = 60.0
# busybox's shell takes its own applet of a name, whatever PATH says.
IP, ETHTOOL, IPERF = (f"/{TOOL_DIRECTORY}/{name}" for name in ("ip", "ethtool", "iperf3"))


class NicGuest:
    def __init__(self, guest: Guest, bdf: str) -> None:
        self.guest = guest
        self.bdf = bdf
        self.interface = ""

    def start(self) -> None:
        """Once the shell is there."""
        self.guest.check(f"{IP} link set lo up")

    def insert(self, modules: list[Path]) -> None:
        for module in modules:
            self.guest.check(f"insmod /{MODULE_DIRECTORY}/{module.name}")

    def wait_interfaces(self, count: int) -> list[str]:
        """Wait until the device has so many interfaces; their names."""
        deadline = time.monotonic() + LINK_TIMEOUT * self.guest.patience
        while True:
            status, names = self.guest.run(f"ls /sys/bus/pci/devices/{self.bdf}/net")
            found = names.split() if not status else []
            if len(found) == count:
                return found
            if time.monotonic() > deadline:
                raise CommandFailed(f"{self.bdf} has {len(found)} network interfaces, not {count}")
            time.sleep(REFRESH)

    def wait_interface(self) -> str:
        """Wait until the device has its interface, the one that all else is about; its name."""
        self.interface = self.wait_interfaces(1)[0]
        return self.interface

    def link(self) -> dict[str, Any]:
        return json.loads(self.guest.check(f"{IP} -j -d link show dev {self.interface}"))[0]

    def up(self) -> None:
        """Up, with a carrier and both addresses."""
        self.guest.check(f"{IP} link set {self.interface} up")
        self.wait_carrier(True)
        self.guest.check(f"{IP} addr replace {IPV4}/{netns.IPV4_PREFIX} dev {self.interface} && "
                         f"{IP} addr replace {IPV6}/{netns.IPV6_PREFIX} dev {self.interface} nodad")

    def down(self) -> None:
        self.guest.check(f"{IP} link set {self.interface} down")

    def wait_carrier(self, on: bool) -> None:
        deadline = time.monotonic() + LINK_TIMEOUT * self.guest.patience
        while ("LOWER_UP" in self.link()["flags"]) != on:
            if time.monotonic() > deadline:
                raise CommandFailed(f"{self.interface} was not {'up' if on else 'down'} in time")
            time.sleep(REFRESH)

    def ping(self, address: str, count: int = 1, size: int = 56) -> None:
        """All of them must be answered."""
        out = self.guest.check(f"ping -c {count} -i 0.2 -W 10 -s {size} {address}", 30 + 10 * count)
        match = re.search(r"(\d+) packets transmitted, (\d+) (?:packets )?received", out)
        if not match or int(match[1]) != count or int(match[2]) != count:
            raise CommandFailed(f"ping of {address}: {out.strip().splitlines()[-2:]}")

    def iperf(self, address: str, seconds: int, options: str = "") -> float:
        """Run iperf3 against the server at the other end; Mbit/s as the receiver counts them."""
        out = self.guest.check(f"{IPERF} -c {address} -t {seconds} -J {options}", 60 + 3 * seconds)
        result = json.loads(out)
        if "error" in result:
            raise CommandFailed(f"iperf3 {options}: {result['error']}")
        return result["end"]["sum_received"]["bits_per_second"] / 1e6

    def statistics(self) -> dict[str, int]:
        """`ethtool -S`."""
        text = self.guest.check(f"{ETHTOOL} -S {self.interface}")
        return {name.strip(): int(value) for name, value in re.findall(r"^\s+(.+): (\d+)$", text, re.MULTILINE)}

    def features(self) -> dict[str, bool]:
        text = self.guest.check(f"{ETHTOOL} -k {self.interface}")
        return {name: value == "on" for name, value in re.findall(r"^\s*([\w-]+): (on|off)", text, re.MULTILINE)}

    def network_errors(self) -> list[str]:
        """What this end found wrong with what it received."""
        return netns.errors(netns.counters(self.guest.check("cat /proc/net/snmp"),
                                           self.guest.run("cat /proc/net/snmp6 2>/dev/null")[1]))

    def log(self) -> list[tuple[int, str]]:
        """The kernel's log: (level, text)."""
        found = []
        for line in self.guest.check("dmesg -r").splitlines():
            if match := re.match(r"<(\d+)>(.*)", line):
                found.append((int(match[1]) & 7, match[2]))
        return found
