/* Allocates and frees slots directly in the caches of the processors, which the pool `cpu` has, and reads what is
 * counted there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_PROCESSORS_H
#define SOCKMALLOC_TEST_PROCESSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "percpu/percpu.h"

/* Skips the test, with a message, if the machine has no restartable sequences (rseq). */
void processors_need(void);

/* Does what processors_need does, then sets up pools with the default settings and opens the processors' records. */
void processors_lay(void);

/* Pins the calling thread to the n-th processor that the process may run on; after the last one the count begins
 * again. Returns the processor's number. Any thread may call it. */
unsigned processors_pin(unsigned n);

/*
 * Both functions do what the pool does around percpu_pop and percpu_push: they write metadata, count, and use the stack
 * of free slots if no processor has the slot or takes it. processors_take returns NULL if there is no slot, and
 * processors_give returns false if the slot went to the stack. Any thread may call them.
 */
void *processors_take(unsigned bucket, enum percpu_source *source);
bool processors_give(unsigned bucket, void *slot);

/* Returns how many free slots of the bucket the processor holds. */
uint32_t processors_held(unsigned number, unsigned bucket);

/* Both macros return a bucket's counter, summed over all processors and cache_shared: PROCESSORS_SLOW a counter of the
 * slow paths, and PROCESSORS_FAST a counter of the fast paths. */
#define PROCESSORS_SLOW(bucket, name) processors_sum(&cache_shared.tally[bucket].name)
#define PROCESSORS_FAST(bucket, name) processors_sum(&cache_shared.bin[bucket].name)
uint64_t processors_sum(const struct counter *of_shared);

#endif
