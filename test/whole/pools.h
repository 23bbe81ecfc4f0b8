/* What the library says of itself, asked through dlsym. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_POOLS_H
#define SOCKMALLOC_TEST_POOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The buckets of the default settings: 4 KiB to 4 MiB; the first five are trained. The last one
 * ends with the largest request, and has no headroom. */
enum { POOLS_BUCKETS = 11, POOLS_TRAINED = 5, POOLS_HEADROOM = 4096, POOLS_LARGEST = 4194304 };
extern const char *const pools_labels[POOLS_BUCKETS];

/* The bucket's power of two, and its largest request, under the default settings. */
size_t pools_size(unsigned bucket);
size_t pools_largest(unsigned bucket);

/* A figure of the statistics by its name, as in "live" or "16k.live"; an unknown name fails the check. */
uint64_t pools_figure(const char *name);
uint64_t pools_bucket_figure(unsigned bucket, const char *column);

/* Whether the address lies in the regions; the largest request of its slot. */
bool pools_own(const void *address);
size_t pools_capacity(const void *address);

/* Whether the library serves requests from pools. */
bool pools_are_active(void);

/* Writes the statistics to a descriptor in a format; returns what the library does. */
int pools_dump_as(int descriptor, const char *format);

/* In every bucket: live + cached + depot + purged = carved. For moments when no other thread is at it. */
void pools_check_ledger(void);

#ifdef __cplusplus
}
#endif

#endif
