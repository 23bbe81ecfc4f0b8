/* Measures whether memory is nearly used up: by the limit of the control group, and by the time in which processes wait
 * for memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PRESSURE_H
#define SOCKMALLOC_PRESSURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/* The two things that are measured. PRESSURE_ROOM: how many bytes the control group may still use. PRESSURE_STALL: the
 * share of time in which some process waited for memory. */
enum pressure_part { PRESSURE_ROOM, PRESSURE_STALL, PRESSURE_PARTS };

/*
 * Measuring is rare, because it opens some files, each of which took 40 us on one virtual machine and 50 to 500 us on
 * another. The control group's limit is read when this process has used a quarter of the bytes that the control group
 * could still use before the pressure would be high. The limit is also read by the clock, because other processes of
 * the group and mimalloc take memory too: five times a second, fifty times while the pressure is high, and every five
 * seconds where there is no limit. The share of time in which processes waited for memory is read every two seconds,
 * because the kernel updates this average at that interval. Any thread may call the functions, which take no lock. One
 * thread measures at a time.
 */
struct pressure {
    /* how many bytes may still get pages before the limit is read again */
    _Alignas(CACHE_LINE) _Atomic int64_t allowance;
    /*
     * when each of the two measurements (PRESSURE_ROOM and PRESSURE_STALL) is due next, as clock_now returns the time
     */
    _Atomic uint64_t due[PRESSURE_PARTS];
    _Atomic bool high;
    _Atomic bool off;
    atomic_flag looking;
    /* for each of the two measurements: true if its last result was that the pressure is high; only the measuring
     * thread uses this member */
    bool found[PRESSURE_PARTS];
    _Atomic uint64_t highs; /* how many times the pressure has become high */
};

extern INTERNAL struct pressure pressure;

/* Prepares the measuring. The library calls this function at start-up. `root` is the argument of cgroup_look, and must
 * stay valid. If `wanted` is false, the pressure is never high. */
void pressure_open(bool wanted, const char *root);

/* Returns true if the pressure was high when it was last measured. */
static inline bool pressure_is_high(void)
{
    return UNLIKELY(atomic_load_explicit(&pressure.high, memory_order_relaxed));
}

/* Counts `bytes` that are about to get pages, and reads the limit again if the counted bytes exceed the allowance.
 * Returns true if the pressure is high. */
bool pressure_grow(uint64_t bytes);

/* Makes one bounded step of a measurement if one is due by the clock. `now` is what clock_now has returned. Returns
 * true if the pressure is high. */
bool pressure_tick(uint64_t now);

/* Makes measuring possible in the child of a fork, even if another thread of the parent was measuring at the fork. */
void pressure_after_fork(void);

#endif
