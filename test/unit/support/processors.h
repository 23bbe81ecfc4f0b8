/* Allocates and frees slots directly in the caches that each processor has with SOCKMALLOC_POOL=cpu, and reads the
 * counters of these caches. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_PROCESSORS_H
#define SOCKMALLOC_TEST_PROCESSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "percpu/percpu.h"

/* Skips the test, with a message, if the machine has no restartable sequences (rseq), which the caches of processors
 * need. */
void processors_need(void);

/* Skips the test if the machine has no restartable sequences (rseq). Otherwise sets up pools with the default settings,
 * and opens a cache for each processor. */
void processors_lay(void);

/*
 * Pins the calling thread to the n-th of the processors on which the process may run. If n is not less than their
 * number, counting begins again at the first processor. Returns the kernel's number of the chosen processor. Any thread
 * may call this function.
 */
unsigned processors_pin(unsigned n);

/*
 * processors_take allocates a slot by percpu_pop, and processors_give frees one by percpu_push. Both write the slot's
 * metadata and count the request or the free, as the pool does. The slot that processors_take returns may also come
 * from the depot or the stacks, or be newly carved; processors_take returns NULL if there is none. If the processor's
 * cache has no space for a freed slot, processors_give pushes the slot to the bucket's stack and returns false. Any
 * thread may call these two functions.
 */
void *processors_take(unsigned bucket, enum percpu_source *source);
bool processors_give(unsigned bucket, void *slot);

/* Returns how many free slots of the bucket are in the cache of the processor `number`. */
uint32_t processors_held(unsigned number, unsigned bucket);

/* Both macros return the sum of a counter of the bucket over the caches of all processors and cache_shared.
 * PROCESSORS_SLOW is for the counters of slow paths, and PROCESSORS_FAST for those of fast paths. processors_sum
 * gets the address that the counter has in cache_shared. */
#define PROCESSORS_SLOW(bucket, name) processors_sum(&cache_shared.tally[bucket].name)
#define PROCESSORS_FAST(bucket, name) processors_sum(&cache_shared.bin[bucket].name)
uint64_t processors_sum(const struct counter *of_shared);

#endif
