/* The list of what is in use as a person reads it: what may have leaked, the oldest first. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_IN_USE_REPORT_H
#define SOCKMALLOC_IN_USE_REPORT_H

#include <stdbool.h>

#include "base/attributes.h"
#include "memory/bucket.h"

/*
 * Writes the list to `descriptor`, whole lines at a time, however long it gets; nothing at all
 * where no notes are kept. False if the descriptor took less than all. `plan` names the buckets.
 * Signal-safe; errno is kept; for one thread at a time. Price: what in_use_list_make and, for each
 * caller, symbol_print say; with the lines, 5 us a live slot: half a second for 100,000, in which
 * the thread that was interrupted for it does nothing else.
 */
INTERNAL bool in_use_report_write(const struct bucket_plan *plan, int descriptor);

#endif
