/* Whether memory is near its end: the control group's limit, or waiting for memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PRESSURE_H
#define SOCKMALLOC_PRESSURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/* What is looked at: the room that the control group's limit leaves, and how much of the time is
 * waited for memory. */
enum pressure_part { PRESSURE_ROOM, PRESSURE_STALL, PRESSURE_PARTS };

/*
 * Looked at rarely, since a look opens some files, each of which took 40 us on one virtual machine
 * and 50 to 500 on another. At the room when the process has taken a quarter of what was left
 * before the pressure would be high; and for what others in the group take and what falls through,
 * five times a second, or every five seconds where there is no limit. At the waiting every two
 * seconds, since so often the kernel has a new average of it. Any thread, no lock; one looks at a
 * time.
 */
struct pressure {
    _Alignas(CACHE_LINE) _Atomic int64_t allowance; /* bytes that may still come unlooked at */
    _Atomic uint64_t due[PRESSURE_PARTS];           /* the next look, at a time of clock_now's */
    _Atomic bool high;
    _Atomic bool off;
    atomic_flag looking;
    bool found[PRESSURE_PARTS]; /* which of them is high: for who is looking */
    _Atomic uint64_t highs;     /* looks that found it high where the one before had not */
};

extern INTERNAL struct pressure pressure;

/* At start. `root` as cgroup_look's; it must stay. Off if not `wanted`. */
void pressure_open(bool wanted, const char *root);

/* As of the last look. */
static inline bool pressure_is_high(void)
{
    return UNLIKELY(atomic_load_explicit(&pressure.high, memory_order_relaxed));
}

/* So many bytes are about to get pages: looks, if it is time. Whether the pressure is high. */
bool pressure_grow(uint64_t bytes);

/* The same by the clock, one step of it in a call: `now` is clock_now's. */
bool pressure_tick(uint64_t now);

/* In the child of a fork, which may have caught another thread at a look. */
void pressure_after_fork(void);

#endif
