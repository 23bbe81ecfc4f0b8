/* Which of two generations free slots join, and when the older one has had its time. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_DECAY_H
#define SOCKMALLOC_DECAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/* Calls that may give pages back: frees and mallocs. */
enum decay_call { DECAY_GIVE, DECAY_TAKE, DECAY_CALLS };

/*
 * Free slots and full magazines come in two generations. What is given joins the young one; what is
 * taken comes from the young one too, as long as it has any, so that what nobody needs stays in the
 * old one. When the young one has lasted for half of SOCKMALLOC_DECAY_MS, all that is still in the
 * old one has been free for at least as long, and its pages go back, a little at a time; when
 * nothing is left there, the generations change places. So a page goes back after between a half
 * and the whole of the setting, and no slot carries a time.
 *
 * Any thread, no lock. Who read the young generation's number before a change gives his slot to
 * what is the old one now: then its pages go sooner, and nothing else.
 */
struct decay {
    uint64_t age; /* nanoseconds that a generation lasts; DECAY_NEVER */
    _Alignas(CACHE_LINE) _Atomic uint32_t young;
    _Atomic uint64_t turned;              /* when that became the young one */
    _Atomic uint64_t worked[DECAY_CALLS]; /* when pages last went back, by such calls */
};

#define DECAY_NEVER UINT64_MAX

enum { DECAY_GENERATIONS = 2 };

extern INTERNAL struct decay decay;

/* At start: SOCKMALLOC_DECAY_MS, or DECAY_NEVER. */
void decay_open(uint64_t milliseconds);

/* The generation that is given to, and the other one. */
static inline unsigned decay_young(void)
{
    return atomic_load_explicit(&decay.young, memory_order_relaxed);
}

static inline unsigned decay_old(void)
{
    return decay_young() ^ 1;
}

/* Whether the old generation's pages should go, at a time of clock_now's. */
bool decay_is_due(uint64_t now);

/* Whether the caller is the one to give pages back at this moment of the clock's: of each kind of
 * calls one is, in each of its steps of some milliseconds. */
bool decay_claim(enum decay_call call, uint64_t now);

/* The old generation is empty: it becomes the young one. Of several threads that say so at once one
 * succeeds. */
bool decay_turn(uint64_t now);

#endif
