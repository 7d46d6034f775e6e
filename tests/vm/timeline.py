# SPDX-License-Identifier: GPL-2.0-or-later
"""timeline.svg: what the device completed, what was delivered and what was in flight, with the blackouts shaded.

All of it comes out of QEMU's trace: completions are the controller's own, deliveries are the steps of the completion
queues' head doorbells, so that neither is the word of the code under test. With a NIC, the book of the host's sender is
drawn beneath.
"""
from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tracelog import Event
from witness import Cycle

WIDTH, LEFT, RIGHT, TOP = 1200, 76, 20, 64
PANEL, GAP = 150, 46
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"]

_IO = re.compile(r"cid (\d+) nsid 0x([0-9a-f]+) sqid (\d+)")
_COMPLETION = re.compile(r"cid (\d+) cqid (\d+)")
_CREATE_CQ = re.compile(r"cqid=(\d+).*qsize=(\d+)")
_CREATE_SQ = re.compile(r"sqid=(\d+), cqid=(\d+)")
_HEAD = re.compile(r"cqid (\d+) new_head (\d+)")


@dataclass
class Series:
    """Counts per bucket of time."""
    start: float
    end: float
    bucket: float
    completed: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))   # by NSID
    delivered: Counter[int] = field(default_factory=Counter)
    in_flight: list[tuple[float, int]] = field(default_factory=list)


def collect(events: Iterable[Event], bucket: float = 0.1) -> Series | None:
    """The series of the last life of the controller, from its first I/O command on; None if there was none."""
    size: dict[int, int] = {}
    head: dict[int, int] = {}
    cq_of: dict[int, int] = {}
    nsid: dict[tuple[int, int], int] = {}
    series: Series | None = None
    for event in events:
        if event.name == "pci_nvme_mmio_start_success":
            series = None
            size, head, nsid = {}, {}, {}
        elif event.name == "pci_nvme_create_cq" and (match := _CREATE_CQ.search(event.text)):
            size[int(match[1])], head[int(match[1])] = int(match[2]) + 1, 0
        elif event.name == "pci_nvme_create_sq" and (match := _CREATE_SQ.search(event.text)):
            cq_of[int(match[1])] = int(match[2])
        elif event.name == "pci_nvme_io_cmd" and (match := _IO.search(event.text)):
            series = series or Series(event.time, event.time, bucket)
            nsid[cq_of.get(int(match[3]), 0), int(match[1])] = int(match[2], 16)
            series.in_flight.append((event.time, len(nsid)))
        elif series is None:
            continue
        elif event.name == "pci_nvme_enqueue_req_completion" and (match := _COMPLETION.search(event.text)):
            owner = nsid.pop((int(match[2]), int(match[1])), None)
            if owner is not None:
                series.completed[owner][int((event.time - series.start) / bucket)] += 1
                series.in_flight.append((event.time, len(nsid)))
        elif event.name == "pci_nvme_mmio_doorbell_cq" and (match := _HEAD.search(event.text)):
            queue, new = int(match[1]), int(match[2])
            if queue in size:
                series.delivered[int((event.time - series.start) / bucket)] += (new - head[queue]) % size[queue]
                head[queue] = new
        if series:
            series.end = event.time
    return series


class _Panel:
    """One plot of the picture; y may be logarithmic from 0 on, so that one completion and a thousand are both seen."""

    def __init__(self, top: float, title: str, series: Series, highest: float, logarithmic: bool = True) -> None:
        self.top, self.title, self.series = top, title, series
        self.highest = max(highest, 1.0)
        self.logarithmic = logarithmic

    def x(self, when: float) -> float:
        span = max(self.series.end - self.series.start, 1e-6)
        return LEFT + (WIDTH - LEFT - RIGHT) * (when - self.series.start) / span

    def y(self, value: float) -> float:
        if self.logarithmic:
            return self.top + PANEL * (1 - math.log10(1 + value) / math.log10(1 + self.highest))
        return self.top + PANEL * (1 - value / self.highest)

    def marks(self) -> list[int]:
        if self.logarithmic:
            return [0] + [10 ** n for n in range(int(math.log10(self.highest)) + 1)]
        step = next(s * 10 ** n for n in range(9) for s in (1, 2, 5) if self.highest / (s * 10 ** n) <= 5)
        return list(range(0, int(self.highest) + 1, step))

    def frame(self) -> list[str]:
        out = [f'<text x="{LEFT}" y="{self.top - 8}" class="t">{escape(self.title)}</text>',
               f'<rect x="{LEFT}" y="{self.top}" width="{WIDTH - LEFT - RIGHT}" height="{PANEL}" class="f"/>']
        for mark in self.marks():
            y = self.y(mark)
            out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" class="g"/>')
            out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="n">{mark}</text>')
        return out

    def steps(self, points: list[tuple[float, float]], colour: str, fill: bool = False) -> str:
        """A staircase through (time, value) points."""
        if not points:
            return ""
        path = [f"M{self.x(points[0][0]):.1f} {self.y(points[0][1]):.1f}"]
        for when, value in points[1:]:
            path.append(f"H{self.x(when):.1f}V{self.y(value):.1f}")
        style = f'fill="{colour}" fill-opacity="0.25" stroke="{colour}"' if fill else f'fill="none" stroke="{colour}"'
        if fill:
            path.append(f"V{self.y(0):.1f}H{self.x(points[0][0]):.1f}Z")
        return f'<path d="{"".join(path)}" {style} stroke-width="1.2"/>'


