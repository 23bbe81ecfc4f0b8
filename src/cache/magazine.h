/*
 * Magazines: arrays of free slots. A whole array is moved at once between a thread and the depot. All magazines lie in
 * one table.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MAGAZINE_H
#define SOCKMALLOC_MAGAZINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/stack.h"

/*
 * MAGAZINE_SIZE is the size of a magazine in bytes, and its alignment. MAGAZINE_SLOTS is how many slots it can hold.
 * With 62 slots, 8 bytes are left before the array of slots for the count, and 8 bytes after the array. So the top of a
 * full magazine, which is the end of the array, is still an address inside the magazine.
 */
enum { MAGAZINE_SIZE = 512, MAGAZINE_SLOTS = 62 };

/*
 * The design follows J. Bonwick and J. Adams, "Magazines and Vmem", USENIX 2001. The array holds pointers and not slot
 * numbers, because malloc has to load the top entry of the array anyway, and can return a pointer as it is. A magazine
 * is never unmapped, and its memory is used for nothing else, so any thread may read its count at any time. While a
 * magazine is the private one of a cache, its count is out of date; the pointer `top` of the cache's bin then says how
 * many slots the magazine holds.
 */
struct magazine {
    _Alignas(MAGAZINE_SIZE) _Atomic uint32_t count;
    void *slot[MAGAZINE_SLOTS];
};

/*
 * magazine_space returns how many bytes of addresses the table of magazines and the table of their links take, for
 * reserve_open. magazine_lay maps the first pages of both tables, and returns false if the kernel refuses.
 * magazine_unlay unmaps both tables. One thread calls these functions at start-up.
 */
size_t magazine_space(void);
bool magazine_lay(void);
void magazine_unlay(void);

/*
 * Returns a new empty magazine, or NULL if the table of magazines is full or there is no memory. Any thread may call
 * this function, which takes no lock.
 */
struct magazine *magazine_open(void);

/*
 * magazine_push pushes a magazine onto a stack. magazine_pop pops one, or returns NULL if the stack is empty. Any
 * thread may call these functions, which take no lock.
 */
void magazine_push(struct stack *stack, struct magazine *magazine);
struct magazine *magazine_pop(struct stack *stack);

/* Returns the count of slots that is stored in the magazine. It is out of date while the magazine is the private one of
 * a cache. */
static inline uint32_t magazine_count(const struct magazine *magazine)
{
    return atomic_load_explicit(&magazine->count, memory_order_relaxed);
}

/* Stores in the magazine how many slots it has. */
static inline void magazine_set_count(struct magazine *magazine, uint32_t count)
{
    atomic_store_explicit(&magazine->count, count, memory_order_relaxed);
}

/*
 * Returns the magazine in which the address `floor` lies. The address alone shows which one this is, because magazines
 * are aligned. Returns NULL if `floor` is NULL.
 */
static inline struct magazine *magazine_of(void **floor)
{
    char *within = (char *)floor;
    return (struct magazine *)(void *)(within - (uintptr_t)floor % MAGAZINE_SIZE);
}

/*
 * Returns how many slots lie below `top` in the magazine in which `top` lies, or 0 if `top` is NULL. The address alone
 * shows this, because magazines are aligned, and even the top of a full magazine lies inside it. So a thread that
 * writes a report reads only the `top` of another thread.
 */
static inline uint32_t magazine_depth(void **top)
{
    uintptr_t offset = (uintptr_t)top % MAGAZINE_SIZE;
    return offset == 0 ? 0 : (uint32_t)((offset - offsetof(struct magazine, slot)) / sizeof(void *));
}

/*
 * magazine_table_span returns where the object that describes the table of magazines lies, and magazine_records_span
 * returns where the magazines lie. `sockmalloc stat` overwrites both in its own memory with those of another process.
 */
struct span magazine_table_span(void);
struct span magazine_records_span(void);

/* magazine_links_span returns where the object lies that describes the table of links, by which magazines of a depot
 * are chained. A debugger reads that object. */
struct span magazine_links_span(void);

/* Returns how many bytes the table of magazines can grow to. */
size_t magazine_capacity(void);

/*
 * Makes all magazines unused, as if magazine_open had never been called. This function runs in the child of a fork,
 * after all caches and depots have been emptied.
 */
void magazine_reset(void);

#endif
