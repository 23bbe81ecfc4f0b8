/* Measures how many bytes of the range of slots are in memory, by bucket and by state of the slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RESIDENCY_H
#define SOCKMALLOC_RESIDENCY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "memory/bucket.h"

/* The bytes in memory of one bucket's slots, by the state of the slot. */
struct residency {
    size_t live;
    size_t free;
    /*
     * bytes in memory although the slot was purged: the page was touched afterwards, or the kernel has not given it up
     */
    size_t purged;
    /* false if the kernel did not say which pages are resident, or if the process has a seccomp filter that may forbid
     * the call; all figures are 0 then */
    bool known;
};

/*
 * Measures how many bytes each bucket has in memory. In one pass over the range, with a system call for each 4 MiB, the
 * function reads which pages are in memory, and the state of the slot of each such page. The sum of all figures is the
 * number of bytes that the kernel reports to be in memory. If other threads work meanwhile, a slot may change its state
 * before the function reads the state. Signal handlers may call the function, which takes no lock.
 */
INTERNAL void residency_measure(struct residency residency[BUCKET_LIMIT]);

/*
 * Stores which pages of the range are in memory, as os_residency does: a byte for each page, whose lowest bit is set if
 * the page is in memory. Returns false if the kernel does not say. The library and the command have different functions
 * of this name: the library's is in residency_source.c, and the command's reads /proc/PID/pagemap of the process that
 * it measures.
 */
INTERNAL bool residency_ask(const char *start, size_t size, unsigned char *pages);

#endif
