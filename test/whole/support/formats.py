"""Reads statistics in each of the library's formats. of_text, of_json and of_prometheus return results of one form: a
dictionary that maps each bucket to a dictionary, which maps the names of the bucket's figures to their values."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import re
from collections.abc import Callable
from typing import Any

from . import statistics

Figures = dict[str, dict[str, int]]

SAMPLE = re.compile(r'sockmalloc_(\w+)\{bucket="(\w+)",program="[^"]*",pid="\d+"\} (\d+(?:\.\d+)?)')
SIZE = re.compile(r'sockmalloc_request_size_bytes_bucket\{le="(\d+)",[^}]*\} (\d+)')
# What the format for Prometheus appends to the name of a figure: its unit, and `_total` if the figure is a counter.
SUFFIXES = re.compile(r"(_slots|_bytes|_requests|_ratio)?(_total)?$")
# The fields of a bucket's row that are no figures: its name, and the bytes that a slot holds.
NOT_OF_THE_TABLE = {"bucket", "capacity"}
# The figures that are fractions.
SHARES = {"filled"}


def of_text(text: str) -> Figures:
    """Returns the figures of each bucket from the last dump in `text`. A dump has two tables of buckets, and
    the two rows of a bucket are joined."""
    figures: dict[str, dict[str, str]] = {}
    columns: list[str] = []
    for line in statistics.dump.split(text)[-1].splitlines():
        fields = line.split()
        if fields and fields[0] in ("bucket", "caches"):
            columns = fields
        elif columns and len(fields) == len(columns) and fields[0] != "total":
            row = dict(zip(columns[1:], fields[1:]))
            figures.setdefault(fields[0], {}).update(row)
        else:
            columns = []
    return {bucket: _figures_alone(row) for bucket, row in figures.items()}


def _number(name: str, value: str | float) -> int:
    """Returns the value of the figure `name` as an integer. The formats write a share in percent or as a fraction; this
    function returns a share in ten-thousandths."""
    if name not in SHARES:
        return int(value)
    percent = isinstance(value, str) and value.endswith("%")
    return round(float(value.rstrip("%")) * 100) if percent else round(float(value) * 10000)


def _figures_alone(row: dict[str, Any]) -> dict[str, int]:
    return {name: _number(name, value) for name, value in row.items() if name not in NOT_OF_THE_TABLE}


def of_json(text: str) -> Figures:
    """Returns the figures of each bucket from the last line of `text`, which is JSON."""
    return {row["bucket"]: _figures_alone(row) for row in json.loads(text.splitlines()[-1])["buckets"]}


def of_prometheus(text: str) -> Figures:
    figures: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if found := SAMPLE.fullmatch(line):
            figures.setdefault(found[2], {})[SUFFIXES.sub("", found[1])] = found[3]
    return {bucket: _figures_alone(row) for bucket, row in figures.items()}


def sizes(text: str) -> dict[str, dict[int, int]]:
    """Returns the histograms of request sizes in the last dump of each format: a dictionary from the format to its
    histogram. A histogram is a dictionary from the upper end of a range of sizes, in bytes, to the count of this range.
    Ranges with a count of 0 are left out."""
    lines = [line for line in text.splitlines() if line.startswith("requests by size, from a sample: ")]
    steps = [step.split(":") for line in lines[-1:] for step in line.partition(": ")[2].split()]
    found = {"text": {int(end): int(count) for end, count in steps}}
    lines = [line for line in text.splitlines() if line.startswith('{"format":')]
    steps = json.loads(lines[-1])["sizes"]["steps"]
    found["json"] = {step["to"]: step["count"] for step in steps}
    cumulated = [(int(end), int(count)) for end, count in SIZE.findall(text)]
    below = [0, *(count for _, count in cumulated)]
    found["prometheus"] = {end: count - before for (end, count), before in zip(cumulated, below) if count > before}
    return found


READERS: dict[str, Callable[[str], Figures]] = {"text": of_text, "json": of_json, "prometheus": of_prometheus}
