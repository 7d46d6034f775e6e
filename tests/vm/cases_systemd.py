# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests with systemd as PID 1: its fd store keeps what must outlive the agent, and what crosses a kexec."""
from __future__ import annotations

import systemd_image
from cases import Context, case, expect, wait
from live import Live

UNIT = "udrv-agent.service"
PREPARE_SECONDS = 120


def _prepare(live: Live) -> None:
    live.guest.check(f"udrvctl update --prepare --kernel /host/bzImage --image /host/image {live.paravisor.deadline}", PREPARE_SECONDS)


def _live(context: Context, controllers: int = 1) -> Live:
    image = systemd_image.build(context.image, context.directory / "systemd-image")
    return Live(context, controllers, image=image, cmdline=systemd_image.CMDLINE)


def _property(live: Live, name: str) -> str:
    return live.guest.check(f"systemctl show -P {name} {UNIT}").strip()


def _agent(live: Live) -> set[int]:
    """`pidof` would find the hosts, too: they are the same program. 0: there is none at the moment."""
    return {int(_property(live, "MainPID"))} - {0}


def _hosts(live: Live) -> set[int]:
    return {device["pid"] for device in live.paravisor.status()["devices"] if device["state"] == "running"}


def _killed(live: Live, agent: bool, hosts: bool) -> None:
    """Kill them at once; the device goes on, and is resumed by whoever comes next."""
    old_agent, old_hosts = _agent(live), _hosts(live)
    victims = (old_agent if agent else set()) | (old_hosts if hosts else set())
    live.guest.check("kill -9 " + " ".join(map(str, sorted(victims))))
    wait("there were no successors", lambda: len(_agent(live) - victims) == 1 and
         len(_hosts(live) - victims) == len(old_hosts))
    for name in live.names:
        live.running(name, "resumed" if hosts else "")
    expect(agent or _agent(live) == old_agent, "the agent was started again")
    expect(hosts or _hosts(live) == old_hosts, "the hosts were started again")
    live.io_goes_on()


@case("systemd-keeps-handles", "under systemd, agent and hosts are killed, and two kexecs are gone through: its fd store keeps "
      "everything", "systemd")
def systemd_keeps_handles(context: Context) -> None:
    with _live(context, 2) as live:
        expect(live.guest.check("cat /proc/1/comm").strip() == "systemd", "PID 1 is not systemd")
        expect(_property(live, "StatusText").startswith("2 of 2 device(s) running"), f"status: {_property(live, 'StatusText')}")
        live.io_goes_on()
        stored = int(_property(live, "NFileDescriptorStore"))
        expect(stored >= 2 * 6, f"only {stored} descriptors are in the fd store")
        for agent, hosts in ((False, True), (True, False), (True, True)):
            _killed(live, agent, hosts)
        expect(_property(live, "NRestarts") == "2", f"systemd has restarted the agent {_property(live, 'NRestarts')} times, not 2")
        expect(int(_property(live, "NFileDescriptorStore")) == stored, "the deaths have left something in the fd store")
        live.guest.check(f"systemctl restart {UNIT}")
        live.io_goes_on()
        # Undone by request: the session is gone, and the next one is taken.
        _prepare(live)
        live.guest.check("udrvctl update --abort")
        for _ in range(2):
            # udrvctl is not spared at the shutdown, and would seem to have failed: its end is not waited for.
            _prepare(live)
            live.commit()
            for name in live.names:
                live.running(name, "resumed")
            live.io_goes_on()
            expect(live.paravisor.status()["session"] == "none", "the session was not finished")
            log = live.guest.check("dmesg")
            expect("udrv-agent: cannot retrieve the session" not in log, "the session was not handed over")
        expect(int(_property(live, "NFileDescriptorStore")) == stored, "the updates have left something in the fd store")
        _killed(live, True, True)
