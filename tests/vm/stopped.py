# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU's trace says of a kexec that keeps nothing: was the controller stopped before the next kernel had it?"""
from __future__ import annotations

import re

from cases import expect
from tracelog import Event


def plainly_stopped(events: list[Event], before: int, bdf: str) -> int:
    """How many commands were in flight when a kexec switched bus mastering off. None of them may come to life again.

    The next kernel's driver switches bus mastering on before it disables the controller: a function that was not reset
    by then completes what it has, into memory that is something else. `before` events there were before the kexec.
    """
    command = re.compile(rf"nvme {bdf[5:]} @0x4 <- 0x([0-9a-f]+)")
    starts = [n for n, e in enumerate(events) if e.name == "pci_nvme_mmio_start_success"]
    master = [(n, bool(int(m[1], 16) & 4)) for n, e in enumerate(events)
              if n >= before and e.name == "pci_cfg_write" and (m := command.match(e.text))]
    off = next((n for n, on in master if not on), None)
    expect(off is not None, "bus mastering was never switched off before the new start")
    on = next((n for n, on in master if n > off and on), None)
    expect(on is not None, "the next kernel never switched bus mastering on")
    again = next(n for n in [*starts, len(events)] if n > on)
    in_flight = commands_in_flight(events[max(n for n in starts if n < before):off])
    expect(in_flight > 0, "nothing was in flight when bus mastering was switched off")
    expect(any(e.name == "pci_nvme_pci_reset" for e in events[off:on]),
           f"the function was not reset before bus mastering was switched on again: {events[on]}")
    late = [e for e in events[on:again] if e.name == "pci_nvme_enqueue_req_completion"]
    expect(not late, f"{len(late)} commands of the previous kernel were completed in the next one, the first: {late[:1]}")
    return in_flight


def commands_in_flight(events: list[Event]) -> int:
    """I/O commands that were fetched in these events, and not completed."""
    fetched = sum(e.name == "pci_nvme_io_cmd" for e in events)
    return fetched - sum(e.name == "pci_nvme_enqueue_req_completion" and " cqid 0 " not in e.text for e in events)
