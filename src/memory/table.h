/* A table that begins as one page at a chosen address, and grows in place by mremap. It never becomes smaller. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TABLE_H
#define SOCKMALLOC_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The addresses after the table are not reserved, so that /proc shows only the addresses that the process uses. The
 * table grows by an mremap of its last page, so the table stays one mapping, and new pages inherit its name and its
 * advice. If something else has been mapped right after the table, the kernel refuses and the table is full. The table
 * never overwrites another mapping.
 *
 * Any thread may make the table grow at any time without a lock. If two threads make it grow at once, the kernel
 * refuses one of them. That thread waits until the other one has published how far the table reaches.
 */
struct table {
    char *start;
    size_t limit;         /* how many bytes the table may have at most */
    size_t step;          /* the smallest number of bytes by which the table grows */
    _Atomic size_t ready; /* how many bytes are usable so far; this number never falls */
    /*
     * the number of threads that are between their mremap and the store to `ready`; TABLE_HELD is added while a thread
     * holds the table
     */
    _Atomic uint32_t growing;
    /* the value of `ready` when something else was found mapped right after the table; 0 if that has not happened */
    _Atomic size_t blocked;
};

/*
 * Maps the first page of the table at `start`. Returns false if the kernel refuses, or if something is mapped there
 * already. Start-up calls this function while there is one thread.
 */
bool table_open(struct table *table, char *start, size_t limit, size_t step);

/* Unmaps a table that will not be used. Start-up calls this function while there is one thread. */
void table_close(struct table *table);

/*
 * Makes the first `size` bytes usable, and some more if memory allows. Returns false if `size` exceeds the limit, if
 * the kernel refuses memory, or if another mapping is in the way. Any thread may call this function, which takes no
 * lock.
 */
bool table_grow(struct table *table, size_t size);

/*
 * The two halves of table_grow, for tables that must grow together. table_goal returns how many bytes would be usable
 * after table_grow(size). table_grow_to makes `size` bytes usable, and no more than whole pages require; it returns
 * false as table_grow does.
 */
size_t table_goal(const struct table *table, size_t size);
bool table_grow_to(struct table *table, size_t size);

/*
 * From now on all tables grow by no more than is needed. The library calls this function when memory is tight, because
 * limits on memory also count memory that is mapped and not used.
 */
void table_grow_sparingly(void);

/*
 * table_hold and table_try_hold keep all threads from making the table grow, until table_release is called. This is
 * needed before addresses inside the table are unmapped, because a thread that has read an older end of the table could
 * extend the table into these addresses. It is also needed before a fork, so that at the fork no thread is in the
 * middle of making the table grow. table_try_hold returns false if another thread holds the table or is making it grow.
 * table_hold waits for such threads for two seconds, and then returns false. In a signal handler that interrupted its
 * own thread while that thread was making a table grow, table_hold returns false at once.
 */
bool table_try_hold(struct table *table);
bool table_hold(struct table *table);
void table_release(struct table *table);

/*
 * Notes in the child of a fork that no thread is making the table grow, because the child does not have the threads
 * that did so in the parent. If such a thread had extended the table without having published it, the child cannot use
 * the new pages, and the table is full.
 */
void table_after_fork(struct table *table);

/* Returns true if something else was mapped right after the table when it last had to grow, and the table has not grown
 * since. */
static inline bool table_is_blocked(const struct table *table)
{
    size_t blocked = atomic_load_explicit(&table->blocked, memory_order_relaxed);
    return blocked != 0 && blocked == atomic_load_explicit(&table->ready, memory_order_relaxed);
}

/*
 * Returns true if the first `size` bytes are usable. If they are not yet, makes the table grow first. Returns false if
 * table_grow fails.
 */
static inline bool table_reach(struct table *table, size_t size)
{
    return size <= atomic_load_explicit(&table->ready, memory_order_acquire) || table_grow(table, size);
}

#endif
