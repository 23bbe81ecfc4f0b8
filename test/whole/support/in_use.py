"""Parses a list of slots in use, which the library writes. Raises an error if the text differs in the least from the
documented form, or if the sums in the list do not agree with its lines."""
# SPDX-License-Identifier: BSD-2-Clause
import re
from dataclasses import dataclass

_BEGIN = re.compile(r"sockmalloc \S+: in use by (.+), process (\d+): by caller, the oldest first")
_CALLER = re.compile(r"by (.+): slots (\d+), bytes (\d+), oldest (\d+\.\d{3}) s")
_SLOT = re.compile(r"  (0x[0-9a-f]+)  (\d+[km]) +(\d+) bytes +(\d+\.\d{3}) s")
_END = re.compile(r"end of what is in use by process (\d+): slots (\d+), bytes (\d+), callers (\d+)")


class Malformed(AssertionError):
    """Raised if the text does not have the documented form of a list of slots in use."""


@dataclass(frozen=True)
class Slot:
    address: str
    bucket: str
    bytes: int
    age: float


@dataclass(frozen=True)
class Holder:
    """A function that has called malloc, and those of its slots that are still in use."""

    caller: str
    slots: tuple[Slot, ...]

    def bytes(self) -> int:
        return sum(slot.bytes for slot in self.slots)


@dataclass(frozen=True)
class List:
    program: str
    pid: int
    holders: tuple[Holder, ...]

    def slots(self) -> list[Slot]:
        return [slot for holder in self.holders for slot in holder.slots]


def _match(pattern: re.Pattern[str], line: str) -> re.Match[str]:
    found = pattern.fullmatch(line)
    if found is None:
        raise Malformed(f"{line!r} is not {pattern.pattern!r}")
    return found


def _holder(lines: list[str]) -> Holder:
    """Parses a caller's line and the lines of its slots. Checks that the sums in the caller's line are those of the
    slots, and that the slots are sorted from the oldest to the youngest."""
    head = _match(_CALLER, lines[0])
    rows = [_match(_SLOT, line) for line in lines[1:]]
    slots = tuple(Slot(row[1], row[2], int(row[3]), float(row[4])) for row in rows)
    holder = Holder(head[1], slots)
    said = (int(head[2]), int(head[3]), float(head[4]))
    if not slots or said != (len(slots), holder.bytes(), slots[0].age):
        raise Malformed("the sums are not those of the slots in:\n" + "\n".join(lines))
    _demand_falling([slot.age for slot in slots])
    return holder


def _demand_falling(ages: list[float]) -> None:
    if ages != sorted(ages, reverse=True):
        raise Malformed(f"the oldest does not come first: {ages}")


def _holders(lines: list[str]) -> tuple[Holder, ...]:
    starts = [number for number, line in enumerate(lines) if not line.startswith("  ")]
    if lines and starts[:1] != [0]:
        raise Malformed(f"a slot without a caller: {lines[0]!r}")
    holders = tuple(_holder(lines[start:end]) for start, end in zip(starts, [*starts[1:], len(lines)]))
    _demand_falling([holder.slots[0].age for holder in holders])
    callers = [holder.caller for holder in holders]
    if len(set(callers)) != len(callers):
        raise Malformed(f"a caller comes twice: {callers}")
    return holders


def parse(text: str) -> List:
    """Parses one list of slots in use. Raises an error if there is other text before or after it."""
    lines = text.splitlines()
    if len(lines) < 2 or not text.endswith("\n"):
        raise Malformed(f"not a whole list:\n{text}")
    begin, end = _match(_BEGIN, lines[0]), _match(_END, lines[-1])
    found = List(begin[1], int(begin[2]), _holders(lines[1:-1]))
    sums = (len(found.slots()), sum(holder.bytes() for holder in found.holders), len(found.holders))
    if end[1] != begin[2] or (int(end[2]), int(end[3]), int(end[4])) != sums:
        raise Malformed(f"the last line does not agree with {sums}:\n{text}")
    return found


def split(text: str) -> tuple[list[str], str]:
    """Returns the lists of slots in use that a text contains, and the rest of the text."""
    lists: list[list[str]] = []
    rest: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\n")
        if not inside and _BEGIN.fullmatch(bare):
            inside = True
            lists.append([])
        (lists[-1] if inside else rest).append(line)
        inside = inside and not _END.fullmatch(bare)
    return ["".join(lines) for lines in lists], "".join(rest)
