/* A table that begins as one page at a chosen address, and grows in place by mremap. It never becomes smaller. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/table.h"

#include <stdint.h>

#include "base/attributes.h"
#include "base/bounds.h"
#include "os/os.h"
#include "os/os_process.h"

/*
 * The largest number of bytes by which a table grows at once, unless more is needed. A large table grows by an eighth
 * of its size, so that it needs few system calls if many slots are carved quickly.
 */
enum { TABLE_STEP_MAX = 32 << 20 };

/*
 * A thread whose mremap was refused waits until another thread has published how far it has extended the table: it
 * checks the end of the table up to TABLE_LOOKS times, and sleeps TABLE_NAP nanoseconds after each check. It waits for
 * two seconds in all, because the other thread may get no processor for a while.
 */
enum { TABLE_LOOKS = 40000, TABLE_NAP = 50000 };

/*
 * How many unfinished calls of table_extend this thread has: table_begin adds 1, and table_end subtracts 1. There can
 * be more than one, because a signal handler may interrupt such a call and call table_extend itself. If the count is
 * above 0 when a signal handler begins, the handler has interrupted its thread in table_extend.
 */
static _Thread_local _Atomic unsigned inside __attribute__((tls_model("initial-exec")));

/*
 * The result of an attempt to extend a table. TABLE_BUSY means that a thread holds the table, or that the table has
 * grown since the caller read `ready`. TABLE_REFUSED means that the kernel has refused.
 */
enum table_answer { TABLE_EXTENDED, TABLE_REFUSED, TABLE_BUSY };

/* The bit of `growing` that is set while a thread holds the table, which keeps all threads from making it grow. */
#define TABLE_HELD UINT32_C(0x80000000)

static atomic_bool sparing;

COLD bool table_open(struct table *table, char *start, size_t limit, size_t step)
{
    table->start = start;
    table->limit = limit;
    table->step = step;
    atomic_store_explicit(&table->growing, 0, memory_order_relaxed);
    atomic_store_explicit(&table->blocked, 0, memory_order_relaxed);
    bool opened = os_claim(start, os_page_size());
    atomic_store_explicit(&table->ready, opened ? os_page_size() : 0, memory_order_relaxed);
    return opened;
}

void table_close(struct table *table)
{
    size_t ready = atomic_load_explicit(&table->ready, memory_order_relaxed);
    if (ready > 0) {
        os_release(table->start, ready);
    }
    atomic_store_explicit(&table->ready, 0, memory_order_relaxed);
}

void table_grow_sparingly(void)
{
    atomic_store_explicit(&sparing, true, memory_order_relaxed);
}

/*
 * Returns how many bytes are usable. At least as many are mapped, because table_publish writes to `ready` only after
 * the kernel has extended the mapping.
 */
static size_t table_ready(const struct table *table)
{
    return atomic_load_explicit(&table->ready, memory_order_acquire);
}

/*
 * Publishes how far the table reaches. A plain store is enough, because only one thread at a time can extend the table:
 * the kernel refuses a second extension from the same old end, and other threads get the new end only by this store.
 */
static void table_publish(struct table *table, size_t ready)
{
    atomic_store_explicit(&table->ready, ready, memory_order_release);
}

/* Adds 1 to `inside`, because the thread is about to extend a table and store the new end in `ready`. table_end
 * subtracts 1 after that. */
static void table_begin(void)
{
    unsigned depth = atomic_load_explicit(&inside, memory_order_relaxed);
    atomic_store_explicit(&inside, depth + 1, memory_order_relaxed);
}

static void table_end(void)
{
    unsigned depth = atomic_load_explicit(&inside, memory_order_relaxed);
    atomic_store_explicit(&inside, depth - 1, memory_order_relaxed);
}

/*
 * Counts in `growing` that the thread is about to extend the table. Returns false if another thread holds the table;
 * the caller must not extend the table then. The caller must call table_leave in either case.
 */
static bool table_enter(struct table *table)
{
    table_begin();
    uint32_t before = atomic_fetch_add_explicit(&table->growing, 1, memory_order_acquire);
    return (before & TABLE_HELD) == 0;
}

static void table_leave(struct table *table)
{
    atomic_fetch_sub_explicit(&table->growing, 1, memory_order_release);
    table_end();
}

/*
 * Extends the table from `ready` to `goal`. The function first checks that the table still ends at `ready`, because
 * another thread may have extended the table, and addresses after `ready` may then have been unmapped again. The kernel
 * would extend the table into these addresses. Between table_enter and table_leave no addresses are unmapped.
 */
static enum table_answer table_extend(struct table *table, size_t ready, size_t goal)
{
    enum table_answer answer = TABLE_BUSY;
    if (table_enter(table) && table_ready(table) == ready) {
        bool extended = os_extend(table->start + ready, goal - ready);
        answer = extended ? TABLE_EXTENDED : TABLE_REFUSED;
    }
    if (answer == TABLE_EXTENDED) {
        table_publish(table, goal);
    }
    table_leave(table);
    return answer;
}

/*
 * Returns the size in bytes to which the table should grow. The table grows by an eighth of its size, but by
 * TABLE_STEP_MAX bytes at most, and by `step` bytes at least. While memory is tight, the result is `size` in whole
 * pages.
 */