def _rate(series: Series, counts: Counter[int]) -> list[tuple[float, float]]:
    """A count per bucket as (time, per second), with runs of equal values left out."""
    points: list[tuple[float, float]] = []
    last = -1
    for n in range(int((series.end - series.start) / series.bucket) + 2):
        if counts[n] != last:
            last = counts[n]
            points.append((min(series.start + n * series.bucket, series.end), last / series.bucket))
    points.append((series.end, 0))
    return points


def _thin(series: Series, points: list[tuple[float, int]]) -> list[tuple[float, float]]:
    """At most one point a pixel: the last of each."""
    width = max((series.end - series.start) / (WIDTH - LEFT - RIGHT), 1e-6)
    by_pixel = {int((when - series.start) / width): (when, float(value)) for when, value in points}
    return [by_pixel[n] for n in sorted(by_pixel)]


def _stream_rate(series: Series, stream: dict[str, Any], key: str) -> list[tuple[float, float]]:
    """What a sender has counted per bucket of its own, as (time, per second); outside of the picture nothing is drawn."""
    counts = dict(stream[key])
    points = [(stream["start"] + n * stream["bucket"], counts.get(n, 0) / stream["bucket"])
              for n in range(max(counts, default=0) + 2)]
    inside = [point for point in points if series.start <= point[0] <= series.end]
    return [*inside, (inside[-1][0], 0.0)] if inside else []


def svg(series: Series, cycles: list[Cycle], names: dict[int, str], title: str,
        stream: dict[str, Any] | None = None) -> str:
    """The picture. `names` says what each NSID is; `stream` is nic_sender's series, if there is a NIC."""
    completed = {nsid: _rate(series, counts) for nsid, counts in sorted(series.completed.items())}
    delivered = _rate(series, series.delivered)
    in_flight = _thin(series, series.in_flight)
    tops = [TOP + n * (PANEL + GAP) for n in range(4 if stream else 3)]
    panels = [
        _Panel(tops[0], "completed by the controller, per second", series,
               max((v for p in completed.values() for _, v in p), default=1)),
        _Panel(tops[1], "delivered to their owners (completion queue heads), per second", series,
               max((v for _, v in delivered), default=1)),
        _Panel(tops[2], "commands in flight in the controller", series, max((v for _, v in in_flight), default=1),
               logarithmic=False),
    ]
    frames = {key: _stream_rate(series, stream, key) for key in ("sent", "echoed")} if stream else {}
    if stream:
        panels.append(_Panel(tops[3], "frames sent to the NIC (line), and back from it (area), per second", series,
                             max((int(v) for points in frames.values() for _, v in points), default=1)))
    height = tops[-1] + PANEL + 70
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
           "<style>text{font:12px sans-serif;fill:#333}.h{font-size:16px;font-weight:bold}.t{font-weight:bold}"
           ".n{text-anchor:end}.m{text-anchor:middle}.f{fill:none;stroke:#333}.g{stroke:#ddd}"
           ".b{fill:#000;fill-opacity:0.16}.w{fill:#000;fill-opacity:0.06}</style>",
           f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
           f'<text x="{LEFT}" y="24" class="h">{escape(title)}</text>']
    for panel in panels:
        for n, cycle in enumerate(cycles, 1):
            left, right = panel.x(cycle.freeze), panel.x(cycle.rearm)
            dark = panel.x(cycle.stopped if cycle.stopped is not None else cycle.freeze)
            out.append(f'<rect x="{left:.1f}" y="{panel.top}" width="{max(right - left, 1):.1f}" height="{PANEL}" class="w"/>')
            out.append(f'<rect x="{dark:.1f}" y="{panel.top}" width="{max(right - dark, 1):.1f}" height="{PANEL}" class="b"/>')
            if panel is panels[0]:
                out.append(f'<text x="{(left + right) / 2:.1f}" y="{panel.top + 14}" class="m">kexec {n}</text>')
        out += panel.frame()
    for n, (nsid, points) in enumerate(completed.items()):
        colour = COLOURS[n % len(COLOURS)]
        out.append(panels[0].steps(points, colour))
        x = LEFT + 330 + n * 250
        out.append(f'<rect x="{x}" y="{TOP - 18}" width="12" height="12" fill="{colour}"/>'
                   f'<text x="{x + 18}" y="{TOP - 8}">{escape(names.get(nsid, f"namespace {nsid}"))}</text>')
    out.append(panels[1].steps(delivered, COLOURS[3], fill=True))
    out.append(panels[2].steps(in_flight, COLOURS[5], fill=True))
    if stream:
        out.append(panels[3].steps(frames["echoed"], COLOURS[2], fill=True))
        out.append(panels[3].steps(frames["sent"], COLOURS[0]))
    bottom = tops[-1] + PANEL
    span = series.end - series.start
    tick = next(t for t in (0.5, 1, 2, 5, 10, 30, 60, 300, 1e9) if span / t <= 25)
    for n in range(int(span / tick) + 1):
        x = panels[2].x(series.start + n * tick)
        out.append(f'<text x="{x:.1f}" y="{bottom + 18}" class="m">{n * tick:g}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{bottom + 38}" class="m">seconds since the first command; '
               'dark: no kernel serves the device (interrupts masked, old kernel stopped), light: frozen</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
