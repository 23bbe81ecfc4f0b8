# Draws a chart of each figure, with a bar for each allocator and the range of its rounds. Also draws curves: how time
# and memory grow with the number of threads or of live buffers.
# SPDX-License-Identifier: BSD-2-Clause
"""Each chart is one SVG file that loads no other file."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from statistics import median

from judge import Results
from rows import Figure
from tables import number

WIDTH, LABEL, VALUE, LINE, HEAD = 640, 110, 90, 24, 34
OURS_FILL, PEER_FILL, SPREAD = "#2b6cb0", "#a0aec0", "#1a202c"


def _bar(y: int, name: str, values: list[float], scale: float, fill: str) -> str:
    """Returns the bar of one allocator. The bar is as long as the median of its rounds, and a thin line shows their
    range."""
    middle = y + LINE / 2 - 2
    least, most = LABEL + min(values) * scale, LABEL + max(values) * scale
    return (
        f'<text x="{LABEL - 6}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{LABEL}" y="{y + 2}" width="{median(values) * scale:.1f}" height="{LINE - 8}" fill="{fill}"/>'
        f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="{SPREAD}" stroke-width="2"/>'
        f'<text x="{WIDTH - VALUE + 6}" y="{middle + 4}">{number(median(values))}</text>\n'
    )


def chart(results: Results, figure: Figure, names: list[str]) -> str:
    """Returns the chart of a figure as the text of an SVG file."""
    columns = [(name, results.rounds(figure.name, name)) for name in names]
    columns = [(name, values) for name, values in columns if values]
    longest = max((max(values) for _, values in columns), default=0)
    scale = (WIDTH - LABEL - VALUE) / longest if longest > 0 else 0
    wish = "more" if figure.more_is_better else "less"
    height = HEAD + LINE * len(columns) + 8
    bars = [
        _bar(HEAD + LINE * i, name, values, scale, OURS_FILL if name == results.ours else PEER_FILL)
        for i, (name, values) in enumerate(columns)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="8" y="20" font-weight="bold">{escape(figure.name)}, {escape(figure.unit)}: {wish} is better</text>\n'
        f'{"".join(bars)}</svg>\n'
    )


PLOT_WIDTH, PLOT_HEIGHT, PLOT_LEFT, PLOT_TOP = 420, 260, 60, 40
COLOURS = ("#2b6cb0", "#c53030", "#2f855a", "#b7791f", "#6b46c1", "#4a5568", "#00838f", "#ad1457")


def _powers(least: float, most: float) -> list[float]:
    """Returns powers of ten for an axis: the first is at most `least`, the last is at least `most`, and there are at
    least two."""
    first = math.floor(math.log10(least))
    last = max(math.ceil(math.log10(most)), first + 1)
    return [10.0**power for power in range(first, last + 1)]


class _Plot:
    """Converts values to positions in a chart whose two axes are logarithmic."""

    def __init__(self, across: list[float], up: list[float]) -> None:
        self.across, self.up = _powers(min(across), max(across)), _powers(min(up), max(up))

    def x(self, value: float) -> float:
        whole = math.log10(self.across[-1] / self.across[0])
        return PLOT_LEFT + PLOT_WIDTH * math.log10(value / self.across[0]) / whole

    def y(self, value: float) -> float:
        whole = math.log10(self.up[-1] / self.up[0])
        return PLOT_TOP + PLOT_HEIGHT * (1 - math.log10(value / self.up[0]) / whole)

    def grid(self) -> str:
        right, bottom = PLOT_LEFT + PLOT_WIDTH, PLOT_TOP + PLOT_HEIGHT
        lines = [
            f'<path d="M{self.x(value):.1f} {PLOT_TOP}V{bottom}" stroke="#e2e8f0"/>'
            f'<text x="{self.x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>\n'
            for value in self.across
        ] + [
            f'<path d="M{PLOT_LEFT} {self.y(value):.1f}H{right}" stroke="#e2e8f0"/>'
            f'<text x="{PLOT_LEFT - 6}" y="{self.y(value) + 4:.1f}" text-anchor="end">{value:g}</text>\n'
            for value in self.up
        ]
        return "".join(lines)


def curves(results: Results, name: str, figures: list[Figure], names: list[str]) -> str:
    """Returns the chart of a curve, such as the memory over the number of threads, as the text of an SVG file. Each
    allocator has a line through the medians of its points, and at each point a mark for the range of the rounds."""
    lines = {
        allocator: [(figure.at, results.rounds(figure.name, allocator)) for figure in figures] for allocator in names
    }
    every = [value for points in lines.values() for _, values in points for value in values if value > 0]
    if not every:
        every = [1.0]
    plot = _Plot([figure.at for figure in figures], every)
    drawn = []
    for i, (allocator, points) in enumerate(lines.items()):
        measured = [(at, values) for at, values in points if values and min(values) > 0]
        known = [(plot.x(at), [plot.y(value) for value in values]) for at, values in measured]
        ours = allocator == results.ours
        path = " ".join(f"{x:.1f},{median(ys):.1f}" for x, ys in known)
        colour, label = COLOURS[i % len(COLOURS)], PLOT_TOP + LINE * i + 12
        drawn.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{3 if ours else 1.5}"/>'
            + "".join(f'<path d="M{x:.1f} {min(ys):.1f}V{max(ys):.1f}" stroke="{colour}"/>' for x, ys in known)
            + f'<text x="{PLOT_LEFT + PLOT_WIDTH + 12}" y="{label}" fill="{colour}"'
            f'{" font-weight=" + chr(34) + "bold" + chr(34) if ours else ""}>{escape(allocator)}</text>\n'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{PLOT_TOP + PLOT_HEIGHT + 30}" '
        f'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="8" y="20" font-weight="bold">{escape(name)}, {escape(figures[0].unit)}: less is better</text>\n'
        f'{plot.grid()}{"".join(drawn)}</svg>\n'
    )


def write(directory: Path, results: Results, figures: list[Figure], names: list[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for figure in figures:
        (directory / f"{figure.name}.svg").write_text(chart(results, figure, names), encoding="utf-8")
    for name in dict.fromkeys(figure.curve for figure in figures if figure.curve is not None):
        points = [figure for figure in figures if figure.curve == name]
        (directory / f"{name}.svg").write_text(curves(results, name, points, names), encoding="utf-8")
