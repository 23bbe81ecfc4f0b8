/* Measures how many bytes of the range are in memory, by bucket and by state of the slot. */
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
    size_t purged; /* bytes on pages that were touched after the purge, or that the kernel has not given up */
    /* false if the kernel did not say which pages are resident, or may not be asked; all figures are 0 then */
    bool known;
};

/*
 * Measures how many bytes each bucket has in memory. The function gets from the kernel which pages of the range are in
 * memory, in one pass with a system call for each 4 MiB, and reads the state of the slot of each page in memory. The
 * sum of all figures is the number of bytes that the kernel reports. If other threads work meanwhile, a slot may change
 * its state before the function reads the state. Signal handlers may call the function, which takes no lock.
 */
INTERNAL void residency_measure(struct residency residency[BUCKET_LIMIT]);

/*
 * Stores which pages of the range are in memory, as os_residency does. Returns false if the kernel does not say. The
 * library and the command have different functions of this name: the library's is in residency_source.c, and the
 * command's reads /proc/PID/pagemap of the process that it measures.
 */
INTERNAL bool residency_ask(const char *start, size_t size, unsigned char *pages);

#endif
