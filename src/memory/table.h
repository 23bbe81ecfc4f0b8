/* A table that begins as one page at an address of its own, and grows in place, by need and for
 * good. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TABLE_H
#define SOCKMALLOC_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The addresses behind the table are wished for, and not reserved: a process looks like what it
 * uses. The table grows by mremap of its last page, so that it stays one mapping, whose name and
 * advice the new pages inherit. Where something else has been mapped in the way, the kernel
 * refuses, and the table is full; what is in the way is never overwritten.
 *
 * Any thread may make it grow at any time without a lock. Of two that do so at once the kernel
 * refuses one, which then waits until the other has said how far the table reaches.
 */
struct table {
    char *start;
    size_t limit;             /* bytes that it may grow to */
    size_t step;              /* bytes that it grows by at least */
    _Atomic size_t ready;     /* bytes usable so far; only ever rises */
    _Atomic uint32_t growing; /* threads that are just asking the kernel for more, or held */
    atomic_bool blocked;      /* something was in the way when it was last to grow */
};

/* Maps the first page. At start, by one thread. Returns false if the kernel refuses, or something
 * lies there. */
bool table_open(struct table *table, char *start, size_t limit, size_t step);

/* Gives back the page of a table that is not going to be used. */
void table_close(struct table *table);

/* Makes the first `size` bytes usable. Returns false if they exceed the limit, if the kernel
 * refuses memory, or if something is in the way. */
bool table_grow(struct table *table, size_t size);

/* The two halves of it, for a table that others must not lag behind: how far it had better reach,
 * where it is to reach `size`; and growth to there and no further. */
size_t table_goal(const struct table *table, size_t size);
bool table_grow_to(struct table *table, size_t size);

/* Has all tables grow by no more than is needed from now on: memory is charged before it is used,
 * and there is a limit on that. */
void table_grow_sparingly(void);

/*
 * Keeps all threads from making the table grow until table_release: before what lies in it is given
 * back, since a thread that goes by an older end would grow into that; and before a fork, so that
 * the child finds the table at rest. table_hold waits for threads that are at it; either returns
 * false, without the hold, where one does not come to an end.
 */
bool table_try_hold(struct table *table);
bool table_hold(struct table *table);
void table_release(struct table *table);

/* In the child of a fork: no other thread is making the table grow. Where one was all the same,
 * what lies behind the table's end can't be told from a stranger's mapping, and the table is full.
 */
void table_after_fork(struct table *table);

/* Returns true if the first `size` bytes are usable, and makes them so where they are not. */
static inline bool table_reach(struct table *table, size_t size)
{
    return size <= atomic_load_explicit(&table->ready, memory_order_acquire) || table_grow(table, size);
}

#endif
