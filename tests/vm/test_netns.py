# SPDX-License-Identifier: GPL-2.0-or-later
"""What counts as a network error."""
import unittest

import netns

SNMP = """Ip: Forwarding DefaultTTL InReceives InHdrErrors
Ip: 2 64 1000 {headers}
Tcp: RtoAlgorithm InSegs InErrs InCsumErrors
Tcp: 1 900 {segments} {segments}
Udp: InDatagrams InErrors InCsumErrors
Udp: 50 7 0
"""
SNMP6 = """Ip6InReceives                   	40
Ip6InHdrErrors                  	{headers}
Icmp6InCsumErrors               	0
Udp6InCsumErrors                	{datagrams}
"""


class Counters(unittest.TestCase):
    def errors(self, headers: int = 0, segments: int = 0, datagrams: int = 0, headers6: int = 0) -> list[str]:
        return netns.errors(netns.counters(SNMP.format(headers=headers, segments=segments),
                                           SNMP6.format(headers=headers6, datagrams=datagrams)))

    def test_values(self) -> None:
        found = netns.counters(SNMP.format(headers=0, segments=3), SNMP6.format(headers=0, datagrams=2))
        self.assertEqual((found["Ip.InReceives"], found["Tcp.InErrs"], found["Ip6.InReceives"], found["Udp6.InCsumErrors"]),
                         (1000, 3, 40, 2))

    def test_clean(self) -> None:
        # A datagram that nobody took is none of the wire's errors.
        self.assertEqual(self.errors(), [])

    def test_each_error(self) -> None:
        self.assertEqual(self.errors(headers=1), ["Ip.InHdrErrors is 1"])
        self.assertEqual(self.errors(segments=2), ["Tcp.InCsumErrors is 2", "Tcp.InErrs is 2"])
        self.assertEqual(self.errors(headers6=3), ["Ip6.InHdrErrors is 3"])
        self.assertEqual(self.errors(datagrams=4), ["Udp6.InCsumErrors is 4"])

    def test_late_port_unreachable(self) -> None:
        for group in ("Icmp", "Icmp6"):
            late = {f"{group}.InErrors": 9, f"{group}.InDestUnreachs": 9, f"{group}.InCsumErrors": 0}
            self.assertEqual(netns.errors(late), [])
            self.assertEqual(netns.errors({**late, f"{group}.InErrors": 10}), [f"{group}.InErrors is 10"])
            self.assertEqual(netns.errors({**late, f"{group}.InCsumErrors": 1}), [f"{group}.InCsumErrors is 1"])

    def test_without_ipv6(self) -> None:
        self.assertEqual(netns.errors(netns.counters(SNMP.format(headers=0, segments=0), "")), [])


if __name__ == "__main__":
    unittest.main()
