/* What the caches' quotas are, which steps of training led there, and whether the budget agrees. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_QUOTAS_H
#define SOCKMALLOC_TEST_QUOTAS_H

#include <stdint.h>

/* Bytes that one slot more in a bucket's quota costs: it is one in each of the two magazines. */
uint64_t quotas_price(unsigned bucket);

/* The calling thread's quota; it has a cache. */
uint32_t quotas_of(unsigned bucket);

/* Bytes that the quotas of all caches, the processors' among them, come to; and that they hold.
 * At rest. */
uint64_t quotas_charge(void);
uint64_t quotas_held(void);

/* CHECKs that the budget was charged for the quotas to the byte, that no cache holds more than its
 * quota, and that the limit is kept. At rest. */
void quotas_check(void);

/* Fails the test unless quotas_check, every CHECK before, and the house's counts hold. By the test's first thread. */
void quotas_assert(void);

/* A bucket's count of one step, "promotions" for example, by its name in the statistics. */
uint64_t quotas_count(unsigned bucket, const char *step);

/* Opens a new house with quotas that training moves, from none, within `cache_limit` bytes. */
void quotas_lay(uint64_t cache_limit);

/* One use of a bucket: takes a slot or, every second time, gives it. By the test's first thread. */
void quotas_use(unsigned bucket);

/* Puts so many slots on the stack, so that few requests miss: a fresh slot is a miss each. */
void quotas_retained_memory(unsigned bucket, unsigned count);

/*
 * Uses buckets by turns until the calling thread has a quota in each: by its 64th use, which is a
 * give, so that no miss is on the books. The next look for idle buckets is 64 slow paths away, and
 * finds these used.
 */
void quotas_promote_all(unsigned count, const unsigned *bucket);
void quotas_promote(unsigned bucket);

/* Takes slots of a bucket, and keeps them, until it has missed so many times more. */
void quotas_starve(unsigned bucket, unsigned misses);

#endif
