# SPDX-License-Identifier: GPL-2.0-or-later
"""The report's `nic` part: what the sender, the consumer and the model between them have counted, and what disagrees."""
from __future__ import annotations

from typing import Any

from nic_traffic import CONSTANT, NicCounted


def _guest_problems(guest: dict[str, Any], sent: int, echoed: int) -> list[str]:
    problems = [f"nic: the consumer counts {guest[key]} {what}" for key, what in
                (("duplicated", "frames twice"), ("corrupt", "damaged frames"), ("echo_errors", "failed echoes"))
                if guest.get(key)]
    if guest["received"] != sent:
        problems.append(f"nic: {sent} frames were sent, the consumer received {guest['received']}")
    if guest["echoed"] != echoed:
        problems.append(f"nic: the consumer sent {guest['echoed']} echoes, {echoed} arrived")
    return problems


def _model_problems(start: dict[str, Any], end: dict[str, Any]) -> list[str]:
    problems = [f"nic: the model's {key} went from {start[key]} to {end[key]} while the NIC was in use"
                for key in CONSTANT if start[key] != end[key]]
    if end["strict_violations"]:
        problems.append(f"nic: {end['strict_violations']} violations, the first: {end.get('first_violation')}")
    if end["rx_no_buffer"] != start["rx_no_buffer"]:
        problems.append(f"nic: {end['rx_no_buffer'] - start['rx_no_buffer']} frames found no receive buffer")
    return problems


def _across(guest: dict[str, Any], sender: dict[str, Any], cycles: int) -> tuple[list[int] | None, list[str]]:
    """Per kexec, the frames that the device had taken and that the next kernel found; the sender's book must allow it."""
    by_cycle = {entry["cycle"]: entry.get("rx_buffered_across") for entry in guest.get("cycles", [])}
    found = [by_cycle.get(n) for n in range(1, cycles + 1)]
    counted = [n for n in found if n is not None]
    if len(counted) != cycles:
        return None, [f"nic.rx_buffered_across: not counted: the consumer gives no account of {cycles - len(counted)} kexecs"]
    problems = []
    for n, across in enumerate(counted, 1):
        # The sender learns of a kexec later than the consumer, so that it counts these and some more.
        most = sum(count for sent, received, count in sender["across"] if sent < n <= received)
        if not across:
            problems.append(f"nic: kexec {n}: no received frame was waiting")
        elif across > most:
            problems.append(f"nic: kexec {n}: {across} received frames were waiting says the consumer, "
                            f"but only {most} echoes were of frames sent before and received after it")
    return counted, problems


def _interface(counted: NicCounted, cycles: int) -> tuple[dict[str, list[float]], list[str]]:
    """What dies with a kernel: how long until the next one's interface passed its first packet, and TCP was connected."""
    tcp, found = counted.tcp, counted.interface
    if tcp is None:
        return {}, []
    problems = [f"nic: TCP: {tcp['damaged']} times other bytes came back than were sent"] if tcp["damaged"] else []
    if not tcp["echoed"]:
        problems.append("nic: TCP: nothing came back")
    out = {}
    for key in ("first_packet_ms", "tcp_reconnect_ms"):
        if len(values := [times[key] for times in found if key in times]) == cycles:
            out[key] = values
        else:
            problems.append(f"nic.{key}: not counted: {len(values)} of {cycles} kexecs were timed")
    return out, problems


def build(counted: NicCounted, cycles: int) -> tuple[dict[str, Any], list[str]]:
    """(the part of the report, failures)."""
    sender, guest = counted.sender, counted.guest
    if sender is None or guest is None:
        end = "the sender" if sender is None else "the consumer"
        return {}, [f"nic: not counted: {end} gave no final counters"]
    out: dict[str, Any] = {"tx": guest["echoed"], "rx": guest["received"], "lost": sender["lost"],
                           "duplicated": sender["duplicated"] + guest["duplicated"]}
    problems = [f"nic: {n} frames were lost by {place}, which is no part of what is tested: lower the rate"
                for place, n in counted.losses.items() if n]
    for key, what in (("lost", "frames did not come back"), ("duplicated", "frames came back twice"),
                      ("corrupt", "frames came back damaged"), ("send_errors", "frames could not be sent")):
        if sender[key]:
            missing = f" (first: {', '.join(map(str, sender['missing'][:5]))})" if key == "lost" else ""
            problems.append(f"nic: {sender[key]} of {sender['sent']} {what}{missing}")
    if not sender["sent"]:
        problems.append("nic: nothing was sent")
    problems += _guest_problems(guest, sender["sent"], sender["echoed"])
    across, wrong = _across(guest, sender, cycles)
    if across is not None:
        out["rx_buffered_across"] = across
    problems += wrong
    interface, wrong = _interface(counted, cycles)
    out.update(interface)
    problems += wrong
    if counted.model_start is None or counted.model_end is None:
        problems.append("nic: the model gave no counters")
    else:
        problems += _model_problems(counted.model_start, counted.model_end)
    return out, problems
