/* Sets up tables, a range, pools and route as the library's start-up does, but smaller, and checks the figures that the
 * library counts. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_HOUSE_H
#define SOCKMALLOC_TEST_HOUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/bucket.h"
#include "statistics/snapshot.h"

struct pool_settings;

/* The range has 512 MiB (2^HOUSE_SHIFT bytes), which hold thousands of small slots and dozens of the largest. */
enum { HOUSE_SHIFT = 29, HOUSE_PAGES = 1 << (HOUSE_SHIFT - 12) };

/* Names the buckets of the default settings by their labels. The labels are right if a page has 4 KiB. */
enum { B4K, B8K, B16K, B32K, B64K, B128K, B256K, B512K, B1M, B2M, B4M, BUCKETS };

extern struct bucket_plan house_plan;

/* The settings with which house_lay opens the pools; a test changes them before. At first each cache has the largest
 * quota for every trained bucket from the start, and keeps it. */
extern struct pool_settings house_pools;

/* If true, house_lay also sets up the table that notes the caller of each allocation. False at first. */
extern bool house_notes_use;

/* Returns the default settings. */
struct bucket_settings house_defaults(void);

/* Sets up tables, a range of 2^shift bytes, pools and route, once in a process. Returns false if there are no free
 * addresses. */
bool house_try(const struct bucket_settings *settings, unsigned shift);

/* house_lay does what house_try does, and fails the test if that is impossible. house_lay_default does so with the
 * default settings. */
void house_lay(const struct bucket_settings *settings, unsigned shift);
void house_lay_default(void);

/* Finds `size` bytes of free addresses, for a test that sets up a single table or range. Returns their start, or
 * NULL. */
char *house_space(size_t size);

/* Returns how many slots of the bucket fit into a range of 2^shift bytes that has no other slots. */
uint32_t house_limit(unsigned bucket, unsigned shift);

/* Returns the slot of the bucket with the index `ordinal`, counted from 0 in the order of addresses. The slot must have
 * been carved. */
void *house_slot(unsigned bucket, uint32_t ordinal);

/* Returns the number of the slot that house_slot returns. */
uint32_t house_number(unsigned bucket, uint32_t ordinal);

/* Carves `count` slots of the bucket, which belong to no thread and lie on no stack. */
void house_carve(unsigned bucket, uint32_t count);

/* Writes a state and a request into a slot's metadata. */
void house_mark(const void *slot, unsigned state, size_t request);

/* Returns how many slots of the bucket are live by their metadata. */
uint32_t house_live(unsigned bucket);

/* Allocates a slot of the bucket as malloc does: by the pool's fast path, else by its slow path. Returns NULL if
 * there is none. */
void *house_take(unsigned bucket, size_t request, uint8_t *was);

/* Frees a slot as free does. */
void house_give(void *slot);

/* Returns how many carved slots of the bucket have this state in their metadata. */
uint32_t house_metadata(unsigned bucket, unsigned state);

/* Returns the bucket's present figures, which are valid until the next call. */
const struct snapshot_figures *house_figures(unsigned bucket);

/*
 * Compares the counters of each bucket with each other and with the metadata: live + cached + depot + purged must be
 * equal to carved. Returns NULL if they agree, or else a text that says what differs. No other thread may allocate or
 * free meanwhile.
 */
const char *house_fault(void);

/* Both functions check that house_fault finds nothing. house_check does so by a CHECK, for child processes, and
 * house_assert by an assertion, for the test's first thread. */
bool house_check(void);
void house_assert(void);

#endif
