/* Reads the quotas of the caches, and how often training has changed them, and compares the quotas with the budget.
 * A quota is how many free slots each of a cache's two magazines of a bucket may hold. The budget is the limit in
 * bytes on all quotas together. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_QUOTAS_H
#define SOCKMALLOC_TEST_QUOTAS_H

#include <stdint.h>

/* Returns how many bytes of the budget are needed to raise a cache's quota of the bucket by one: a slot in each of
 * the two magazines. */
uint64_t quotas_price(unsigned bucket);

/* Returns the quota that the calling thread's cache has for the bucket. The thread must have a cache. */
uint32_t quotas_of(unsigned bucket);

/*
 * quotas_charge returns how many bytes of free slots the quotas of all caches allow the caches to hold, and quotas_held
 * how many bytes the caches do hold. Both include the caches of processors (SOCKMALLOC_POOL=cpu). No other thread may
 * allocate or free meanwhile.
 */
uint64_t quotas_charge(void);
uint64_t quotas_held(void);

/* Checks by CHECK that the budget counts exactly the bytes that the quotas permit, that no cache holds more than its
 * quotas, and that the budget's limit is kept. No other thread may allocate or free meanwhile. */
void quotas_check(void);

/* Fails the test if quotas_check finds a fault, if an earlier CHECK has failed, or if the counters of a bucket do not
 * add up. Only the test's first thread may call it. */
void quotas_assert(void);

/* Returns how often training has changed quotas of the bucket in one way. `step` is the name of this way in the
 * statistics, for example "promotions". */
uint64_t quotas_count(unsigned bucket, const char *step);

/* Sets up pools whose caches begin without quotas. Training then raises and lowers the quotas, with a budget of
 * `cache_limit` bytes. */
void quotas_lay(uint64_t cache_limit);

/* Allocates a slot of the bucket or, at every second call, frees the slot. Only the test's first thread may call it. */
void quotas_use(unsigned bucket);

/* Carves `count` new slots and puts them on the bucket's stack of free slots. A miss (a request that finds both
 * magazines empty) then refills a magazine from the stack, so only few requests miss. */
void quotas_retained_memory(unsigned bucket, unsigned count);

/*
 * Allocates and frees a slot of each bucket in turn, until the calling thread has a quota in each bucket. The thread
 * gets a quota at its 64th slow path of the bucket, which is a free here, so no miss is counted. Then sets the count of
 * slow paths to 0, so that training looks for idle buckets after 64 more. At that time these buckets do not count as
 * idle. quotas_promote does all this for one bucket.
 */
void quotas_promote_all(unsigned count, const unsigned *bucket);
void quotas_promote(unsigned bucket);

/* Allocates slots of the bucket and keeps them, until `misses` more requests have missed, which means that neither
 * magazine had a slot for them. */
void quotas_starve(unsigned bucket, unsigned misses);

#endif
