/*
 * Walks over the blocks of a fixed-size pool that are in use, and reports which code has allocated each block and when.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/fixed_in_use.h"

#include <errno.h>
#include <limits.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "base/text.h"
#include "buffers/fixed_chunk.h"
#include "buffers/fixed_shared.h"
#include "config/message.h"
#include "os/symbol.h"

static bool is_live(uint8_t state)
{
    return state == FIXED_LIVE || state == FIXED_HELD;
}

void fixed_in_use_note(struct fixed_pool *pool, uint32_t number, const void *caller)
{
    struct fixed_use *use = fixed_use(pool, number);
    atomic_store_explicit(&use->caller, caller, memory_order_relaxed);
    atomic_store_explicit(&use->taken_at, clock_now(), memory_order_relaxed);
}

enum fixed_state fixed_in_use_free(struct fixed_pool *pool, uint32_t number)
{
    _Atomic uint8_t *state = fixed_state(pool, number);
    uint8_t seen = FIXED_LIVE;
    /* acquire and release order this free with a walk over the blocks in use that looks at the block: either the walk
     * has finished with the block, or the walk completes this free after its callback */
    while (is_live(seen)) {
        uint8_t wanted = seen == FIXED_LIVE ? FIXED_FREE : FIXED_HELD_FREED;
        if (atomic_compare_exchange_weak_explicit(state, &seen, wanted, memory_order_acq_rel, memory_order_acquire)) {
            return (enum fixed_state)seen;
        }
    }
    return (enum fixed_state)seen;
}

/* Returns the lowest number of a live block that is not below `number`, or FIXED_NONE if there is none. */
static uint32_t next_live(const struct fixed_pool *pool, uint32_t number)
{
    uint32_t chunks = atomic_load_explicit(&pool->chunks, memory_order_acquire);
    for (uint32_t chunk = fixed_chunk_of(number); chunk < chunks; chunk++) {
        uint32_t index = chunk == fixed_chunk_of(number) ? fixed_index_of(number) : 0;
        for (; fixed_start(pool, chunk) != NULL && index < pool->blocks; index++) {
            if (is_live(fixed_get_state(pool, fixed_number_of(chunk, index)))) {
                return fixed_number_of(chunk, index);
            }
        }
    }
    return FIXED_NONE;
}

uint64_t fixed_in_use_count(const struct fixed_pool *pool)
{
    uint64_t count = 0;
    for (uint32_t number = next_live(pool, 0); number != FIXED_NONE; number = next_live(pool, number + 1)) {
        count++;
    }
    return count;
}

/* --- the walk --- */

/* Makes the block unavailable for allocations as long as the walk over the blocks in use looks at it. Returns false if
 * the block is no longer live. In a pool without SOCKMALLOC_POOL_IN_USE, changes nothing and returns true. */
static bool walk_hold(struct fixed_pool *pool, uint32_t number)
{
    uint8_t live = FIXED_LIVE;
    return !pool->in_use || atomic_compare_exchange_strong_explicit(fixed_state(pool, number), &live, FIXED_HELD,
                                                                    memory_order_acq_rel, memory_order_relaxed);
}

/* Ends what walk_hold has begun: the walk looks at the block no longer. If the program has freed the block meanwhile,
 * completes that free. */
static void walk_let_go(struct fixed_pool *pool, uint32_t number)
{
    uint8_t held = FIXED_HELD;
    if (!pool->in_use || atomic_compare_exchange_strong_explicit(fixed_state(pool, number), &held, FIXED_LIVE,
                                                                 memory_order_acq_rel, memory_order_acquire)) {
        return;
    }
    fixed_set_state(pool, number, FIXED_FREE);
    fixed_shared_put(pool, &number, 1);
}

static int walk_show(struct fixed_pool *pool, uint32_t number, sockmalloc_pool_visit *visit, void *context)
{
    struct sockmalloc_pool_use use = {.block = fixed_address(pool, number)};
    if (pool->in_use) {
        use.caller = atomic_load_explicit(&fixed_use(pool, number)->caller, memory_order_relaxed);
        use.taken_at = atomic_load_explicit(&fixed_use(pool, number)->taken_at, memory_order_relaxed);
    }
    return visit(context, &use);
}

