/*
 * Defines the probes: places in the code where a tracer can attach to a running server (USDT). Each probe has a row
 * here.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROBE_H
#define SOCKMALLOC_PROBE_H

#include <stdint.h>

/*
 * A row has the probe's name, the meaning of its second argument, and the event that fires it. The first argument is
 * always the bucket, counted from 0 as in the table of statistics. All probes lie on slow paths, so the fast paths of
 * malloc and free contain none. A probe that nobody traces costs the instruction `nop`. Even without a tracer, the two
 * arguments of a probe must be in registers or in memory at that point, because a note in the library's file tells
 * tracers where the arguments are.
 */
#define PROBE_ROWS(ROW)                                                                                                \
    ROW(miss, "quota", "neither of a cache's two magazines could serve")                                               \
    ROW(swap, "slots", "a thread exchanged its private magazine for its public one")                                   \
    ROW(steal, "slots", "another thread's public magazine was taken")                                                  \
    ROW(flush, "slots", "a magazine went to the depot")                                                                \
    ROW(promotion, "quota", "a cache got its first quota of the bucket")                                               \
    ROW(demotion, "quota", "a quota was lowered to this value")                                                        \
    ROW(carve, "slots", "new slots were carved")                                                                       \
    ROW(purge, "bytes", "pages of free slots were purged")                                                             \
    ROW(fall_through, "request", "a request of the pools' sizes fell through to mimalloc")                             \
    ROW(misuse, "address", "an address was freed that is no live block; the process is about to end")

#ifdef HAVE_SYS_SDT_H
#include <sys/sdt.h>
#else
#define DTRACE_PROBE2(provider, name, first, second) ((void)(first), (void)(second))
#endif

#define PROBE_FUNCTION(name, second, help)                                                                             \
    static inline void probe_##name(unsigned bucket, uint64_t what)                                                    \
    {                                                                                                                  \
        DTRACE_PROBE2(sockmalloc, name, bucket, what);                                                                 \
    }
PROBE_ROWS(PROBE_FUNCTION)
#undef PROBE_FUNCTION

#endif
