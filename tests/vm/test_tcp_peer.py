# SPDX-License-Identifier: GPL-2.0-or-later
"""The verified TCP connection: what comes back is compared, and the peer against a server in this process."""
from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import unittest
from contextlib import suppress
from pathlib import Path

from tcp_peer import CHUNK, Echoes


class Comparison(unittest.TestCase):
    def setUp(self) -> None:
        self.echoes = Echoes()
        self.out = b""

    def send(self, count: int) -> None:
        self.out += self.echoes.to_send()[:count]
        self.echoes.sent(count)

    def test_pieces(self) -> None:
        for count in (1, 7, CHUNK, 100, 3):
            self.send(min(count, len(self.echoes.to_send())))
        data = self.out
        self.assertEqual(self.echoes.waiting, len(data))
        for size in (1, 2, 5000, len(data)):
            self.assertTrue(self.echoes.received(data[:size]))
            data = data[size:]
        self.assertEqual(self.echoes.waiting, 0)

    def test_nothing_repeats(self) -> None:
        for _ in range(8):
            self.send(len(self.echoes.to_send()))
        numbers = {self.out[at:at + 8] for at in range(0, len(self.out), 8)}
        self.assertEqual(len(numbers), len(self.out) // 8)

    def test_wrong(self) -> None:
        self.send(1000)
        self.assertFalse(self.echoes.received(self.out[8:16]))
        self.setUp()
        self.send(1000)
        self.assertFalse(self.echoes.received(self.out + b"\0"))
        self.setUp()
        self.assertFalse(self.echoes.received(b"x"))


class Server:
    """Serves one connection after another; what each does is a function."""

    def __init__(self, *lives: object) -> None:
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(64)
        self._lives = lives
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for life in self._lives:
            connection, _ = self.sock.accept()
            with connection, suppress(ConnectionError):
                life(connection)        # type: ignore[operator]


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def echo_some(connection: socket.socket) -> None:
    for _ in range(4):
        connection.sendall(connection.recv(65536))


def damage(connection: socket.socket) -> None:
    data = connection.recv(65536)
    connection.sendall(bytes([data[0] ^ 1]) + data[1:])
    echo(connection)


def silence(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


class Process(unittest.TestCase):
    def run_peer(self, *lives: object, until: str, patience: float = 30.0, say: str = "rate 5e6") -> dict[str, object]:
        """Until a counter of the status is 1 or more, and 100,000 bytes have come back; what it says at its end."""
        server = Server(*lives)
        self.addCleanup(server.sock.close)
        command = [sys.executable, str(Path(__file__).with_name("tcp_peer.py")), "--remote", "127.0.0.1",
                   "--port", str(server.sock.getsockname()[1]), "--rate", "5e6", "--patience", str(patience)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin and process.stdout
            self.assertEqual(process.stdout.readline(), "ready\n")
            asked = False
            while True:
                process.stdin.write("status\n")
                process.stdin.flush()
                found = json.loads(process.stdout.readline())
                if found[until] and found["echoed"] > 100_000:
                    break
                if found["connected"] and not asked:
                    process.stdin.write(say + "\n")
                    asked = True
            process.stdin.write("stop\n")
            process.stdin.flush()
            found = json.loads(process.stdout.readline())
        self.assertEqual(process.returncode, 0)
        return found

    def test_echo(self) -> None:
        found = self.run_peer(echo, until="connections")
        self.assertEqual((found["connections"], found["damaged"], found["resets"], found["waiting"]), (1, 0, 0, 0))
        self.assertEqual(found["sent"], found["echoed"])

    def test_reconnects(self) -> None:
        found = self.run_peer(echo_some, echo, until="resets")
        self.assertEqual((found["connections"], found["damaged"], found["waiting"]), (2, 0, 0))

    def test_loses_patience(self) -> None:
        found = self.run_peer(silence, echo, until="stalls", patience=0.3)
        self.assertEqual((found["connections"], found["damaged"]), (2, 0))

    def test_again(self) -> None:
        found = self.run_peer(echo, echo, until="renewed", say="again")
        self.assertEqual((found["connections"], found["damaged"], found["resets"]), (2, 0, 0))

    def test_damage(self) -> None:
        found = self.run_peer(damage, until="damaged")
        self.assertGreaterEqual(found["damaged"], 1)


if __name__ == "__main__":
    unittest.main()
