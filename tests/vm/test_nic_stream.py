# SPDX-License-Identifier: GPL-2.0-or-later
"""The verifying UDP stream: its frames, its bookkeeping, and the sender against a consumer in this process."""
from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

import nic_frames
from nic_sender import Stream


class Frames(unittest.TestCase):
    def test_known_crc(self) -> None:
        self.assertEqual(nic_frames.crc32c(b"123456789"), 0xE3069283)

    def test_echo(self) -> None:
        sizes = set()
        for sequence in range(600):
            request = nic_frames.request(sequence, 2)
            sizes.add(len(request))
            self.assertIsNone(nic_frames.read_echo(request))
            self.assertEqual(nic_frames.read_echo(nic_frames.echo(request, 3)), (sequence, 2, 3))
        self.assertEqual((min(sizes), max(sizes)), (32, 1472))

    def test_damage(self) -> None:
        good = nic_frames.echo(nic_frames.request(15, 0), 0)
        for _ in range(300):
            at, bit = random.randrange(len(good)), 1 << random.randrange(8)
            self.assertIsNone(nic_frames.read_echo(good[:at] + bytes([good[at] ^ bit]) + good[at + 1:]))
        self.assertIsNone(nic_frames.read_echo(good[:-1]))
        self.assertIsNone(nic_frames.read_echo(good + b"\0"))
        self.assertIsNone(nic_frames.read_echo(b""))


class Bookkeeping(unittest.TestCase):
    def test_all(self) -> None:
        stream = Stream(100.0)
        frames = [stream.next(100.0 + n / 10) for n in range(4)]
        stream.cycle = 1
        frames.append(stream.next(101.0))
        stream.received(nic_frames.echo(frames[0], 0), 100.05)
        stream.received(nic_frames.echo(frames[2], 1), 102.0)
        stream.received(nic_frames.echo(frames[2], 1), 102.0)
        stream.received(nic_frames.echo(frames[4], 1), 102.0)
        stream.received(frames[3], 102.0)                                           # no echo
        stream.received(nic_frames.echo(nic_frames.request(5, 0), 0), 102.0)        # never sent
        result = stream.result()
        self.assertEqual({k: result[k] for k in ("sent", "echoed", "lost", "duplicated", "corrupt", "missing", "across")},
                         {"sent": 5, "echoed": 3, "lost": 2, "duplicated": 1, "corrupt": 2, "missing": [1, 3],
                          "across": [[0, 0, 1], [0, 1, 1], [1, 1, 1]]})
        self.assertEqual(result["series"]["echoed"], [(0, 1), (20, 2)])


class Consumer(threading.Thread):
    """Echoes all but each `lose`-th request; ends when told to."""

    def __init__(self, lose: int) -> None:
        super().__init__(daemon=True)
        self.lose = lose
        self.requests = 0
        self.sources: set[int] = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.2", nic_frames.PORT))

    def run(self) -> None:
        while True:
            data, source = self.socket.recvfrom(2048)
            if not data:
                return
            self.requests += 1
            self.sources.add(source[1])
            if not self.lose or self.requests % self.lose:
                self.socket.sendto(nic_frames.echo(data, 0), source)

    def end(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", ("127.0.0.2", nic_frames.PORT))
        self.join()
        self.socket.close()


class Process(unittest.TestCase):
    def run_against(self, lose: int) -> tuple[dict, Consumer]:
        consumer = Consumer(lose)
        consumer.start()
        command = [sys.executable, str(Path(__file__).with_name("nic_sender.py")), "--local", "127.0.0.1",
                   "--remote", "127.0.0.2", "--rate", "2000", "--drain", "1", "--flows", "4"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin and process.stdout
            self.assertEqual(process.stdout.readline(), "ready\n")
            sent = 0
            while sent < 200:
                process.stdin.write("status\n")
                process.stdin.flush()
                sent = json.loads(process.stdout.readline())["sent"]
            process.stdin.write("rate 0\nstatus\n")
            process.stdin.flush()
            paused = json.loads(process.stdout.readline())["sent"]
            process.stdin.write("cycle 1\nstatus\n")
            process.stdin.flush()
            self.assertEqual(json.loads(process.stdout.readline())["sent"], paused)
            process.stdin.write("rate 500\nstop\n")
            process.stdin.flush()
            result = json.loads(process.stdout.readline())
        consumer.end()
        self.assertEqual(process.returncode, 0)
        return result, consumer

    def test_nothing_lost(self) -> None:
        result, consumer = self.run_against(0)
        self.assertEqual((result["lost"], result["duplicated"], result["corrupt"]), (0, 0, 0))
        self.assertEqual(result["sent"], consumer.requests)
        self.assertEqual(consumer.sources, set(range(40000, 40004)))

    def test_loss_is_seen(self) -> None:
        result, consumer = self.run_against(50)
        self.assertEqual(result["lost"], consumer.requests // 50)
        self.assertEqual(len(result["missing"]), min(result["lost"], 20))


if __name__ == "__main__":
    unittest.main()