/* Begins a walk over the live blocks, during which the pool gives no memory back. Returns false if another walk has
 * begun and not ended, or if a signal handler cannot get the pool's lock. */
static bool walk_begin(struct fixed_pool *pool)
{
    if (atomic_exchange_explicit(&pool->walking, 1, memory_order_acquire) != 0) {
        return false;
    }
    if (!lock_take(&pool->lock)) {
        atomic_store_explicit(&pool->walking, 0, memory_order_release);
        return false;
    }
    atomic_fetch_add_explicit(&pool->holds, 1, memory_order_relaxed);
    lock_release(&pool->lock);
    return true;
}

static void walk_end(struct fixed_pool *pool)
{
    atomic_fetch_sub_explicit(&pool->holds, 1, memory_order_release);
    atomic_store_explicit(&pool->walking, 0, memory_order_release);
}

EXPORTED int sockmalloc_pool_each(struct sockmalloc_pool *handle, sockmalloc_pool_visit *visit, void *context)
{
    struct fixed_pool *pool = fixed_pool_of(handle);
    if (!fixed_is_open(pool) || visit == NULL) {
        errno = EINVAL;
        return -1;
    }
    if (!walk_begin(pool)) {
        errno = EBUSY;
        return -1;
    }
    int result = 0;
    for (uint32_t number = next_live(pool, 0); number != FIXED_NONE && result == 0;
         number = next_live(pool, number + 1)) {
        if (walk_hold(pool, number)) {
            result = walk_show(pool, number, visit, context);
            walk_let_go(pool, number);
        }
    }
    walk_end(pool);
    return result;
}

/* --- the report --- */

/* LINE is the space in bytes that one line of the report may need. The report is written in pieces of at most PIPE_BUF
 * bytes, because a pipe keeps such a piece together. */
enum { LINE = 512 };

struct report {
    int descriptor;
    bool whole;       /* false after a write has failed */
    struct text text; /* the lines in `buffer` that are not written yet */
    struct symbol_finder finder;
    char buffer[PIPE_BUF];
};

static void report_flush(struct report *report)
{
    report->whole = report->whole && message_write(report->descriptor, report->buffer, report->text.used);
    report->text = text_begin(report->buffer, sizeof report->buffer);
}

static void report_end_line(struct report *report)
{
    text_add(&report->text, "\n");
    if (report->text.size - report->text.used < LINE) {
        report_flush(report);
    }
}

static void report_block(const struct fixed_pool *pool, uint32_t number, uint64_t now, struct report *report)
{
    text_add(&report->text, "  %p", fixed_address(pool, number));
    if (pool->in_use) {
        const struct fixed_use *use = fixed_use(pool, number);
        uint64_t taken_at = atomic_load_explicit(&use->taken_at, memory_order_relaxed);
        /* another thread may have allocated the block after `now` was read */
        text_add(&report->text, "  %lu ms  by ", (unsigned long)(EXCESS(now, taken_at) / 1000000));
        symbol_print(&report->finder, atomic_load_explicit(&use->caller, memory_order_relaxed), &report->text);
    }
    report_end_line(report);
}

bool fixed_in_use_report(const struct fixed_pool *pool, int descriptor)
{
    struct report report = {.descriptor = descriptor, .whole = true};
    uint64_t now = clock_now();
    unsigned long count = 0;
    report.text = text_begin(report.buffer, sizeof report.buffer);
    symbol_begin(&report.finder);
    text_add(&report.text, "sockmalloc: pool %s: blocks of %zu bytes in use:", pool->name, pool->block);
    report_end_line(&report);
    for (uint32_t number = next_live(pool, 0); number != FIXED_NONE && report.whole;
         number = next_live(pool, number + 1)) {
        report_block(pool, number, now, &report);
        count++;
    }
    text_add(&report.text, "sockmalloc: pool %s: end of what is in use: blocks %lu", pool->name, count);
    report_end_line(&report);
    report_flush(&report);
    return report.whole;
}
