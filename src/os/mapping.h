/* Which file is mapped where an address lies, as /proc/self/maps tells it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MAPPING_H
#define SOCKMALLOC_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

enum { MAPPING_NAME_SIZE = 64 };

struct mapping {
    uintptr_t start;              /* where the file's first byte lies, or would lie */
    char name[MAPPING_NAME_SIZE]; /* the last part of its path; what is longer is cut */
};

/*
 * False for memory without a file behind it, for none, and where /proc can't be read. Opens a file,
 * so a sandboxed process must not come here. Any thread, signal handlers too; no lock; errno is
 * kept; 1 KiB of stack. Price: the kernel prints all mappings that lie below the address, a
 * microsecond or less each.
 */
INTERNAL bool mapping_find(uintptr_t address, struct mapping *mapping);

#endif
