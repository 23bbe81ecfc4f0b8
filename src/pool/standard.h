/* The free lists of the kind `standard`: each bucket has a list of free slots, of limited length, with a mutex. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_STANDARD_H
#define SOCKMALLOC_STANDARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "memory/slots.h"

/*
 * The list of a bucket is its stack of free slots (slots.h), which is lock-free by itself; the mutex keeps the list and
 * its count consistent. In a signal handler that has interrupted its own thread in one of these functions, the
 * functions work without the mutex. That is safe because the stack and the count are atomic; the count may then exceed
 * the number of slots in the list by one for a moment, and is not less than that number, except in the child of a fork
 * (see `count` in standard.c). Buckets of the large pool may not be used here. Any thread and any signal handler may
 * call the functions. They do not change errno.
 */

/* What standard_give has done with a slot: put it on the list, or purged it. */
enum standard_verdict { STANDARD_KEPT, STANDARD_PURGED };

/* Sets how many free slots each list may hold. The library calls this function at start-up. */
INTERNAL void standard_open(uint32_t free_list);

/* Allocates a slot as slots_pop does: one from the list, or else a purged one, or else a new one. */
INTERNAL void *standard_take(unsigned bucket, enum slots_source *source);

/*
 * Frees a slot whose metadata already says that it is free. If the list is full, the calling thread purges the slot,
 * outside the mutex, and the slot counts as purged. If the kernel refuses to take the pages, the slot is put on the
 * list although the list is full.
 */
INTERNAL enum standard_verdict standard_give(unsigned bucket, uint32_t number);

/*
 * standard_withdraw removes a slot from the list, so that the caller can purge it. With `only_old`, it removes only a
 * slot of the old generation (slots freed longer ago). Returns the slot's number, or STACK_EMPTY if there is none.
 * standard_restore puts a slot back as one of the given generation, even if the list is then longer than its limit.
 */
INTERNAL uint32_t standard_withdraw(unsigned bucket, bool only_old);
INTERNAL void standard_restore(unsigned bucket, uint32_t number, unsigned generation);

/* Returns how many free slots are on the bucket's list, which all threads share. */
INTERNAL uint32_t standard_count(unsigned bucket);

/*
 * Sets the count of free slots of the bucket's list to `free_slots`, and releases the list's mutex. This function runs
 * in the child of a fork. The list is the bucket's stack of free slots, so `free_slots` is the number of slots on that
 * stack.
 */
INTERNAL void standard_reset(unsigned bucket, uint32_t free_slots);

#endif
