/*
 * Checks the properties that a block of memory must have, whichever allocator it comes from. These files know nothing
 * of sockmalloc: the rules are those of C11 and C23, POSIX, and the man pages malloc(3), posix_memalign(3) and
 * malloc_usable_size(3).
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_MODEL_H
#define ORACLE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Says which kind of call made a block, which decides to which calls the block may be passed. */
enum origin {
    ORIGIN_MALLOC = 1,      /* made by malloc, calloc or realloc, so free_sized accepts the block */
    ORIGIN_ALIGNED = 2,     /* made by aligned_alloc, so free_aligned_sized accepts the block */
    ORIGIN_OTHER = 4,       /* made by posix_memalign or a similar call, or by a function of libc */
    ORIGIN_NEW = 8,         /* operator new */
    ORIGIN_NEW_ALIGNED = 16 /* made by operator new with an alignment */
};

/* Describes a live block, or no block if the address is NULL. */
struct block {
    unsigned char *address;
    size_t request;
    size_t usable;    /* what malloc_usable_size returned for the block at first */
    size_t filled;    /* bytes from the block's start that the program has written: `request` or `usable` */
    size_t alignment; /* the alignment that was requested */
    uint64_t serial;  /* the number from which the block's pattern was made */
    enum origin origin;
    const char *maker; /* the name of the call that made the block */
    size_t slack;      /* bytes of bookkeeping at the end of the block's slot; only sockmalloc has them */
};

/* MODEL_BLOCKS is the most blocks that may be live at a time. At most MODEL_BUFFERS of them belong to buffers.c. */
enum { MODEL_BLOCKS = 1024, MODEL_BUFFERS = 512 };

/* Returns the alignment that malloc must give: 16 bytes. For a request that is too small for an object of this
 * alignment, less is enough (C23). */
size_t model_alignment(size_t request);

/* Adds a new block, which a call has just returned, to the model. The caller has set `address`, `request`,
 * `alignment`, `origin` and `maker`. Checks its address, its usable size, that no other block overlaps it and, with
 * `zeroed`, that it is zero. model_fill must follow. */
void model_take(struct block *block, bool zeroed);

/* Writes the pattern with this serial number to the requested bytes or, with `to_the_last`, to all that
 * malloc_usable_size grants. */
void model_fill(struct block *block, uint64_t serial, bool to_the_last);

/* Checks that the first `length` bytes at `address` are the first bytes of the pattern of `block`. */
void model_compare(const struct block *block, const unsigned char *address, size_t length);

/* Ends the process with a fault unless a live block still has its contents and its usable size. */
void model_check(const struct block *block);

/* model_give checks a block before a call that may free it, and then lets other blocks use its addresses. If the call
 * did not free the block, model_keep adds it again. */
void model_give(const struct block *block);
void model_keep(const struct block *block);

/*
 * model_claim and model_release are for a block that malloc has not returned. model_claim adds it as model_take does;
 * the caller has set `usable` too, and model_fill must follow. model_release checks and removes the block before it is
 * freed. If it was not freed, model_claim adds it again, without model_fill.
 */
void model_claim(const struct block *block);
void model_release(const struct block *block);

/* model_stop blocks all threads that add or remove a block, until model_go_on is called. So a fork in between copies a
 * consistent model. */
void model_stop(void);
void model_go_on(void);

#endif
