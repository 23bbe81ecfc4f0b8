/*
 * Holes: parts of the range of slots that were unmapped, so that their addresses no longer count against limits. They
 * can be mapped again.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/hole.h"

#include <string.h>

#include "base/bounds.h"
#include "memory/bucket.h"
#include "os/os.h"

static atomic_flag hole_busy = ATOMIC_FLAG_INIT;
static LARGE_OBJECT struct hole holes[HOLES_MAX]; /* the holes, sorted by address */
static _Atomic uint32_t hole_count;

/*
 * Sets the flag that keeps other threads from using the holes. Returns false if another thread has set it; the caller
 * then uses no hole. No caller waits for the flag, because a signal handler would wait for the thread that it has
 * interrupted, and the child of a raw clone would wait for a thread that it does not have.
 */
static bool hole_enter(void)
{
    return !atomic_flag_test_and_set_explicit(&hole_busy, memory_order_acquire);
}

static void hole_leave(void)
{
    atomic_flag_clear_explicit(&hole_busy, memory_order_release);
}

/* Returns how many holes there are. */
static uint32_t hole_number(void)
{
    return atomic_load_explicit(&hole_count, memory_order_relaxed);
}

static void hole_set_number(uint32_t count)
{
    atomic_store_explicit(&hole_count, count, memory_order_relaxed);
}

static void hole_remove(uint32_t at)
{
    uint32_t behind = hole_number() - at - 1;
    memmove(&holes[at], &holes[at + 1], behind * sizeof holes[0]);
    hole_set_number(hole_number() - 1);
}

static void hole_insert(uint32_t at, uint32_t first, uint32_t pages)
{
    memmove(&holes[at + 1], &holes[at], (hole_number() - at) * sizeof holes[0]);
    holes[at] = (struct hole){first, pages};
    hole_set_number(hole_number() + 1);
}

/* Returns the index of the first hole that begins at `page` or after it. */
static uint32_t hole_find(uint32_t page)
{
    uint32_t at = 0;
    while (at < hole_number() && holes[at].first < page) {
        at++;
    }
    return at;
}

/* Returns true if the hole with the index `at` ends just before `page`. */
static bool hole_ends_at(uint32_t at, uint32_t page)
{
    return holes[at].first + holes[at].pages == page;
}

/* Adds a hole, and joins it with the holes that end where it begins or begin where it ends. */
static void hole_join(uint32_t first, uint32_t pages)
{
    uint32_t at = hole_find(first);
    bool touches_next = at < hole_number() && holes[at].first == first + pages;
    bool touches_last = at > 0 && hole_ends_at(at - 1, first);
    if (touches_last) {
        holes[at - 1].pages += pages + (touches_next ? holes[at].pages : 0);
        if (touches_next) {
            hole_remove(at);
        }
    } else if (touches_next) {
        holes[at] = (struct hole){first, pages + holes[at].pages};
    } else {
        hole_insert(at, first, pages);
    }
}

static char *hole_start(char *range, uint32_t first)
{
    return range + ((size_t)first << BUCKET_GRANULE_SHIFT);
}

/*
 * Unmaps pages if they can be mapped again later. They can if a hole ends just before them, or if the page before them
 * is mapped and belongs to the range (`backed`), because the mapping of that page can then be extended. Returns false
 * if neither is so, if there are HOLES_MAX holes, or if the kernel refuses.
 */
static bool hole_unmap(char *range, uint32_t first, uint32_t pages, bool backed)
{
    uint32_t at = hole_find(first);
    return hole_number() < HOLES_MAX && (backed || (at > 0 && hole_ends_at(at - 1, first))) &&
           os_release(hole_start(range, first), (size_t)pages << BUCKET_GRANULE_SHIFT);
}

bool hole_open(char *range, uint32_t first, uint32_t pages, bool backed)
{
    if (!hole_enter()) {
        return false;
    }
    if (!hole_unmap(range, first, pages, backed)) {
        hole_leave();
        return false;
    }
    return true;
}

void hole_close(uint32_t first, uint32_t pages)
{
    hole_join(first, pages);
    hole_leave();
}

/*
 * Maps up to `wanted` pieces of `pages` pages each, side by side, at the start of the hole with the index `at`, or one
 * piece if memory is too short for all. Returns how many pieces were mapped.
 */
static uint32_t hole_claim(uint32_t at, char *range, uint32_t pages, uint32_t wanted)
{
    uint32_t fit = holes[at].pages / pages;
    uint32_t count = LESSER(wanted, fit);
    char *front = hole_start(range, holes[at].first);
    while (count > 0 && !os_extend(front, (size_t)count * (size_t)pages << BUCKET_GRANULE_SHIFT)) {
        count = count > 1 ? 1 : 0;
    }
    holes[at].first += count * pages;
    holes[at].pages -= count * pages;
    return count;
}

/*
 * Maps pieces in the first hole that is long enough. If the kernel refuses because the program has mapped something
 * else in that hole, the hole is never used again, and the search goes on with the next hole.
 */
static uint32_t hole_search(char *range, uint32_t pages, uint32_t wanted, uint32_t *first)
{
    for (uint32_t at = 0; at < hole_number();) {
        if (holes[at].pages < pages) {
            at++;
            continue;
        }
        *first = holes[at].first;
        uint32_t count = hole_claim(at, range, pages, wanted);
        if (count == 0 && !os_is_mapped(hole_start(range, *first))) {
            return 0; /* memory is short */
        }
        if (count == 0 || holes[at].pages == 0) {
            hole_remove(at);
        }
        if (count > 0) {
            return count;
        }
    }
    return 0;
}

uint32_t hole_fill(char *range, uint32_t pages, uint32_t wanted, uint32_t *first)
{
    if (hole_number() == 0 || !hole_enter()) {
        return 0;
    }
    uint32_t count = hole_search(range, pages, wanted, first);
    hole_leave();
    return count;
}

void hole_reset(void)
{
    hole_leave();
    hole_set_number(0);
}
