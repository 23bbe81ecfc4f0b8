/* Finds the file that is mapped at an address, by /proc/self/maps. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MAPPING_H
#define SOCKMALLOC_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

enum { MAPPING_NAME_SIZE = 64 };

struct mapping {
    /* the address of the first byte of the file; if that byte is not mapped, the address at which it would lie */
    uintptr_t start;
    char name[MAPPING_NAME_SIZE]; /* the last component of the file's path, cut if it is too long */
};

/*
 * Finds the mapping of a file that contains an address. Returns false if no file is mapped there or /proc cannot be
 * read. The function opens a file, so a process behind a seccomp filter must not call it. Any thread and any signal
 * handler may call it; it takes no lock, keeps errno and uses 1 KiB of stack. Price: the kernel prints every mapping
 * below the address, which takes a microsecond or less for each.
 */
INTERNAL bool mapping_find(uintptr_t address, struct mapping *mapping);

#endif
