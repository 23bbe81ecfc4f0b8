/* Lays tables, a range, pools and the route as the start of the library does, only small, and checks their figures. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_HOUSE_H
#define SOCKMALLOC_TEST_HOUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/bucket.h"

struct pool_settings;

/* A range of 512 MiB: room for thousands of small slots and dozens of the largest. */
enum { HOUSE_SHIFT = 29, HOUSE_PAGES = 1 << (HOUSE_SHIFT - 12) };

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
 * Lays tables, a range of 2^shift bytes, pools and route. A process has one house; false if there
 * are no addresses.
 */
bool house_try(const struct bucket_settings *settings, unsigned shift);

/* The same, failing the test; and with the default settings. */
void house_lay(const struct bucket_settings *settings, unsigned shift);
void house_lay_default(void);

/* Finds addresses for a room that a test lays by itself: where they start, or NULL. */
char *house_space(size_t size);

/* How many slots of the bucket a range of 2^shift bytes has room for, if no other bucket has any.
 */
uint32_t house_limit(unsigned bucket, unsigned shift);

/* The slot of the bucket that lies behind `ordinal` others; it must have been carved. */
void *house_slot(unsigned bucket, uint32_t ordinal);

/* The same slot's number. */
uint32_t house_number(unsigned bucket, uint32_t ordinal);

/* Carves that many slots of the bucket, which are nobody's then. */
void house_carve(unsigned bucket, uint32_t count);

/* Writes a slot's metadata by hand. */
void house_mark(const void *slot, unsigned state, size_t request);

/* Slots of the bucket whose metadata say live. */
uint32_t house_live(unsigned bucket);

/*
 * A slot of the bucket through the pool's fast path and its slow one, as the route takes it; NULL
 * if there is none.
 */
void *house_take(unsigned bucket, size_t request, uint8_t *was);

/* free. */
void house_give(void *slot);

/* Metadata of the bucket's carved slots that say `state`. */
uint32_t house_metadata(unsigned bucket, unsigned state);

/*
 * Why live + cached + depot + purged is not carved somewhere, or is not what the metadata say; NULL if
 * all adds up. At rest.
 */
const char *house_fault(void);

/* That it adds up: as a CHECK, for children; and as an assertion, by the test's first thread. */
bool house_check(void);
void house_assert(void);

#endif
