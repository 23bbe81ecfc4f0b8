/* Page offsets for each kind of hot data, chosen so that one kind does not slow down another. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COLOUR_H
#define SOCKMALLOC_COLOUR_H

#include <stddef.h>

/*
 * The processor uses only the lower twelve bits of an address in two places. First, bits 6 to 11 choose a set of the
 * first-level cache, whose lines have 64 bytes. Second, a load waits for an earlier store that is still under way if
 * the lower twelve bits of both addresses are equal, even if they lie in different pages.
 *
 * Slots begin at page boundaries, and so would all tables. Buffers would then evict the metadata that describe them,
 * and a load in one file would wait for a store in another. So data that is written has page offsets of its own, and
 * data that is only read shares offsets. The numbers fit the caches of x86-64 and of most aarch64 processors; on
 * other machines they do no harm.
 */
enum {
    COLOUR_PAGE = 0x1000,
    /* 0x000 stays free: servers write to the first line of every buffer */
    COLOUR_REGIONS = 0x040,   /* data that all regions share, then a cache line for each region; only read */
    COLOUR_HINTS = 0x060,     /* the hint that a free reads first; only read, so it may lie among the regions */
    COLOUR_ROUTE = 0x180,     /* the range of requests, then the map to buckets; only read */
    COLOUR_MAGAZINES = 0x200, /* start of the magazines, which are whole records of 512 bytes */
    /* heads of the free stacks; they may lie among the magazines, because a bucket uses only one of the two */
    COLOUR_SLOTS = 0x680,
    COLOUR_MAGAZINES_END = 0xc00, /* end of the magazines */
    COLOUR_BINS = 0xc00,          /* a line for each bucket of a thread's cache */
    COLOUR_STATES = 0xec0,        /* the first slot states, behind the bins of eleven buckets */
    COLOUR_REQUESTS = 0xf00,      /* the first request sizes; links have no offset, because they are rarely written */
};

/*
 * Alignment, and unit of size, of an object that never changes after start-up. Such an object has its pages to
 * itself, and start-up makes them read-only. The number is the largest page size for which a kernel of the machine
 * may be built. A larger unit costs only address space, because the rest of a page is never touched.
 */
#if defined __x86_64__
enum { FROZEN_PAGE = 0x1000 };
#else
enum { FROZEN_PAGE = 0x10000 };
#endif

/*
 * Marks the definition of such an object. Where the compiler has a second section for variables that are zero at first,
 * these objects lie there, next to each other, and become read-only by one system call. Elsewhere the compiler would
 * write the zeros of another section into the file.
 */
#if defined __x86_64__
#define FROZEN_OBJECT __attribute__((section(".lbss")))
#else
#define FROZEN_OBJECT
#endif

#endif
