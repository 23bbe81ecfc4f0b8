/* Sets up the library for a test, as start-up does: tables, pools, routes and the range (the addresses that all
 * slots lie in). The test's range is smaller. Also checks the library's counters. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_HOUSE_H
#define SOCKMALLOC_TEST_HOUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/bucket.h"
#include "statistics/snapshot.h"

struct pool_settings;

/* The range of a test has 512 MiB (2^HOUSE_SHIFT bytes): space for thousands of small slots and for dozens of the
 * largest ones. */
enum { HOUSE_SHIFT = 29, HOUSE_PAGES = 1 << (HOUSE_SHIFT - 12) };

/* The numbers of the buckets (size classes) of the default settings, named by the buckets' labels. The labels are
 * right for pages of 4 KiB. */
enum { B4K, B8K, B16K, B32K, B64K, B128K, B256K, B512K, B1M, B2M, B4M, BUCKETS };

extern struct bucket_plan house_plan;

/* The settings with which house_lay opens the pools; a test may change them before that. By default each cache may
 * hold the largest number of free slots (quota) of every bucket from its start, and training changes no quota. */
extern struct pool_settings house_pools;

/* If true, house_lay also sets up the table in which the caller of each allocation is noted. False by default. */
extern bool house_notes_use;

/* Returns the default settings of the buckets. */
struct bucket_settings house_defaults(void);

/* Sets up tables, a range of 2^shift bytes, pools and routes. A process can do this only once. Returns false if there
 * are not enough free addresses. */
bool house_try(const struct bucket_settings *settings, unsigned shift);

/* house_lay does what house_try does, and fails the test if there are not enough free addresses. house_lay_default
 * calls house_lay with the default settings and a range of 2^HOUSE_SHIFT bytes. */
void house_lay(const struct bucket_settings *settings, unsigned shift);
void house_lay_default(void);

/* Finds `size` bytes of free addresses, for a test that sets up only one table or only the range. Returns their start,
 * or NULL if there are none. */
char *house_space(size_t size);

/* Returns how many slots of the bucket fit into an empty range of 2^shift bytes. */
uint32_t house_limit(unsigned bucket, unsigned shift);

/* Returns the slot of the bucket that is number `ordinal`, counted from 0, in the order of addresses. That slot must
 * have been carved. */
void *house_slot(unsigned bucket, uint32_t ordinal);

/* Returns the number by which the library names the slot that house_slot would return. */
uint32_t house_number(unsigned bucket, uint32_t ordinal);

/* Carves (cuts from the front of the range) `count` new slots of the bucket. Afterwards they are in no cache and on
 * no stack of free slots. */
void house_carve(unsigned bucket, uint32_t count);

/* Writes the state `state` and the request `request` to the metadata of the slot. */
void house_mark(const void *slot, unsigned state, size_t request);

/* Returns how many slots of the bucket have the state live in their metadata. */
uint32_t house_live(unsigned bucket);

/* Allocates a slot of the bucket as malloc does: by the pool's fast path, or else by its slow path. Stores the
 * slot's former metadata in `was` unless `was` is NULL. Returns NULL if there is no slot. */
void *house_take(unsigned bucket, size_t request, uint8_t *was);

/* Frees a slot as the library's free does. */
void house_give(void *slot);

/* Returns how many carved slots of the bucket have the state `state` in their metadata. */
uint32_t house_metadata(unsigned bucket, unsigned state);

/* Returns the present statistics of the bucket. The result is valid until the next call. */
const struct snapshot_figures *house_figures(unsigned bucket);

/*
 * Checks for each bucket that live + cached + depot + purged slots = carved slots, and that these counters agree with
 * the slots' metadata. Returns NULL if they do, or else a text that says what differs. No other thread may allocate or
 * free meanwhile.
 */
const char *house_fault(void);

/* house_check and house_assert fail the test if house_fault finds a difference. house_check is a CHECK (crew.h), for
 * child processes and other threads. house_assert is an assertion, for the test's first thread. */
bool house_check(void);
void house_assert(void);

#endif
