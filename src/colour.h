/* Which offsets of a page the hot data of each room use, so that they do not get into each other's
 * way. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COLOUR_H
#define SOCKMALLOC_COLOUR_H

/*
 * Two things go by the lower twelve bits of an address. The first-level cache: sets of 64 bytes,
 * chosen by bits 6 to 11. And the order of loads and stores: a load whose lower twelve bits are
 * those of a store that is still under way waits for it, though it is another page's. Slots begin
 * at pages, and so would all tables; then buffers evict the cards that describe them, and a load of
 * one room waits for a store of another. So each has offsets of its own (x86-64's and most
 * aarch64's geometry; elsewhere it does no harm):
 */
enum {
    COLOUR_PAGE = 0x1000,
    /* 0x000: the first line of every buffer, which servers write */
    COLOUR_LANES = 0x040,  /* 16 lines of lanes, and what is common to them */
    COLOUR_ROUTE = 0x460,  /* the range of requests; behind it the map, hot in its first bytes */
    COLOUR_CARDS = 0x480,  /* the first cards and links of each bucket ... */
    COLOUR_BUCKET = 0x080, /* ... so far from the bucket's before it */
    COLOUR_BINS = 0xc00,   /* 16 lines of a thread's cache */
};

#endif
