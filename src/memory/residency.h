/* How much of the range is in memory, by bucket and state of slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RESIDENCY_H
#define SOCKMALLOC_RESIDENCY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "memory/bucket.h"

/* Bytes, of one bucket. */
struct residency {
    size_t live;
    size_t free;
    size_t purged; /* written to since, or kept by the kernel all the same */
    bool known;    /* false where the kernel did not say, or may not be asked; the others are then 0 */
};

/*
 * Adds what each bucket has in memory: asks the kernel about the range, and each page's slot for
 * its state, in one pass, with a system call per 4 MiB whatever the slots' size. The sum is the
 * kernel's own, as it was while it was asked; beside working threads a slot can have changed its
 * state since. Signal-safe, no lock.
 */
INTERNAL void residency_measure(struct residency residency[BUCKET_LIMIT]);

/*
 * Which pages of the range are in memory, as os_residency says. In a file of its own: a program
 * that has another process's regions before it brings one that asks about that process.
 */
INTERNAL bool residency_ask(const char *start, size_t size, unsigned char *pages);

#endif
