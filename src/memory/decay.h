/* Decay: divides free slots into two generations by their age, and says when the older generation is purged. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_DECAY_H
#define SOCKMALLOC_DECAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* The kinds of calls that may purge pages: a call of free is DECAY_GIVE, a call of malloc is DECAY_TAKE. */
enum decay_call { DECAY_GIVE, DECAY_TAKE, DECAY_CALLS };

/*
 * Free slots, and magazines with slots, belong to one of two generations. A slot that is freed joins the young
 * generation. malloc allocates slots of the young generation as long as it has any, so slots that are not needed stay
 * in the old generation. When the young generation has lasted for half of SOCKMALLOC_DECAY_MS, all slots that are still
 * in the old generation have been free for at least as long. Their pages are then purged, a little at a time. When
 * nothing is left in the old generation, the two generations change places. So the pages of a slot are purged when it
 * has been free for about half to all of the setting, and no time has to be stored for each slot.
 *
 * If the load of a program rises to its peak every 300 ms, say, the pages could be purged between two peaks, and the
 * program would need them anew each time. So decay learns: if at least half of what was purged is allocated again soon,
 * a generation from then on lasts longer than at first: by three times its first length, or by 375 ms if that is less.
 * If much is purged even after that longer time, the load has not returned to its peak, and generations last as long as
 * they did at first. decay_age and decay_learn compute these times.
 *
 * Any thread may use the generations without a lock. A thread that has read `young` before a change pushes its slot to
 * the generation that is old by now. The slot is then purged sooner, which does no harm.
 */
struct decay {
    uint64_t age; /* how long a generation lasts at least, in nanoseconds, or DECAY_NEVER */
    /* in nanoseconds: by how much longer a generation lasts while the load of the program rises to its peak again and
     * again */
    uint64_t most_extra;
    _Alignas(CACHE_LINE) _Atomic uint32_t young;
    _Atomic uint64_t turned; /* when the generations last changed places, as clock_now returned it */
    /* for each kind of call: when such a call last purged pages, as clock_now returned it */
    _Atomic uint64_t worked[DECAY_CALLS];
    /* in nanoseconds: most_extra while the load of the program rises to its peak again and again, otherwise 0 */
    _Atomic uint64_t extra;
    /* The next four members are numbers of bytes. Only decay_turn uses `lost`, `returned` and `lost_at`. */
    /* the bytes of purged slots that were allocated again since the generations last changed places */
    _Alignas(CACHE_LINE) _Atomic uint64_t missed;
    /* the bytes of slots of the old generation that were purged since the generations last changed places */
    _Atomic uint64_t purged;
    /* the bytes of slots that were purged lately and that the program may still need again soon */
    _Atomic uint64_t lost;
    /* the value of `lost`, in bytes, when the load of the program was last found to have returned to its peak */
    _Atomic uint64_t returned;
    /* when at least 1 MiB was last found to have been purged, as clock_now returned it */
    _Atomic uint64_t lost_at;
};

#define DECAY_NEVER UINT64_MAX

enum { DECAY_GENERATIONS = 2 };

extern INTERNAL struct decay decay;

/* Sets how long free slots keep their pages: SOCKMALLOC_DECAY_MS in milliseconds, or DECAY_NEVER. The library calls
 * this function at start-up, and when the setting is changed while the program runs (pool_adjust). */
void decay_open(uint64_t milliseconds);

/* decay_young returns the generation that freed slots join, and decay_old returns the other one. */
static inline unsigned decay_young(void)
{
    return atomic_load_explicit(&decay.young, memory_order_relaxed);
}

static inline unsigned decay_old(void)
{
    return decay_young() ^ 1;
}

/* Returns for how many nanoseconds, at least, a generation now lasts. Meaningless if decay.age is DECAY_NEVER. */
static inline uint64_t decay_age(void)
{
    return decay.age + atomic_load_explicit(&decay.extra, memory_order_relaxed);
}

/* Counts bytes of slots of the old generation that were purged because of their age. */
static inline void decay_count_purged(size_t bytes)
{
    atomic_fetch_add_explicit(&decay.purged, bytes, memory_order_relaxed);
}

/* Counts the bytes of a purged slot that is allocated again, and so needs new pages. */
static inline void decay_count_missed(size_t bytes)
{
    atomic_fetch_add_explicit(&decay.missed, bytes, memory_order_relaxed);
}

/* Returns true if it is time to purge the old generation. `now` is what clock_now has returned. */
bool decay_is_due(uint64_t now);

/*
 * Returns true to one caller of each kind (malloc or free), among all threads, at each step of the coarse clock. This
 * caller has to purge some pages. `now` is what clock_now has returned.
 */
bool decay_claim(enum decay_call call, uint64_t now);

/*
 * Callers call this function when the old generation is empty. If the generations have lasted long enough, the function
 * makes them change places, and sets how long the next generations last. This time depends on how many bytes were
 * purged and how many were needed again. Returns true if it has made the change; if several threads call it at once,
 * only one of them gets true.
 */
bool decay_turn(uint64_t now);

#endif
