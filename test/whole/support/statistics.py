"""Splits stderr, or a file of statistics, into its dumps, and checks that each dump is whole."""
# SPDX-License-Identifier: BSD-2-Clause
import sys
from pathlib import Path

# The parser of dumps is in test/server, because the server tests use it too.
sys.path.append(str(Path(__file__).resolve().parents[2] / "server"))

from harness import dump  # noqa: E402

Table = dump.Table


def tables(text: str, wanted: int, *, at_rest: bool = True) -> list[Table]:
    """Returns the dumps in `text`, which must be exactly `wanted` whole dumps. If `at_rest`, checks that in each bucket
    the live, cached and purged slots add up to the slots that were carved."""
    dumps = dump.split(text)
    if len(dumps) != wanted or "".join(dumps) != text:
        raise dump.Malformed(f"wanted {wanted} dumps and nothing else, got {len(dumps)} in:\n{text}")
    found = [dump.parse(one) for one in dumps]
    for table in found:
        errors = dump.ledger_errors(table) if at_rest else []
        if errors:
            raise dump.Malformed("\n".join([*errors, table.text]))
    return found
