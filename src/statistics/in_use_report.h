/* Prints the blocks in use, for a person who looks for leaks: by caller, the caller of the oldest block first. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_IN_USE_REPORT_H
#define SOCKMALLOC_IN_USE_REPORT_H

#include <stdbool.h>

#include "base/attributes.h"
#include "memory/bucket.h"

/*
 * Writes the list of blocks in use to `descriptor`, in writes that end at the end of a line. The list may be of any
 * length. Writes nothing if no list is kept. Returns false if the descriptor has not accepted all of it. `plan` has the
 * labels of the buckets. Signal handlers may call the function, which does not change errno. Only one thread may call
 * it at a time. Price: in_use_list_make, symbol_print for each caller, and 5 us per block for the lines: half a second
 * for 100,000 blocks, during which the interrupted thread does nothing else.
 */
INTERNAL bool in_use_report_write(const struct bucket_plan *plan, int descriptor);

#endif
