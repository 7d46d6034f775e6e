# SPDX-License-Identifier: GPL-2.0-or-later
"""Bars: how many times as much as each peer."""
from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

LINE, LABEL, WIDTH, MARGIN, TOP = 18, 270, 560, 60, 40
COLOURS = ("#3b6ea5", "#d08a2e", "#5a9b5a")


def ratios(path: Path, title: str, cases: dict[str, dict[str, Any]]) -> None:
    """One bar for each case and peer; the line at 1 is "as much as the peer"."""
    bars = [(case, peer, value) for case, result in cases.items() for peer, value in result["ratio"].items()]
    peers = list(dict.fromkeys(peer for _, peer, _ in bars))
    most = max([1.0, *(value for _, _, value in bars)])
    height = TOP + LINE * len(bars) + 30
    one = LABEL + WIDTH / most
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LABEL + WIDTH + MARGIN}" height="{height}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="100%" height="100%" fill="white"/><text x="10" y="22" font-size="15">{escape(title)}</text>']
    for n, (case, peer, value) in enumerate(bars):
        y = TOP + LINE * n
        width = WIDTH * value / most
        out.append(f'<text x="{LABEL - 6}" y="{y + 13}" text-anchor="end">{escape(f"{case}, {peer}")}</text>'
                   f'<rect x="{LABEL}" y="{y + 2}" width="{width:.1f}" height="{LINE - 4}" '
                   f'fill="{COLOURS[peers.index(peer) % len(COLOURS)]}"/>'
                   f'<text x="{LABEL + width + 4:.1f}" y="{y + 13}">{value:.2f}</text>')
    out.append(f'<line x1="{one:.1f}" y1="{TOP - 4}" x2="{one:.1f}" y2="{height - 26}" stroke="black" '
               'stroke-dasharray="3,3"/></svg>')
    path.write_text("\n".join(out) + "\n")
