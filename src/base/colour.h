/*
 * Defines the offsets within a page at which each kind of frequently used data lies. The offsets are chosen so that
 * data of one kind do not slow down accesses to another kind.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COLOUR_H
#define SOCKMALLOC_COLOUR_H

#include <stddef.h>

/*
 * The processor uses only the lower twelve bits of an address in two places. First, bits 6 to 11 choose a set of the
 * first-level cache, whose lines have 64 bytes. Second, a load waits for an earlier store that is still under way if
 * the lower twelve bits of both addresses are equal, even if they lie in different pages.
 *
 * Slots begin at page boundaries. If all tables began there too, buffers would evict the metadata of their slots from
 * the processor's cache, and the loads of one part of the library would wait for the stores of another part. So each
 * kind of data that is often written to has page offsets of its own. Data that are only read may share an offset. The
 * numbers fit the caches of x86-64 and of most aarch64 processors; on other machines they do no harm.
 */
enum {
    COLOUR_PAGE = 0x1000, /* the size of a page in bytes, from which these offsets are counted */
    /* offset 0x000 stays free, because servers write to the first cache line of every buffer */
    /* the addresses at which the range of slots and its tables begin, then the sizes of each bucket's slots; these data
     * are only read */
    COLOUR_REGIONS = 0x040,
    /*
     * the start and the length of the range of addresses where mimalloc maps its memory. Each free reads these numbers
     * before all other data. Nothing writes to them after start-up, so they may share cache lines with the data at
     * COLOUR_REGIONS.
     */
    COLOUR_HINTS = 0x060,
    /*
     * the limits of the requests that the pools serve, then the map from requests to buckets; these data are only read
     */
    COLOUR_ROUTE = 0x180,
    COLOUR_MAGAZINES = 0x200, /* the magazines begin here; each takes 512 bytes */
    /*
     * the heads of the stacks of free slots; they may lie at the same offsets as magazines, because the fast paths of a
     * bucket use either its magazines or, if it has none, these stacks
     */
    COLOUR_SLOTS = 0x680,
    COLOUR_MAGAZINES_END = 0xc00, /* the magazines end here */
    COLOUR_BINS = 0xc00,          /* the cache lines of a thread's cache, one for each bucket */
    /* the table of the slots' states begins here; the cache lines at COLOUR_BINS reach up to this offset if there are
     * eleven buckets */
    COLOUR_STATES = 0xec0,
    /* the table of the slots' request sizes begins here; the links of the stacks of free slots have no offset of their
     * own, because they are rarely written */
    COLOUR_REQUESTS = 0xf00,
};

/*
 * FROZEN_PAGE is the alignment of each object that start-up makes read-only, and the object's size is a multiple of
 * FROZEN_PAGE. So such an object shares its pages with no other data. FROZEN_PAGE is the largest page size for which a
 * kernel of the machine may be built. If the kernel's pages are smaller, the alignment costs only address space,
 * because pages behind the object's data are never touched.
 */
#if defined __x86_64__
enum { FROZEN_PAGE = 0x1000 };
#else
enum { FROZEN_PAGE = 0x10000 };
#endif

/*
 * Marks the definition of an object that is zero at first and that start-up makes read-only (os/frozen.h). Where the
 * compiler has a second section for zeroed variables (.lbss), these objects lie there, next to each other, so that one
 * system call makes them all read-only. Elsewhere, and with clang, the macro is empty. Zeroed variables then have only
 * their usual section, and the compiler would write the zeros of any other section into the library's file.
 */
#if defined __x86_64__ && !defined __clang__
#define FROZEN_OBJECT __attribute__((section(".lbss")))
#else
#define FROZEN_OBJECT
#endif

#endif
