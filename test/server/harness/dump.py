"""Reads the table of statistics that the library writes when a signal requests it (a dump)."""
# SPDX-License-Identifier: BSD-2-Clause
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BUCKETS = ("4k", "8k", "16k", "32k", "64k", "128k", "256k", "512k", "1m", "2m", "4m", "8m", "16m", "32m")
STOCKS = ("live", "cached", "depot", "purged", "carved")
EVENTS = ("requests", "asked", "fell_through", "fell_through_asked")

_BEGIN = re.compile(r"^sockmalloc \S+: statistics of (.+), process (\d+)$")
_END = re.compile(r"^end of statistics of process (\d+)$")
_SHARE = re.compile(r"^pools served (\d+(?:\.\d+)?) % of the bytes asked for in requests of ")


class Malformed(AssertionError):
    """Raised if the text is not a table of statistics as the documentation describes it."""


@dataclass(frozen=True)
class Table:
    """One table of statistics that the library wrote: a row for each bucket, the row of totals, and the share of the
    bytes that the pools served."""

    program: str
    pid: int
    rows: dict[str, dict[str, int]]
    total: dict[str, int]
    share: float
    text: str

    def live(self) -> dict[str, int]:
        return {bucket: row["live"] for bucket, row in self.rows.items()}

    def sum(self, column: str) -> int:
        return sum(row[column] for row in self.rows.values())


def _row(fields: list[str], columns: list[str]) -> dict[str, int]:
    if len(fields) != len(columns):
        raise Malformed(f"{len(fields)} fields under {len(columns)} columns: {fields}")
    row = {}
    for column, field in zip(columns[1:], fields[1:]):
        # the row of totals has "-" in the column capacity; a column of resident bytes has "unknown" if a seccomp filter
        # keeps the library from measuring
        if field == "-" or (field == "unknown" and column.startswith("resident")):
            continue
        if re.fullmatch(r"\d+\.\d\d%", field):  # the number is stored in hundredths of a percent
            field = field.replace(".", "").rstrip("%")
        if not field.isdecimal():
            raise Malformed(f"{column} of {fields[0]} is no plain number: {field!r}")
        row[column] = int(field)
    return row


def _share(lines: list[str]) -> float:
    found = [match for match in map(_SHARE.match, lines) if match]
    if len(found) != 1:
        raise Malformed(f"{len(found)} lines say what the pools served")
    return float(found[0][1])


def _rows(lines: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yields the fields of each line, up to and including the line of totals."""
    for fields in lines:
        yield fields
        if fields[:1] == ["total"]:
            return


def parse(text: str) -> Table:
    """Parses one whole table of statistics. Raises Malformed for any deviation from the format. The last bucket must be
    4m, as in a process with SOCKMALLOC_MAX=4m, or the one that is the last by the library's default settings."""
    lines = text.splitlines()
    begin = _BEGIN.match(lines[0]) if lines else None
    end = _END.match(lines[-1]) if lines else None
    if begin is None or end is None or begin[2] != end[1]:
        raise Malformed(f"not one dump from its first to its last line:\n{text}")
    columns = lines[1].split()
    missing = {"bucket", "capacity", "peak", *STOCKS, *EVENTS} - set(columns)
    if columns[0] != "bucket" or missing:
        raise Malformed(f"columns are missing: {sorted(missing)}\n{lines[1]}")
    body = list(_rows(line.split() for line in lines[2:]))
    names = [fields[0] if fields else "" for fields in body]
    if names not in ([*BUCKETS[:few], "total"] for few in (len(BUCKETS), BUCKETS.index("4m") + 1)):
        raise Malformed(f"the rows are {names}")
    rows = {fields[0]: _row(fields, columns) for fields in body}
    total = rows.pop("total")
    return Table(begin[1], int(begin[2]), rows, total, _share(lines), text)


def split(text: str) -> list[str]:
    """Returns the complete tables of statistics in a file to which the library has appended several. The last table may
    be unfinished, and is then left out."""
    dumps: list[str] = []
    pending: list[str] = []
    for line in text.splitlines(keepends=True):
        pending.append(line)
        if line.endswith("\n") and _END.match(line.rstrip("\n")):
            dumps.append("".join(pending))
            pending = []
    return dumps


def ledger_errors(table: Table) -> list[str]:
    """Returns a line for each error in the table: a bucket in which live + cached + depot + purged differs from carved,
    or a total that is not the sum of its column."""
    errors = []
    for bucket, row in [*table.rows.items(), ("total", table.total)]:
        known = row["live"] + row["cached"] + row["depot"] + row["purged"]
        if known != row["carved"]:
            errors.append(f"{bucket}: {known} slots are known of, {row['carved']} were carved")
    for column in STOCKS + EVENTS:
        said, known = table.total[column], table.sum(column)
        if said != known:
            errors.append(f"total: {column} is {said}, the rows say {known}")
    return errors


@dataclass(frozen=True)
class Served:
    """Sums over the requests whose sizes the pools serve: how many requests and how many bytes the pools served, and
    how many bytes mimalloc had to serve instead."""

    requests: int
    asked: int
    fell_through_asked: int

    def share(self) -> float:
        """Returns the share of the bytes that the pools served, in percent. It is 0 if there was no request."""
        whole = self.asked + self.fell_through_asked
        return 100.0 * self.asked / whole if whole else 0.0


def served(tables: Iterable[Table]) -> Served:
    """Adds up the requests of several processes. Each process's table counts them from the start of the process to the
    moment at which the table was written."""
    tables = list(tables)
    return Served(*(sum(table.sum(name) for table in tables) for name in _SERVED))


def served_between(before: Iterable[Table], after: Iterable[Table]) -> Served:
    """Adds up the requests that several processes made after the tables in `before` were written and before those in
    `after` were."""
    first, second = served(before), served(after)
    return Served(
        second.requests - first.requests,
        second.asked - first.asked,
        second.fell_through_asked - first.fell_through_asked,
    )


_SERVED = ("requests", "asked", "fell_through_asked")
