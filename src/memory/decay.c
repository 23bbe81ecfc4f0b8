/* Decay: divides free slots into two generations by their age, and says when the older generation is purged. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/decay.h"

#include "base/bounds.h"

enum {
    NANOSECONDS_A_MILLISECOND = 1000000,
    /* the most nanoseconds by which a generation lasts longer than at first */
    EXTRA_MOST = 375 * NANOSECONDS_A_MILLISECOND,
    MUCH = 1 << 20, /* in bytes; if less was purged, decay does not change how long generations last */
};

struct decay decay = {.age = DECAY_NEVER};

COLD void decay_open(uint64_t milliseconds)
{
    decay.age =
        milliseconds == DECAY_NEVER ? DECAY_NEVER : milliseconds * NANOSECONDS_A_MILLISECOND / DECAY_GENERATIONS;
    decay.most_extra = decay.age > EXTRA_MOST / 3 ? EXTRA_MOST : 3 * decay.age;
}

/* The difference of the times is compared as a signed number, because it is negative if another thread has set `turned`
 * to a later time than the caller has read from the clock. */
bool decay_is_due(uint64_t now)
{
    uint64_t turned = atomic_load_explicit(&decay.turned, memory_order_relaxed);
    return decay.age != DECAY_NEVER && (int64_t)(now - turned) >= (int64_t)decay_age();
}

bool decay_claim(enum decay_call call, uint64_t now)
{
    return atomic_exchange_explicit(&decay.worked[call], now, memory_order_relaxed) != now;
}

/*
 * Adds `bytes`, which were purged in the generation that ends now, to `decay.lost`, the purged bytes that the program
 * may need again soon. The earlier bytes in `decay.lost` are first dropped if they were purged so long ago that even a
 * longer generation would not have kept them. Returns the sum.
 */
static uint64_t decay_add_lost(uint64_t bytes, uint64_t now)
{
    uint64_t lost_at = atomic_load_explicit(&decay.lost_at, memory_order_relaxed);
    bool recent = now - lost_at <= decay.age + decay.most_extra;
    uint64_t lost = bytes + (recent ? atomic_load_explicit(&decay.lost, memory_order_relaxed) : 0);
    atomic_store_explicit(&decay.lost, lost, memory_order_relaxed);
    if (bytes >= MUCH) {
        atomic_store_explicit(&decay.lost_at, now, memory_order_relaxed);
    }
    return lost;
}

/* Sets how long the next generations last, by what was purged and needed again. Only the thread whose decay_turn
 * returns true calls this function. */
static void decay_learn(uint64_t now)
{
    uint64_t missed = atomic_exchange_explicit(&decay.missed, 0, memory_order_relaxed);
    uint64_t purged = atomic_exchange_explicit(&decay.purged, 0, memory_order_relaxed);
    uint64_t lost = decay_add_lost(purged, now);
    if (lost >= MUCH && missed >= lost / 2) {
        atomic_store_explicit(&decay.returned, lost, memory_order_relaxed);
        atomic_store_explicit(&decay.lost, 0, memory_order_relaxed);
        atomic_store_explicit(&decay.extra, decay.most_extra, memory_order_relaxed);
    } else if (purged >= MUCH && purged >= atomic_load_explicit(&decay.returned, memory_order_relaxed) / 2) {
        atomic_store_explicit(&decay.extra, 0, memory_order_relaxed);
    }
}

bool decay_turn(uint64_t now)
{
    uint64_t turned = atomic_load_explicit(&decay.turned, memory_order_relaxed);
    if (!decay_is_due(now) || !atomic_compare_exchange_strong_explicit(&decay.turned, &turned, now,
                                                                       memory_order_relaxed, memory_order_relaxed)) {
        return false;
    }
    atomic_fetch_xor_explicit(&decay.young, 1, memory_order_relaxed);
    decay_learn(now);
    return true;
}
