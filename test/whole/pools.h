/* Functions that call the library to get its figures and other results. They find the library's functions by dlsym,
 * because the test programs are not linked with the library. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_POOLS_H
#define SOCKMALLOC_TEST_POOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The buckets with SOCKMALLOC_MAX=4m, which nearly all tests set: 4 KiB to 4 MiB. The first five are trained: their
 * free slots are in caches, whose quotas the library adapts to the load. A slot is POOLS_HEADROOM bytes longer than the
 * power of two after which its bucket is named. The last bucket has no such headroom: its largest request has
 * POOLS_LARGEST bytes.
 */
enum { POOLS_BUCKETS = 11, POOLS_TRAINED = 5, POOLS_HEADROOM = 4096, POOLS_LARGEST = 4194304 };
extern const char *const pools_labels[POOLS_BUCKETS];

/* pools_size returns the power of two after which the bucket is named. pools_largest returns the largest request that
 * the bucket serves. Both are in bytes, and are right only with the settings that the tests use. */
size_t pools_size(unsigned bucket);
size_t pools_largest(unsigned bucket);

/* Returns a figure of the statistics by its name, such as "live" for all buckets or "16k.live" for one. An unknown name
 * fails the case. */
uint64_t pools_figure(const char *name);
uint64_t pools_bucket_figure(unsigned bucket, const char *column);

/* pools_own returns true if the address lies in the range of the pools. pools_capacity returns the largest request, in
 * bytes, that the slot at this address can hold. */
bool pools_own(const void *address);
size_t pools_capacity(const void *address);

/* Returns true if the library serves requests from pools. */
bool pools_are_active(void);

/* Writes the statistics to a file descriptor, in the format "text", "json" or "prometheus". Returns 0, or -1 if that
 * failed. */
int pools_dump_as(int descriptor, const char *format);

/* Checks for every bucket that live + cached + depot + purged slots = carved slots. No other thread may allocate or
 * free meanwhile. */
void pools_check_ledger(void);

#ifdef __cplusplus
}
#endif

#endif
