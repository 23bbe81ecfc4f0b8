"""Takes stderr, or a file of statistics, apart into its dumps, and demands that each is whole."""
# SPDX-License-Identifier: BSD-2-Clause
import sys
from pathlib import Path

# The server tests read the same dumps; there is one parser for both.
sys.path.append(str(Path(__file__).resolve().parents[2] / "server"))

from harness import dump  # noqa: E402

Table = dump.Table


def tables(text: str, wanted: int, *, at_rest: bool = True) -> list[Table]:
    """The dumps that `text` consists of, `wanted` of them and nothing else, with ledgers that close."""
    dumps = dump.split(text)
    if len(dumps) != wanted or "".join(dumps) != text:
        raise dump.Malformed(f"wanted {wanted} dumps and nothing else, got {len(dumps)} in:\n{text}")
    found = [dump.parse(one) for one in dumps]
    for table in found:
        errors = dump.ledger_errors(table) if at_rest else []
        if errors:
            raise dump.Malformed("\n".join([*errors, table.text]))
    return found
