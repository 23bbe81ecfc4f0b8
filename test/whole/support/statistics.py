"""Splits the text from stderr, or from a file of statistics, into dumps (tables of statistics that the library wrote),
and checks that each dump is whole."""
# SPDX-License-Identifier: BSD-2-Clause
import sys
from pathlib import Path

# The parser of dumps is in test/server, because the server tests use it too.
sys.path.append(str(Path(__file__).resolve().parents[2] / "server"))

from harness import dump  # noqa: E402

Table = dump.Table


def tables(text: str, wanted: int, *, at_rest: bool = True) -> list[Table]:
    """Parses `text` and returns its dumps. Raises an error unless the text consists of exactly `wanted` whole dumps. If
    `at_rest` is true, also checks that in each bucket the live, cached, depot and purged slots add up to the carved
    slots, and that each total is the sum of its column. These sums need not agree while other threads allocate."""
    dumps = dump.split(text)
    if len(dumps) != wanted or "".join(dumps) != text:
        raise dump.Malformed(f"wanted {wanted} dumps and nothing else, got {len(dumps)} in:\n{text}")
    found = [dump.parse(one) for one in dumps]
    for table in found:
        errors = dump.ledger_errors(table) if at_rest else []
        if errors:
            raise dump.Malformed("\n".join([*errors, table.text]))
    return found
