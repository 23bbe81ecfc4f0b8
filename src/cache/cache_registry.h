/* The registry of all caches: the table of their records, and the functions by which a thread reads the records of
 * other threads. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CACHE_REGISTRY_H
#define SOCKMALLOC_CACHE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "cache/cache_record.h"

/*
 * A record is one struct cache. The table has as many records as the largest number of threads that ever had a cache at
 * the same time. Records are never unmapped: when a thread ends, its record stays with its counters, and the next new
 * thread gets it. So any thread may read any record at any time, for a report or in search of a public magazine.
 */

/* Returns how many bytes of addresses the table of records and its links take, for reserve_open. */
size_t cache_space(void);

/*
 * Maps the first pages of the table and of the links by which unused records are chained. cache_lay calls this function
 * at start-up, in one thread. Returns false if the kernel refuses.
 */
bool cache_lay_records(void);

/*
 * Unmaps the table of records. The library calls this function at start-up, if it turns out that the pools cannot work.
 */
void cache_unlay(void);

/*
 * Returns a record for the calling thread: that of an ended thread, with its counters, or else a new one. Returns NULL
 * if the table of records is full or there is no memory. Any thread may call this function, which takes no lock.
 */
struct cache *cache_find_record(void);

/*
 * Makes the record of a cache free for another thread. The record must have no magazine and no quota. Any thread may
 * call this function, which takes no lock.
 */
void cache_put_record(struct cache *cache);

/* cache_count returns the number of records that were ever used, plus 1 for cache_shared. cache_at returns one of them
 * by its number: cache_shared for 0, and the records from 1 on. */
uint32_t cache_count(void);
struct cache *cache_at(uint32_t number);

/* Returns how many records the table can have, not counting cache_shared. */
uint32_t cache_capacity(void);

/* cache_table_span returns where the object that describes the table of records lies, and cache_opened_span where the
 * number of records lies. `sockmalloc stat` overwrites its own two objects with those of another process. */
struct span cache_table_span(void);
struct span cache_opened_span(void);

/*
 * Takes the public magazine of the bucket out of another thread's cache, if the magazine holds slots. Returns the
 * magazine, which the caller then owns, or NULL. Any thread may call this function, which takes no lock.
 */
struct magazine *cache_steal(struct cache *victim, unsigned bucket);

/*
 * Looks for slots in the public magazines of a few other caches. Each call continues where the last one ended. The
 * first magazine that has slots is removed from its cache and returned, and the caller then owns it. Returns NULL if no
 * such magazine was found. `cache` is the calling thread's own.
 */
struct magazine *cache_walk(struct cache *cache, unsigned bucket);

/*
 * Empties the list of unused records of caches. This function runs in the child of a fork, because a signal handler may
 * have forked while it interrupted its thread in cache_find_record.
 */
void cache_forget_records(void);

/* Makes the table of records able to grow in the child of a fork, even if a thread that the child does not have was
 * making the table grow at the fork (table_after_fork). */
void cache_reset_records(void);

#endif
