/* A house of rooms, laid as birth lays it, only small; and its books. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_HOUSE_H
#define SOCKMALLOC_TEST_HOUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bucket.h"

struct pool_settings;

/* Lanes of 64 MiB: room for thousands of small slots and a dozen of the largest. */
enum { HOUSE_SHIFT = 26 };

/* The buckets of the default settings by their label, as long as a page is 4 KiB. */
enum { B4K, B8K, B16K, B32K, B64K, B128K, B256K, B512K, B1M, B2M, B4M, BUCKETS };

extern struct bucket_plan house_plan;

/* What house_lay opens the pools with, to be changed before it: each cache has the largest quota
 * for every trained bucket from the start, and keeps it. */
extern struct pool_settings house_pools;

/* Whether house_lay lays the table of who took which slot, too. At first not. */
extern bool house_notes_use;

/* The settings that hold when none is made. */
struct bucket_settings house_defaults(void);

/*
 * Lays reservation, tables, lanes, pools and route. A process has one house; false if there is no
 * address space.
 */
bool house_try(const struct bucket_settings *settings, unsigned shift);

/* The same, failing the test; and with the default settings. */
void house_lay(const struct bucket_settings *settings, unsigned shift);
void house_lay_default(void);

/*
 * The same with three buckets, of which 16k is a large one, so that the program's heap is within
 * reach of the lanes. The test runner maps something of its own at a random address: where that is
 * just there, the test is skipped, and says so.
 */
void house_lay_before_heap(void);

/* Reserves address space for a room that a test lays by itself: where it starts, or NULL. */
char *house_space(size_t size);

/*
 * A slot of the bucket through the pool's fast path and its slow one, as the route takes it; NULL
 * if there is none.
 */
void *house_take(unsigned bucket, size_t request, uint32_t *was);

/* free. */
void house_give(void *slot);

/* Cards of the bucket's carved slots that say `state`. */
uint32_t house_cards(unsigned bucket, uint32_t state);

/*
 * Why live + cached + depot + purged is not carved somewhere, or is not what the cards say; NULL if
 * all adds up. At rest.
 */
const char *house_fault(void);

/* That it adds up: as a CHECK, for children; and as an assertion, by the test's first thread. */
bool house_check(void);
void house_assert(void);

#endif
