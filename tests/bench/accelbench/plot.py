# SPDX-License-Identifier: Apache-2.0
"""Draws plots as SVG that are readable on a light and on a dark background."""

from __future__ import annotations

import math
from html import escape

WIDTH = 760
STYLE = """<style>
text { font: 13px sans-serif; fill: #57606a } .title { font-size: 15px; font-weight: bold }
.axis { stroke: #8c959f; stroke-width: 1 } .grid { stroke: #8c959f; stroke-opacity: .25 }
.a { fill: #0969da; stroke: #0969da } .b { fill: #bc4c00; stroke: #bc4c00 }
.c { fill: #1a7f37; stroke: #1a7f37 }
.line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #adbac7 } }
</style>"""


def _document(height: int, title: str, body: list[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            STYLE,
            f'<text class="title" x="10" y="22">{escape(title)}</text>',
            *body,
            "</svg>",
            "",
        ]
    )


def bars(title: str, values: list[tuple[str, float, str]]) -> str:
    """Horizontal bars on a logarithmic scale.

    Each value is a name, the value and a class: a for ours, b for a peer, c for a floor.
    """
    left, right, step, top = 300, WIDTH - 90, 26, 40
    most = max(value for _, value, _ in values)
    decades = math.ceil(math.log10(most))
    bottom = top + step * len(values)
    body = []
    for decade in range(decades + 1):
        x = left + (right - left) * decade / decades
        body.append(f'<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="{top}" y2="{bottom}"/>')
        body.append(
            f'<text x="{x:.0f}" y="{bottom + 16}" text-anchor="middle">{10**decade:,}</text>'
        )
    for index, (name, value, kind) in enumerate(values):
        y = top + step * index
        width = (right - left) * max(math.log10(max(value, 1)), 0.01) / decades
        body.append(f'<text x="{left - 8}" y="{y + 17}" text-anchor="end">{escape(name)}</text>')
        body.append(
            f'<rect class="{kind}" x="{left}" y="{y + 5}" width="{width:.0f}" height="16"/>'
        )
        body.append(f'<text x="{left + width + 6:.0f}" y="{y + 17}">{value:,.0f}</text>')
    return _document(top + step * len(values) + 30, title, body)


def lines(
    title: str,
    unit: str,
    ticks: list[str],
    series: list[tuple[str, list[float], str]],
    limit: tuple[str, float] | None = None,
) -> str:
    """Lines over categories; the vertical axis begins at zero."""
    left, right, top, bottom = 70, WIDTH - 150, 40, 300
    most = max(max(values) for _, values, _ in series)
    most = max(most, limit[1] if limit else 0) * 1.05

    def x(index: int) -> float:
        return left + (right - left) * index / max(len(ticks) - 1, 1)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / most

    body = [f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>']
    for part in range(5):
        value = most * part / 4
        body.append(
            f'<line class="grid" x1="{left}" x2="{right}" y1="{y(value):.0f}" y2="{y(value):.0f}"/>'
        )
        body.append(
            f'<text x="{left - 6}" y="{y(value) + 4:.0f}" text-anchor="end">{value:,.3g}</text>'
        )
    body += [
        f'<text x="{x(i):.0f}" y="{bottom + 18}" text-anchor="middle">{escape(tick)}</text>'
        for i, tick in enumerate(ticks)
    ]
    body.append(f'<text x="{left}" y="{bottom + 38}">{escape(unit)}</text>')
    if limit:
        body.append(
            f'<line class="axis" stroke-dasharray="5 4" x1="{left}" x2="{right}" '
            f'y1="{y(limit[1]):.0f}" y2="{y(limit[1]):.0f}"/>'
        )
        body.append(f'<text x="{right + 6}" y="{y(limit[1]) + 4:.0f}">{escape(limit[0])}</text>')
    for name, values, kind in series:
        points = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(values))
        body.append(f'<polyline class="{kind} line" style="fill: none" points="{points}"/>')
        body.append(f'<text x="{right + 6}" y="{y(values[-1]) + 4:.0f}">{escape(name)}</text>')
    return _document(bottom + 48, title, body)
