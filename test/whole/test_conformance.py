"""Tests that each exported function does what the standards and the manuals say about the function."""
# SPDX-License-Identifier: BSD-2-Clause
from pathlib import Path

from support import cases, settings
from support.cases import Run

EXPORTS = Path(__file__).resolve().parents[1] / "abi" / "exports.txt"

# The value -1 disables decay, so the library purges a free slot (gives its pages back to the kernel) only if a case
# calls malloc_trim.
KEPT = [Run(variables={"SOCKMALLOC_DECAY_MS": "-1"})]

# This command limits the address space to 1 GiB, so that the case handler_may_release runs out of memory although the
# machine has enough.
LITTLE_MEMORY = [settings.tool("prlimit"), f"--as={1 << 30}"]


def exported_names() -> list[str]:
    return [line for line in EXPORTS.read_text().splitlines() if line and not line.startswith("#")]


load_tests = cases.loader(
    {
        "allocate": {},
        "aligned": {},
        "resize": {},
        "mapped": {
            "limit_touches_no_other_mapping": [Run(variables={"SOCKMALLOC_MAX": "32m"})],
            "full_range_serves_on": [Run(variables={"SOCKMALLOC_MAX": "64m"})],
            "growth_copies_no_page": [
                Run(f"MAX={most}m", {"SOCKMALLOC_MAX": f"{most}m"}, (str(most),)) for most in (4, 16, 32, 64)
            ],
        },
        "about": {
            "stats_writes_a_dump": [Run(dumps=1)],
            "trim_is_bounded": KEPT,
            "trim_keeps_the_pad": KEPT,
            "trim_without_pools": [Run(variables={"SOCKMALLOC_DISABLE": "1"})],
            "trim_reaches_the_own_cache": KEPT,
        },
        "zeroed": dict.fromkeys(
            (
                "fresh_pages_are_left_alone",
                "purged_pages_are_left_alone",
                "reused_pages_are_cleared",
                "reused_slots_are_cleared_to_their_last_usable_byte",
            ),
            KEPT,
        ),
        "control": {},
        "origins": {"names_are_ours": [Run(arguments=exported_names())]},
        "operators": {"handler_may_release": [Run(wrapper=LITTLE_MEMORY)]},
    }
)
