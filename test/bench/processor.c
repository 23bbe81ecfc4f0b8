/* Pins threads to processors. Processor 0 is the first of those that this program was permitted to use at its start. */
/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "processor.h"

#include "bench.h"

#include <sched.h>

void processor_pin(unsigned which)
{
    /*
     * The processors that this program was permitted to use at its start. They are read at the first call of
     * processor_pin, before there are other threads, because a new thread inherits the processors to which its creator
     * is pinned.
     */
    static cpu_set_t given;
    if (CPU_COUNT(&given) == 0 && sched_getaffinity(0, sizeof given, &given) != 0)
        bench_fail("sched_getaffinity");
    for (size_t processor = 0; processor < CPU_SETSIZE; processor++) {
        if (!CPU_ISSET(processor, &given) || which-- != 0)
            continue;
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(processor, &only);
        if (sched_setaffinity(0, sizeof only, &only) != 0)
            bench_fail("sched_setaffinity");
        return;
    }
}
