/* Probes: places where a tracer can attach to a running server (USDT). Each probe has a row here. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROBE_H
#define SOCKMALLOC_PROBE_H

#include <stdint.h>

/*
 * A row has the probe's name, the meaning of its second argument, and the event that fires it. The first argument is
 * always the bucket, counted from 0 as in the table of statistics. All probes lie on slow paths, behind a branch that
 * counts the same event, so the fast paths of malloc and free contain none. A probe that nobody traces costs a `nop`,
 * and the two arguments are kept in a register or memory place that a note in the library names.
 */
#define PROBE_ROWS(ROW)                                                                                                \
    ROW(miss, "quota", "neither of a cache's two magazines could serve")                                               \
    ROW(swap, "slots", "the private magazine was exchanged for the public one")                                        \
    ROW(steal, "slots", "another thread's public magazine was taken")                                                  \
    ROW(flush, "slots", "a magazine went to the depot")                                                                \
    ROW(promotion, "quota", "a quota began")                                                                           \
    ROW(demotion, "quota", "a quota was lowered, to this")                                                             \
    ROW(carve, "slots", "slots that were never used were carved")                                                      \
    ROW(purge, "bytes", "the kernel took the pages of free slots back")                                                \
    ROW(fall_through, "request", "a request of a pool's size went to mimalloc")                                        \
    ROW(misuse, "address", "an address was given back that is no live slot's; the end is near")

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
