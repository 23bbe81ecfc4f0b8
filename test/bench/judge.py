# Turns the figures of all rounds into medians, ratios and verdicts.
# SPDX-License-Identifier: BSD-2-Clause
"""A ratio compares two figures of the same round, and the median of the rounds' ratios is reported, so that a slow
minute of the machine, which slows both down, does not matter."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from rows import BEST, Figure

OURS = "sockmalloc"


class Results:
    """The figures of all allocators, for each round. An allocator may lack some figures."""

    def __init__(self, no_peers: frozenset[str] = frozenset(), ours: str = OURS) -> None:
        """`no_peers` names the columns with which our library is not compared."""
        self.ours = ours
        self._no_peers = no_peers | {ours}
        self._values: dict[str, dict[str, dict[int, float]]] = {}

    def add(self, round_number: int, allocator: str, figures: dict[str, float]) -> None:
        for figure, value in figures.items():
            by_allocator = self._values.setdefault(figure, {})
            by_allocator.setdefault(allocator, {})[round_number] = value

    def _rounds(self, figure: str, allocator: str) -> dict[int, float]:
        return self._values.get(figure, {}).get(allocator, {})

    def rounds(self, figure: str, allocator: str) -> list[float]:
        """Returns the figure of this allocator in each round that has one."""
        return list(self._rounds(figure, allocator).values())

    def median(self, figure: str, allocator: str) -> float | None:
        values = self._rounds(figure, allocator).values()
        return median(values) if values else None

    def ratios(self, figure: str, other: str) -> list[float]:
        """Returns the ratios of our figure to the other allocator's figure, one for each round that has both figures. A
        round in which the other's figure is 0 is left out."""
        ours, theirs = self._rounds(figure, self.ours), self._rounds(figure, other)
        return [ours[r] / theirs[r] for r in sorted(ours) if theirs.get(r, 0) > 0]

    def best_peer(self, figure: Figure) -> str | None:
        medians = {
            name: median(by_round.values())
            for name, by_round in self._values.get(figure.name, {}).items()
            if name not in self._no_peers
        }
        choose = max if figure.more_is_better else min
        return choose(medians, key=lambda name: medians[name], default=None)

    def as_json(self) -> dict[str, dict[str, list[float]]]:
        return {
            figure: {name: list(by_round.values()) for name, by_round in by_allocator.items()}
            for figure, by_allocator in self._values.items()
        }


@dataclass(frozen=True)
class Verdict:
    """One figure of our library in comparison with the other allocators, and with its bound if it has one."""

    figure: Figure
    ours: float | None
    best: str | None
    best_took: float | None
    ratios: list[float]
    bound: str
    measured: float | None
    word: str

    @property
    def is_ratio(self) -> bool:
        return self.figure.bound is not None and self.figure.bound.against is not None


def _bounded(results: Results, figure: Figure, best: str | None) -> tuple[str, float | None]:
    bound = figure.bound
    if bound is None:
        return "-", None
    if bound.against is None:
        return f"{bound.limit:g} {figure.unit}", results.median(figure.name, results.ours)
    against = best if bound.against == BEST else bound.against
    text = f"{bound.limit:.2f} of {bound.against}"
    ratios = results.ratios(figure.name, against) if against else []
    return text, median(ratios) if ratios else None


def can_judge(figure: Figure, peers: set[str], all_peers: set[str]) -> bool:
    """Returns true if this run can tell whether the figure keeps its bound. A peer is an allocator with which ours is
    compared. If the bound names a peer, this peer must have run. If the bound is relative to the best peer, all peers
    must have run. A figure with a fixed bound, or without a bound, can always be judged."""
    bound = figure.bound
    if bound is None or bound.against is None:
        return True
    return all_peers <= peers if bound.against == BEST else bound.against in peers


def _left_out(results: Results, figure: Figure) -> bool:
    """Returns true if the machine lacks the library that an optional figure is about."""
    return figure.optional and results.median(figure.name, results.ours) is None


def judge(results: Results, figure: Figure, judgeable: bool) -> Verdict:
    """Returns the verdict on a figure. If our library lacks a figure whose bound can be judged, the verdict is `over`,
    as for a figure over its bound, unless the figure is optional."""
    best = results.best_peer(figure)
    text, measured = _bounded(results, figure, best) if judgeable else ("-", None)
    if figure.bound is None:
        word = "-"
    elif not judgeable or (figure.bound.against == BEST and best is None) or _left_out(results, figure):
        word = "not judged"
    elif measured is not None and round(measured, 3) <= figure.bound.limit:
        word = "ok"
    else:
        word = "over"
    return Verdict(
        figure=figure,
        ours=results.median(figure.name, results.ours),
        best=best,
        best_took=results.median(figure.name, best) if best else None,
        ratios=results.ratios(figure.name, best) if best and figure.has_ratio else [],
        bound=text,
        measured=measured,
        word=word,
    )
