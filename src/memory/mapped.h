/* Mapped blocks: large blocks, each of which is a mapping of its own. They serve requests above the pools' sizes, and
 * large requests for which the pools have no slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MAPPED_H
#define SOCKMALLOC_MAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * The kernel clears the pages of a new mapping when they are first touched, makes a mapping longer without a copy
 * (mremap), and frees its memory at once when it is unmapped. So a mapped block costs only the pages that the program
 * touches, and none of its memory is kept when it is freed. The block's address, a multiple of the page size, stands in
 * a table together with the request, apart from the block.
 *
 * All functions are lock-free and keep errno. Any thread and any signal handler may call them. The child of a fork has
 * the table of its parent. If another thread was allocating, freeing or resizing a block at the fork, the child does
 * not know that block, and its memory is lost to the child.
 */

/* The most mapped blocks at a time. mapped_alloc fails when this number is reached. More would be of no use, because
 * the kernel allows a process about this number of mappings (vm.max_map_count). */
enum { MAPPED_BLOCKS = 1 << 16 };

/*
 * Allows mapped blocks to be made from now on. None of them lies in the `size` bytes from `start` on, because free
 * passes every address there to mimalloc. The library calls this function at start-up.
 */
void mapped_open(uintptr_t start, size_t size);

/*
 * Allocates a block of `request` bytes, all zero. `alignment` is a power of two. Returns NULL if the kernel has no
 * memory or chooses an address where no mapped block may lie, if the table is full, or before mapped_open. Sets
 * *refused to true if the reason was that the kernel has no memory, and otherwise to false. Price: a call of mmap and
 * an entry of the table.
 */
INTERNAL void *mapped_alloc(size_t alignment, size_t request, bool *refused);

/*
 * Returns how many bytes were last requested for the live block that begins at `address`, or 0 if there is none. Price:
 * usually a few loads, at most MAPPED_BLOCKS.
 */
INTERNAL size_t mapped_request(const void *address);

/* Returns true if a mapped block began at `address` that was freed or has moved away, its entry of the table was not
 * used again, and nothing is mapped at the address now. */
INTERNAL bool mapped_is_freed(const void *address);

/*
 * Frees the mapped block that begins at `address`. Returns false if there is none. If two threads free a block at the
 * same time, one of them gets false.
 */
INTERNAL bool mapped_free(void *address);

/*
 * Makes a live block longer or shorter. Returns the block's address, which has changed if the block has moved. The
 * kernel moves the block's pages and never copies them. Returns NULL, with nothing changed, if the kernel refuses, or
 * if it would move the block to addresses where no mapped block may lie (mapped_open).
 */
INTERNAL void *mapped_resize(void *address, size_t request);

/*
 * Makes a block of `request` bytes, and moves the pages of the first `kept` bytes of a slot, rounded up to whole pages,
 * into the block. The slot stays mapped and live, and the pages that were moved then read as zero in it. `kept` is at
 * most `request`. Returns NULL, with nothing changed, if the table is full, if the kernel refuses, if it cannot move
 * pages out of a mapping that stays (before Linux 5.7), or if the slot's memory is locked.
 */
INTERNAL void *mapped_from_slot(void *slot, size_t kept, size_t request);

/* The number of live mapped blocks, and how many bytes their mappings have. */
struct mapped_sum {
    size_t blocks;
    size_t bytes; /* bytes of the blocks' mappings, resident or not */
};

/*
 * Returns the counts of the live mapped blocks. Signal handlers may call this function. Price: two loads.
 */
struct mapped_sum mapped_count(void);

#endif
