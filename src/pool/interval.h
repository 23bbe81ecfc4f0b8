/* Statistics every so many seconds, written by whichever thread comes by then. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_INTERVAL_H
#define SOCKMALLOC_INTERVAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/* What is done each time. Signal-safe, keeps errno. */
typedef void interval_work(void);

struct interval {
    uint64_t length; /* nanoseconds; 0: never */
    interval_work *work;
    _Atomic uint64_t next; /* when, by clock_now */
};

extern INTERNAL struct interval interval;

/* At start: does `work` every so many seconds from now on; 0 never does. */
void interval_open(uint64_t seconds, interval_work *work);

/* Does it, if it is time. Of several threads one does. */
INTERNAL COLD void interval_come(uint64_t now);

/*
 * To be called where a thread has read the clock anyway, with its counts right and no lock held:
 * ticks and slow paths, never the fast ones. There is no thread for it, so that a process that
 * neither takes nor gives a buffer writes nothing. Price: a load and a comparison.
 */
static inline void interval_look(uint64_t now)
{
    if (UNLIKELY(interval.length != 0)) {
        interval_come(now);
    }
}

#endif
