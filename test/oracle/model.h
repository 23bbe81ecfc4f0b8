/*
 * Checks the properties that a block of memory must have, whichever allocator it comes from. The rules have nothing to
 * do with sockmalloc. They are those of C11 and C23, of POSIX, and of the man pages malloc(3), posix_memalign(3) and
 * malloc_usable_size(3).
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_MODEL_H
#define ORACLE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Says which kind of call made a block. Some calls accept blocks of one kind only: free_sized, for example, accepts
 * only those of malloc, calloc and realloc. */
enum origin {
    ORIGIN_MALLOC = 1,  /* made by malloc, calloc or realloc, so free_sized accepts the block */
    ORIGIN_ALIGNED = 2, /* made by aligned_alloc, so free_aligned_sized accepts the block */
    /* made by another function of libc: posix_memalign or a similar call, or one that returns an allocated string */
    ORIGIN_OTHER = 4,
    ORIGIN_NEW = 8,         /* operator new */
    ORIGIN_NEW_ALIGNED = 16 /* made by operator new with an alignment */
};

/* Describes a live block, or no block if the address is NULL. */
struct block {
    unsigned char *address;
    size_t request;
    size_t usable;    /* what malloc_usable_size returned for the block right after it was allocated */
    size_t filled;    /* how many bytes from the block's start the program has written: `request` or `usable` */
    size_t alignment; /* the alignment that was requested, or else the one that the block must have */
    uint64_t serial;  /* the pattern that was written into the block is made from this number */
    enum origin origin;
    const char *maker; /* the name of the call that made the block */
    /* how many bytes of slack the block has: bytes at the end of its slot for data of the program; 0 with another
     * allocator than sockmalloc */
    size_t slack;
};

/* MODEL_BLOCKS is how many blocks may be live at a time, at most. At most MODEL_BUFFERS of them come from fixed-size
 * pools, message pages and rings. */
enum { MODEL_BLOCKS = 1024, MODEL_BUFFERS = 512 };

/* Returns the alignment in bytes that a block of malloc must have: 16 or, for a smaller request, the largest power of
 * two that is not larger than the request. C23 allows this, because no object of a larger alignment fits. */
size_t model_alignment(size_t request);

/*
 * Adds a new block, which a call has just returned, to the model. The caller has set `address`, `request`, `alignment`,
 * `origin` and `maker`. Checks the block's address and usable size, and that no other block overlaps the block. With
 * `zeroed`, also checks that all bytes of the block are zero. The caller must then call model_fill.
 */
void model_take(struct block *block, bool zeroed);

/* Writes the pattern that is made from `serial` to the requested bytes or, with `to_the_last`, to all that
 * malloc_usable_size grants. */
void model_fill(struct block *block, uint64_t serial, bool to_the_last);

/* Checks that the first `length` bytes at `address` are the first bytes of the pattern of `block`. */
void model_compare(const struct block *block, const unsigned char *address, size_t length);

/* Ends the process with a fault unless a live block still has its contents and its usable size. */
void model_check(const struct block *block);

/* model_give checks a block before a call that may free the block, and removes it from the model. If the call did not
 * free the block, model_keep adds the block again. */
void model_give(const struct block *block);
void model_keep(const struct block *block);

/*
 * model_claim and model_release are for a block that does not come from malloc, but from a pool, a message page or a
 * ring. model_claim adds such a block as model_take does, but the caller has set `usable`, too, and must then call
 * model_fill. model_release checks a block before it is freed, and removes it from the model. If the block was not
 * freed after all, model_claim adds it again, and model_fill must not follow.
 */
void model_claim(const struct block *block);
void model_release(const struct block *block);

/* model_stop makes all threads that add or remove a block wait until model_go_on is called. So a fork between the two
 * calls copies a consistent model. */
void model_stop(void);
void model_go_on(void);

#endif
