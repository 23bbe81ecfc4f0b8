/* Magazines: arrays of free slots that move as one, and the table that they come from. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MAGAZINE_H
#define SOCKMALLOC_MAGAZINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/stack.h"

/* As many as fit into MAGAZINE_SIZE with a count before and an empty place behind. A bucket's quota
 * may be lower. */
enum { MAGAZINE_SIZE = 512, MAGAZINE_SLOTS = 62 };

/*
 * Magazines and Vmem (J. Bonwick, J. Adams, USENIX 2001). Pointers, not numbers: what the fast path
 * hands out it has to load anyway. Records are type-stable: never unmapped, never anything else, so
 * that another thread may read a count at any time. While a magazine is somebody's private one,
 * its count is behind the truth: the cache's `top` is the truth.
 */
struct magazine {
    _Alignas(MAGAZINE_SIZE) _Atomic uint32_t count;
    void *slot[MAGAZINE_SLOTS];
};

/* Addresses for the table and its links; laying them, which is false where their first pages can't
 * be had; and undoing that. At start. */
size_t magazine_space(void);
bool magazine_lay(void);
void magazine_unlay(void);

/* A new empty magazine, or NULL when the table is full or memory has run out. Any thread, no lock.
 */
struct magazine *magazine_open(void);

/* Stacks of magazines: push, and pop or NULL. Any thread, no lock. */
void magazine_push(struct stack *stack, struct magazine *magazine);
struct magazine *magazine_pop(struct stack *stack);

static inline uint32_t magazine_count(const struct magazine *magazine)
{
    return atomic_load_explicit(&magazine->count, memory_order_relaxed);
}

static inline void magazine_set_count(struct magazine *magazine, uint32_t count)
{
    atomic_store_explicit(&magazine->count, count, memory_order_relaxed);
}

/* The magazine in which `floor` lies, or NULL for NULL. Found by the records' alignment. */
static inline struct magazine *magazine_of(void **floor)
{
    char *within = (char *)floor;
    return (struct magazine *)(void *)(within - (uintptr_t)floor % MAGAZINE_SIZE);
}

/*
 * How many slots lie below `top` in its magazine; none for NULL. Found by the records' alignment,
 * so that a reporting thread needs nothing but the owner's `top`: even a full magazine's lies
 * inside the record.
 */
static inline uint32_t magazine_depth(void **top)
{
    uintptr_t offset = (uintptr_t)top % MAGAZINE_SIZE;
    return offset == 0 ? 0 : (uint32_t)((offset - offsetof(struct magazine, slot)) / sizeof(void *));
}

/* The table, as an object that another process may copy over its own; and the records in it. */
struct span magazine_table_span(void);
struct span magazine_records_span(void);

/* Bytes that the table can hold at most. */
size_t magazine_capacity(void);

/* All magazines become unopened again. In the child of a fork, with nobody holding one. */
void magazine_reset(void);

#endif
