/* Which offsets of a page the hot data of each room use, so that they do not get into each other's
 * way. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COLOUR_H
#define SOCKMALLOC_COLOUR_H

#include <stddef.h>

/*
 * Two things go by the lower twelve bits of an address. The first-level cache: sets of 64 bytes,
 * chosen by bits 6 to 11. And the order of loads and stores: a load whose lower twelve bits are
 * those of a store that is still under way waits for it, though it is another page's. Slots begin
 * at pages, and so would all tables; then buffers evict the metadata that describe them, and a load of
 * one room waits for a store of another. So what is stored to has offsets of its own, and what is
 * only read lies together (x86-64's and most aarch64's geometry; elsewhere it does no harm):
 */
enum {
    COLOUR_PAGE = 0x1000,
    /* 0x000: the first line of every buffer, which servers write */
    COLOUR_REGIONS = 0x040,       /* what is common to the regions, then a line a region; only read */
    COLOUR_HINTS = 0x060,         /* where a free looks first; only read, and so among the regions */
    COLOUR_ROUTE = 0x180,         /* the range of requests, then the map; only read */
    COLOUR_MAGAZINES = 0x200,     /* whole records of 512 bytes ... */
    COLOUR_SLOTS = 0x680,         /* heads of the stacks, among them: who uses one, not the other */
    COLOUR_MAGAZINES_END = 0xc00, /* ... up to here */
    COLOUR_BINS = 0xc00,          /* a line a bucket of a thread's cache */
    COLOUR_STATES = 0xec0,        /* behind the bins of eleven buckets: the first states, */
    COLOUR_REQUESTS = 0xf00,      /* and the first requests; links, which are rarely written, have none */
};

/*
 * What never changes after start has pages to itself, which start makes read-only: the alignment of
 * such an object, and its size is a multiple. It is what the machine's kernels may be built with at
 * most; the price is address space, since of a larger page the rest is never touched.
 */
#if defined __x86_64__
enum { FROZEN_PAGE = 0x1000 };
#else
enum { FROZEN_PAGE = 0x10000 };
#endif

#endif
