/* Reads the caches' quotas and the steps of training that changed them, and compares them with the budget. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_QUOTAS_H
#define SOCKMALLOC_TEST_QUOTAS_H

#include <stdint.h>

/* Returns the bytes that raising a bucket's quota by one slot costs, which is one slot in each of the two magazines. */
uint64_t quotas_price(unsigned bucket);

/* Returns the calling thread's quota for the bucket. The thread must have a cache. */
uint32_t quotas_of(unsigned bucket);

/* quotas_charge returns the bytes of free slots that the quotas of all caches allow. quotas_held returns the bytes of
 * free slots that all caches hold. Both include the caches of processors, which the pool `cpu` has. No other thread may
 * allocate or free meanwhile. */
uint64_t quotas_charge(void);
uint64_t quotas_held(void);

/* Checks, by CHECK, that the budget is charged exactly for the quotas, that no cache holds more than its quota, and
 * that the limit is kept. No other thread may allocate or free meanwhile. */
void quotas_check(void);

/* Fails the test unless quotas_check, every earlier CHECK, and the counters of all buckets are right. Only the
 * test's first thread may call it. */
void quotas_assert(void);

/* Returns how often one kind of step of training was counted for the bucket. `step` is its name in the statistics, for
 * example "promotions". */
uint64_t quotas_count(unsigned bucket, const char *step);

/* Sets up new pools whose caches begin without quotas. Training then raises and lowers the quotas within `cache_limit`
 * bytes. */
void quotas_lay(uint64_t cache_limit);

/* Uses a bucket once: allocates a slot or, every second time, frees it. Only the test's first thread may call it. */
void quotas_use(unsigned bucket);

/* Puts `count` free slots on the bucket's stack, so that few requests miss; each newly carved slot counts as a miss. */
void quotas_retained_memory(unsigned bucket, unsigned count);

/* Uses the buckets in turn until the calling thread has a quota in each. That is at the 64th use, which is a free,
 * so no miss is counted yet. The next search for idle buckets comes 64 slow paths later, and finds these buckets
 * used. */
void quotas_promote_all(unsigned count, const unsigned *bucket);
void quotas_promote(unsigned bucket);

/* Allocates slots of a bucket and keeps them, until the bucket has missed `misses` times more. */
void quotas_starve(unsigned bucket, unsigned misses);

#endif
