/* The standard pool: a mutex and a bounded list of free slots for each bucket. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_STANDARD_H
#define SOCKMALLOC_STANDARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "memory/slots.h"

/*
 * The contract. A bucket's list is its stack of loose slots, which is lock-free by itself; the
 * mutex makes the list and its count one. A handler that interrupted its own thread in there does
 * without the mutex: the stack bears that, and the count is atomic. Then the count may say one
 * too many for a moment, never one too few. Buckets of the large pool, which the mutex does not
 * know, must not come here. Any thread, signal handlers too; errno is kept.
 */

/* What became of a slot that was given. */
enum standard_verdict { STANDARD_KEPT, STANDARD_PURGED };

/* At start: how many free slots each list may hold. */
INTERNAL void standard_open(uint32_t free_list);

/* A free slot, as slots_pop: from the list, else purged, else carved. */
INTERNAL void *standard_take(unsigned bucket, enum slots_source *source);

/*
 * Gives a slot whose metadata says free. Where the list is full its pages go back to the kernel, by
 * this thread and outside the mutex, and it counts as purged; a slot that the kernel refuses to
 * take stays in the list all the same.
 */
INTERNAL enum standard_verdict standard_give(unsigned bucket, uint32_t number);

/* For who purges free slots himself: one from the list, of the old generation alone or of any, or
 * STACK_EMPTY; and back into it, however long it is, as one of such a generation. */
INTERNAL uint32_t standard_withdraw(unsigned bucket, bool only_old);
INTERNAL void standard_restore(unsigned bucket, uint32_t number, unsigned generation);

/* Slots in the list. */
INTERNAL uint32_t standard_count(unsigned bucket);

/* In the child of a fork, once the bucket's stack is as it shall be: `loose` slots lie there. */
INTERNAL void standard_reset(unsigned bucket, uint32_t free_slots);

#endif
