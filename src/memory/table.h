/* A table that begins as one page at a chosen address and grows in place by mremap. It never shrinks. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TABLE_H
#define SOCKMALLOC_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The addresses behind the table are not reserved, so that a process shows in /proc only what it uses. The table
 * grows by an mremap of its last page, so it stays one mapping, and new pages inherit its name and its advice. If
 * something else has been mapped behind the table, the kernel refuses and the table is full. It never overwrites
 * another mapping.
 *
 * Any thread may make the table grow at any time without a lock. If two threads do at once, the kernel refuses one of
 * them. That thread waits until the other one has published how far the table reaches.
 */
struct table {
    char *start;
    size_t limit;             /* bytes that the table may grow to */
    size_t step;              /* bytes that the table grows by at least */
    _Atomic size_t ready;     /* bytes that are usable so far; never falls */
    _Atomic uint32_t growing; /* threads between their mremap and the store to `ready`; TABLE_HELD if held */
    _Atomic size_t blocked;   /* how far the table reached when another mapping was in its way; 0 if none ever was */
};

/* Maps the first page at `start`. One thread calls it at start-up. Returns false if the kernel refuses or something is
 * mapped there. */
bool table_open(struct table *table, char *start, size_t limit, size_t step);

/* Unmaps a table that will not be used. One thread calls it at start-up. */
void table_close(struct table *table);

/* Makes the first `size` bytes usable, and some more if memory allows. Returns false if `size` exceeds the limit, if
 * the kernel refuses memory, or if another mapping is in the way. Any thread may call it, and it takes no lock. */
bool table_grow(struct table *table, size_t size);

/* The two halves of table_grow, for a table that must not grow further than others. table_goal returns how many bytes
 * would be usable after table_grow(size). table_grow_to makes `size` bytes usable and no more. */
size_t table_goal(const struct table *table, size_t size);
bool table_grow_to(struct table *table, size_t size);

/* Makes all tables grow by no more than is needed from now on. Called when memory is tight, because limits count
 * mapped memory even if it is not used. */
void table_grow_sparingly(void);

/*
 * Keep all threads from making the table grow, until table_release. This is needed before addresses inside the table
 * are unmapped, because a thread that has read an older end could extend the table into these addresses; and before a
 * fork, so that the child finds no thread in the middle of growing. table_try_hold returns false if any thread is in
 * the middle of growing. table_hold waits for such threads for two seconds, and returns false after that, or if it is
 * called by a signal handler that interrupted its own thread there.
 */
bool table_try_hold(struct table *table);
bool table_hold(struct table *table);
void table_release(struct table *table);

/* Ends all growing by threads that the child of a fork does not have. If such a thread had extended the table without
 * having published it, the child cannot use the new pages, and the table is full. */
void table_after_fork(struct table *table);

/* Returns true if another mapping was in the way when the table last had to grow, and the table has not grown since. */
static inline bool table_is_blocked(const struct table *table)
{
    size_t blocked = atomic_load_explicit(&table->blocked, memory_order_relaxed);
    return blocked != 0 && blocked == atomic_load_explicit(&table->ready, memory_order_relaxed);
}

/* Returns true if the first `size` bytes are usable, and makes them usable first if they are not. Returns false for
 * the reasons that table_grow has. */
static inline bool table_reach(struct table *table, size_t size)
{
    return size <= atomic_load_explicit(&table->ready, memory_order_acquire) || table_grow(table, size);
}

#endif
