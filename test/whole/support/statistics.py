"""Splits stderr, or a file of statistics, into its dumps, and checks that each is whole."""
# SPDX-License-Identifier: BSD-2-Clause
import sys
from pathlib import Path

# The server tests read dumps of the same form, with the parser that is imported here.
sys.path.append(str(Path(__file__).resolve().parents[2] / "server"))

from harness import dump  # noqa: E402

Table = dump.Table


def tables(text: str, wanted: int, *, at_rest: bool = True) -> list[Table]:
    """Returns the dumps in `text`, which must be `wanted` whole dumps and nothing else. If `at_rest`, the live,
    cached and purged slots of each bucket must add up to those that exist."""
    dumps = dump.split(text)
    if len(dumps) != wanted or "".join(dumps) != text:
        raise dump.Malformed(f"wanted {wanted} dumps and nothing else, got {len(dumps)} in:\n{text}")
    found = [dump.parse(one) for one in dumps]
    for table in found:
        errors = dump.ledger_errors(table) if at_rest else []
        if errors:
            raise dump.Malformed("\n".join([*errors, table.text]))
    return found
