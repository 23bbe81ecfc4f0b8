/* Says which function an address lies in, without the dynamic linker and its lock. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SYMBOL_H
#define SOCKMALLOC_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"
#include "os/image.h"
#include "os/mapping.h"

/*
 * The contract. Signal-safe: no lock (dladdr takes the dynamic linker's, which the interrupted
 * thread may hold), no allocation, 2 KiB of stack, errno is kept. Objects that threads load and
 * unload meanwhile make names wrong or missing at worst. In a process with a seccomp filter, which
 * might end it for a call that its author did not foresee, nothing is asked of the kernel, and all
 * addresses stay bare.
 *
 * Price, in system calls: the first address in an object costs a pass over /proc/self/maps and some
 * 20 reads, every address one read for each 40 symbols of its object: 0.1 ms for libc's 3,000.
 */

enum { SYMBOL_OBJECTS = 8, SYMBOL_NAME_SIZE = 256 };

/* What is remembered from one address to the next, so that maps is read once for each object. The
 * caller's memory; for one thread at a time. */
struct symbol_finder {
    bool blind; /* nothing may be asked */
    unsigned next;
    struct symbol_object {
        struct image image;
        char name[MAPPING_NAME_SIZE];
    } object[SYMBOL_OBJECTS];
    char name[SYMBOL_NAME_SIZE];
};

/* Forgets what was remembered, and asks anew whether there is a filter. */
INTERNAL void symbol_begin(struct symbol_finder *finder);

/*
 * Appends who called: `address` is where the call returns to, so the call itself lies just before
 * it. `object(function+0x12)`; where no exported function is known, `object+0x1234`, an address as
 * addr2line takes it for the object's file; where no object is, `0x7f...`. C++ names stay mangled.
 */
INTERNAL void symbol_print(struct symbol_finder *finder, const void *address, struct text *text);

#endif
