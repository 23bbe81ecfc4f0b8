# Prints results as tables for a person: the medians of all allocators; our library's figures beside those of the best
# other allocator, with verdicts; and a comparison of two columns of figures.
# SPDX-License-Identifier: BSD-2-Clause
"""The columns of a table are as wide as their content. A figure has two decimals below 10, one below 100, and none from
100 on."""

from __future__ import annotations

from statistics import median

from judge import Results, Verdict
from rows import Figure


def number(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:z.2f}"  # prints no "-0.00"


def _lay_out(lines: list[list[str]], left: set[int]) -> str:
    """Returns the lines as one text, a table whose heading is the first line. Columns in `left` are aligned to the
    left, others to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    laid_out = []
    for line in lines:
        cells = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths))
        ]
        laid_out.append("  ".join(cells).rstrip())
    return "\n".join(laid_out)


def figures_table(results: Results, figures: list[Figure], names: list[str]) -> str:
    lines = [["row", "unit", *names]]
    for figure in figures:
        medians = [number(results.median(figure.name, name)) for name in names]
        lines.append([figure.name, figure.unit, *medians])
    return _lay_out(lines, left={0, 1})


def _measured(verdict: Verdict) -> str:
    if verdict.measured is None:
        return "-"
    return f"{verdict.measured:.3f}" if verdict.is_ratio else number(verdict.measured)


def _ratio(ratios: list[float]) -> tuple[str, str]:
    """Returns two texts: the median of the rounds' ratios, and their range."""
    if not ratios:
        return "-", "-"
    return f"{median(ratios):.3f}", f"{min(ratios):.2f}-{max(ratios):.2f}"


def verdicts_table(verdicts: list[Verdict]) -> str:
    lines = [["row", "unit", "sockmalloc", "best", "peer", "ratio", "rounds", "at most", "is", "verdict"]]
    for verdict in verdicts:
        ratios = verdict.ratios
        lines.append(
            [
                verdict.figure.name,
                verdict.figure.unit,
                number(verdict.ours),
                number(verdict.best_took),
                verdict.best or "-",
                *_ratio(ratios),
                verdict.bound,
                _measured(verdict),
                verdict.word,
            ]
        )
    return _lay_out(lines, left={0, 1, 4, 7, 9})


def comparison_table(results: Results, figures: list[Figure], other: str) -> str:
    """Returns a table, without bounds and verdicts, that compares two columns of figures: `other`, and the column that
    counts as ours (results.ours)."""
    lines = [["row", "unit", other, results.ours, "ratio", "rounds"]]
    for figure in figures:
        medians = [number(results.median(figure.name, name)) for name in (other, results.ours)]
        ratios = results.ratios(figure.name, other)
        lines.append([figure.name, figure.unit, *medians, *_ratio(ratios)])
    return _lay_out(lines, left={0, 1})
