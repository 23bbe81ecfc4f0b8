"""Tests that the resident bytes in the library's statistics agree with the kernel's figures, both while no thread works
and while threads allocate and free."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

# The value -1 disables decay, so that the library purges no free slot (gives its pages back to the kernel) between two
# readings that a case compares.
AT_REST = [Run("", {"SOCKMALLOC_DECAY_MS": "-1"})]
KINDS = [Run(f"pool {kind}", {"SOCKMALLOC_POOL": kind}) for kind in ("thread", "lockfree", "standard", "cpu")]

load_tests = cases.loader({"residency": {"at_rest": AT_REST, "write_after_purge": AT_REST, "under_load": KINDS}})
