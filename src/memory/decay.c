/* Decay: divides free slots into two generations, and says when the older generation is purged. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/decay.h"

enum { NANOSECONDS_A_MILLISECOND = 1000000 };

struct decay decay = {.age = DECAY_NEVER};

void decay_open(uint64_t milliseconds)
{
    decay.age =
        milliseconds == DECAY_NEVER ? DECAY_NEVER : milliseconds * NANOSECONDS_A_MILLISECOND / DECAY_GENERATIONS;
}

/* The difference is compared as a signed number, because another thread may have changed `turned` since the caller
 * read the clock. */
bool decay_is_due(uint64_t now)
{
    uint64_t turned = atomic_load_explicit(&decay.turned, memory_order_relaxed);
    return decay.age != DECAY_NEVER && (int64_t)(now - turned) >= (int64_t)decay.age;
}

bool decay_claim(enum decay_call call, uint64_t now)
{
    return atomic_exchange_explicit(&decay.worked[call], now, memory_order_relaxed) != now;
}

bool decay_turn(uint64_t now)
{
    uint64_t turned = atomic_load_explicit(&decay.turned, memory_order_relaxed);
    if (!decay_is_due(now) || !atomic_compare_exchange_strong_explicit(&decay.turned, &turned, now,
                                                                       memory_order_relaxed, memory_order_relaxed)) {
        return false;
    }
    atomic_fetch_xor_explicit(&decay.young, 1, memory_order_relaxed);
    return true;
}
