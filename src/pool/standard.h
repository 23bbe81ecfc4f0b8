/* Keeps the free lists of the kind `standard`: a mutex and a bounded list of free slots for each bucket. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_STANDARD_H
#define SOCKMALLOC_STANDARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "memory/slots.h"

/*
 * The list of a bucket is its stack of free slots (slots.h), which is lock-free by itself; the mutex keeps the list and
 * its count consistent. A signal handler that interrupts its own thread in one of these functions goes on without the
 * mutex. That is safe because the stack and the count are atomic; the count may then exceed the number of slots in the
 * list by one for a moment, and is never less than that number. Only buckets that are not in the large pool may be used
 * here. Any thread and any signal handler may call the functions. They keep errno.
 */

/* What standard_give has done with a slot: it put the slot into the list, or gave the slot's pages back. */
enum standard_verdict { STANDARD_KEPT, STANDARD_PURGED };

/* Sets how many free slots each list may hold. The library calls it at start-up. */
INTERNAL void standard_open(uint32_t free_list);

/* Allocates a slot as slots_pop does: from the list, else a purged one, else a carved one. */
INTERNAL void *standard_take(unsigned bucket, enum slots_source *source);

/* Frees a slot whose metadata says free. If the list is full, the calling thread gives the slot's pages back to the
 * kernel, outside the mutex, and the slot counts as purged. If the kernel refuses the pages, the slot goes into the
 * list although that is full. */
INTERNAL enum standard_verdict standard_give(unsigned bucket, uint32_t number);

/*
 * standard_withdraw takes a slot off the list for a caller that purges it. With `only_old` it takes only a slot of the
 * old generation. Returns the slot's number, or STACK_EMPTY. standard_restore puts a slot back as one of the given
 * generation, even if the list is then longer than its limit.
 */
INTERNAL uint32_t standard_withdraw(unsigned bucket, bool only_old);
INTERNAL void standard_restore(unsigned bucket, uint32_t number, unsigned generation);

/* Returns how many slots are in the list. */
INTERNAL uint32_t standard_count(unsigned bucket);

/* Sets the count of a list and frees its mutex. It runs in the child of a fork, when `free_slots` slots lie on the
 * bucket's stack. */
INTERNAL void standard_reset(unsigned bucket, uint32_t free_slots);

#endif