size_t table_goal(const struct table *table, size_t size)
{
    size_t least = os_round_to_pages(size);
    if (atomic_load_explicit(&sparing, memory_order_relaxed)) {
        return least;
    }
    size_t ready = atomic_load_explicit(&table->ready, memory_order_relaxed);
    size_t step = LESSER(ready / 8, TABLE_STEP_MAX);
    size_t goal = os_round_to_pages(ready + GREATER(step, table->step));
    goal = LESSER(goal, table->limit);
    return GREATER(goal, least);
}

/* Returns true if a thread is about to publish how far it has extended the table, or holds the table. */
static bool table_is_awaited(const struct table *table)
{
    return atomic_load_explicit(&table->growing, memory_order_acquire) > 0;
}

/* Returns true in a signal handler that interrupted its own thread between its mremap and the store to `ready`. */
static bool table_is_interrupted(void)
{
    return atomic_load_explicit(&inside, memory_order_relaxed) > 0;
}

/*
 * table_grow_to calls this function after the kernel has refused to extend the table from `ready` on. Returns true if
 * another thread has extended the table meanwhile. If nothing is mapped right after the table, memory is short. If
 * something is mapped there, there are two cases. Either another thread has extended the table, and this function waits
 * until that thread publishes the new end. Or the mapping does not belong to the table; then `blocked` is set to the
 * end of the table, so that no thread waits because of that mapping again. If another thread publishes a new end all
 * the same, the table no longer ends at `blocked`, and `blocked` has no effect. A signal handler does not wait for the
 * thread that it interrupted, and does not set `blocked`, because other threads still have to wait.
 */
static bool table_await(struct table *table, size_t ready)
{
    if (table_ready(table) != ready) {
        return true;
    }
    if (!os_is_mapped(table->start + ready) || table_is_blocked(table) || table_is_interrupted()) {
        return table_ready(table) != ready;
    }
    _Atomic uint32_t nothing = 0;
    for (unsigned look = 0; look < TABLE_LOOKS && table_is_awaited(table); look++) {
        os_wait(&nothing, 0, TABLE_NAP);
        if (table_ready(table) != ready) {
            return true;
        }
    }
    atomic_store_explicit(&table->blocked, ready, memory_order_relaxed);
    return table_ready(table) != ready;
}

bool table_try_hold(struct table *table)
{
    uint32_t nobody = 0;
    return atomic_compare_exchange_strong_explicit(&table->growing, &nobody, TABLE_HELD, memory_order_acquire,
                                                   memory_order_relaxed);
}

bool table_hold(struct table *table)
{
    _Atomic uint32_t nothing = 0;
    for (unsigned look = 0; look < TABLE_LOOKS; look++) {
        if (table_try_hold(table)) {
            return true;
        }
        if (table_is_interrupted()) {
            /*
             * the caller is a signal handler that interrupted its own thread between its mremap and the store to
             * `ready`
             */
            return false;
        }
        os_wait(&nothing, 0, TABLE_NAP);
    }
    return false;
}

void table_release(struct table *table)
{
    atomic_fetch_and_explicit(&table->growing, ~TABLE_HELD, memory_order_release);
}

/*
 * Waits until no thread holds the table. Returns false if the table is still held after two seconds. This happens in
 * the child of a raw clone, which does not have the thread that holds the table. Such a child waits only once, because
 * this function then sets `blocked`.
 */
static bool table_await_release(struct table *table)
{
    _Atomic uint32_t nothing = 0;
    for (unsigned look = 0; look < TABLE_LOOKS; look++) {
        if ((atomic_load_explicit(&table->growing, memory_order_acquire) & TABLE_HELD) == 0) {
            return true;
        }
        if (table_is_blocked(table)) {
            return false;
        }
        os_wait(&nothing, 0, TABLE_NAP);
    }
    atomic_store_explicit(&table->blocked, table_ready(table), memory_order_relaxed);
    return false;
}

bool table_grow_to(struct table *table, size_t size)
{
    size_t goal = os_round_to_pages(size);
    if (goal > table->limit || table->start == NULL) {
        return false;
    }
    for (;;) {
        size_t ready = table_ready(table);
        enum table_answer answer = goal <= ready ? TABLE_EXTENDED : table_extend(table, ready, goal);
        if (answer == TABLE_EXTENDED) {
            return true;
        }
        bool again = answer == TABLE_BUSY ? table_await_release(table) : table_await(table, ready);
        if (!again) {
            return false;
        }
    }
}

/*
 * table_goal returns more than is needed now. If memory is too short for that, the kernel may still grant `size` bytes.
 */
bool table_grow(struct table *table, size_t size)
{
    size_t goal = table_goal(table, size);
    return table_grow_to(table, goal) || (size < goal && table_grow_to(table, size));
}

/*
 * If another thread was extending the table when the process forked, the new pages may be mapped after the end of the
 * table that the child knows. They look like a mapping that does not belong to the table, so the child does not use
 * them: the kernel refuses to extend the table, and table_await then finds the table blocked.
 */
void table_after_fork(struct table *table)
{
    atomic_store_explicit(&table->growing, 0, memory_order_relaxed);
}
