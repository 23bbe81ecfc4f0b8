/* Packed slots: while memory is tight, divides slots into several blocks each. Each block serves a request. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PACKED_H
#define SOCKMALLOC_PACKED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "memory/bucket.h"

/*
 * A limit on writable memory counts whole pages. A request just above a whole number of pages, such as 16390 bytes,
 * leaves a fifth of the counted memory unused, both if it gets a slot of its own and if mimalloc serves it. So while
 * memory is tight, several such requests share a slot:
 *
 *     slot                                                              end of the slot
 *     | unused | block n - 1 |  ...  | block 1 | block 0 |
 *
 * All blocks of a packed slot have one size. That size is a class: there are 16 classes from one power of two to the
 * next, so at most a seventeenth of a block is wasted. No block begins at the start of the slot, because a free of that
 * address would free the slot. Where a block begins, the metadata show no live slot, even if it begins at the start of
 * a page. So a free of a block leaves the fast path, and route_refuse calls packed_free. The fast paths of malloc and
 * free pay nothing for that.
 *
 * The header of a packed slot lies in a table of its own, and not in the slot. A bit in the request word of the slot's
 * first page says that the slot is packed, and the word of its second page says where the header is. So bytes of the
 * program are never read as a header. When the last block of a packed slot is freed, the slot is freed as any slot.
 *
 * Any thread and any signal handler may call packed_alloc and packed_free. Neither takes a lock of its own.
 */

/* PACKED_LEAST is the smallest request in bytes that packed slots serve: one byte more than 2^PACKED_FLOOR_SHIFT. */
enum { PACKED_FLOOR_SHIFT = 10, PACKED_LEAST = (1 << PACKED_FLOOR_SHIFT) + 1 };

/* Returns how many bytes of addresses the table of headers needs. */
INTERNAL size_t packed_space(void);

/* Makes the table of headers, and chooses for each class (a size of blocks) the bucket whose slots are divided into
 * such blocks. It is called at start-up. Returns false if the kernel refuses memory. */
INTERNAL bool packed_lay(const struct bucket_plan *plan);

/* Unmaps the table of headers. It is called at start-up, if it turns out that the pools cannot work. */
INTERNAL void packed_unlay(void);

/* In the child of a fork whose parent had several threads, empties the lists of slots with free blocks, because these
 * threads may have been changing them. The child still frees the blocks of these slots, and the slots themselves. */
INTERNAL void packed_after_fork(void);

/* Returns true if packed slots can serve the request: if there is a class, a size of blocks, that suits it. */
INTERNAL bool packed_suits(size_t request);

/*
 * Allocates a block of a packed slot (a slot that several blocks share), aligned to 16 bytes. packed_suits must return
 * true for the request. Returns NULL if there is no memory for another packed slot, and no free block of a class that
 * is a little larger. `caller` is an address in the function that called malloc.
 */
INTERNAL void *packed_alloc(size_t request, const void *caller);

/* Returns the usable size of the block that begins at `address`, live or free, or 0 if no block of a packed slot (a
 * slot that several blocks share) begins there. The address lies in the range of the pools. */
INTERNAL size_t packed_capacity(const void *address);

/*
 * Returns the usable size of the live block that begins at `address`, or 0 if no block of a packed slot (a slot that
 * several blocks share) begins there. Ends the process if the block is free. The address must lie in the range of the
 * pools. `call` is the name of the function that the program has called.
 */
INTERNAL size_t packed_size(const char *call, const void *address);

/* Frees the block that begins at `address`, in a packed slot (a slot that several blocks share). If none begins there,
 * does nothing and returns false. Ends the process if the block is already free. */
INTERNAL bool packed_free(const char *call, void *address);

#endif
