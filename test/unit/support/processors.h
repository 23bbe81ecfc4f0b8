/* Slots that a test takes from the processors' caches and gives to them itself; and what is
 * counted.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_PROCESSORS_H
#define SOCKMALLOC_TEST_PROCESSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "percpu/percpu.h"

/* Skips the test, and says so, where there are no restartable sequences. */
void processors_need(void);

/* The same; else lays a house with the default settings, whose processors' records are open. */
void processors_lay(void);

/* Keeps the calling thread on the n-th of the processors that the process may run on, counted round
 * and round; that processor's number. Any thread. */
unsigned processors_pin(unsigned n);

/*
 * Does what the pool does around percpu_pop and percpu_push: metadata, counts, and the stack
 * for what no processor wants. NULL: no slot; false: it went to the stack. Any thread.
 */
void *processors_take(unsigned bucket, enum percpu_source *source);
bool processors_give(unsigned bucket, void *slot);

/* Free slots of a bucket on a processor. */
uint32_t processors_held(unsigned number, unsigned bucket);

/* A bucket's count, summed over all records and cache_shared: of those that slow paths keep, and of
 * those that fast ones do. */
#define PROCESSORS_SLOW(bucket, name) processors_sum(&cache_shared.tally[bucket].name)
#define PROCESSORS_FAST(bucket, name) processors_sum(&cache_shared.bin[bucket].name)
uint64_t processors_sum(const struct counter *of_shared);

#endif
