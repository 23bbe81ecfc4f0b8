# Draws a chart of each figure: a bar for each allocator, and the spread of its rounds.
# SPDX-License-Identifier: BSD-2-Clause
"""Each chart is an SVG file of its own, which needs nothing else."""

from __future__ import annotations

from html import escape
from pathlib import Path
from statistics import median

from judge import Results
from rows import Figure
from tables import number

WIDTH, LABEL, VALUE, LINE, HEAD = 640, 110, 90, 24, 34
OURS_FILL, PEER_FILL, SPREAD = "#2b6cb0", "#a0aec0", "#1a202c"


def _bar(y: int, name: str, values: list[float], scale: float, fill: str) -> str:
    """Returns the bar of one allocator. Its length is the median, and a line shows the least and the largest round."""
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


def write(directory: Path, results: Results, figures: list[Figure], names: list[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for figure in figures:
        (directory / f"{figure.name}.svg").write_text(chart(results, figure, names), encoding="utf-8")
