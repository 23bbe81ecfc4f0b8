/* What must be true of a block of memory, whatever allocator it is from. Nothing here knows sockmalloc: the rules are
 * those of C11 and C23, POSIX, and the man pages malloc(3), posix_memalign(3) and malloc_usable_size(3). */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_MODEL_H
#define ORACLE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which calls a block may be passed to depends on the call that it is from. */
enum origin {
    ORIGIN_MALLOC = 1,      /* malloc, calloc, realloc: free_sized takes it */
    ORIGIN_ALIGNED = 2,     /* aligned_alloc: free_aligned_sized takes it */
    ORIGIN_OTHER = 4,       /* posix_memalign and its like; a function of libc */
    ORIGIN_NEW = 8,         /* operator new */
    ORIGIN_NEW_ALIGNED = 16 /* operator new with an alignment */
};

/* A live block, or none where the address is NULL. */
struct block {
    unsigned char *address;
    size_t request;
    size_t usable;    /* what malloc_usable_size said at first */
    size_t filled;    /* bytes from its start that the program has written: `request` or `usable` */
    size_t alignment; /* what was asked for */
    uint64_t serial;  /* which pattern was written */
    enum origin origin;
    const char *maker; /* the call that it is from */
};

/* The most blocks that may live at a time. */
enum { MODEL_BLOCKS = 1024 };

/* Returns the alignment that malloc owes: 16 bytes, or less for what is too small to hold such an object (C23). */
size_t model_alignment(size_t request);

/* Takes a new block over, which a call has just returned: `address`, `request`, `alignment`, `origin` and `maker` are
 * set. Its address, its usable size and its place apart from all other blocks are judged, and that it is zero if it has
 * to be. model_fill must follow. */
void model_take(struct block *block, bool zeroed);

/* Writes a pattern of that serial number into the request, or into all that malloc_usable_size grants. */
void model_fill(struct block *block, uint64_t serial, bool to_the_last);

/* Judges the first `length` bytes that were written to `block`, which are at `address` now. */
void model_compare(const struct block *block, const unsigned char *address, size_t length);

/* Judges a block that nothing has happened to. */
void model_check(const struct block *block);

/* Judges a block, and from then on lets another one have its place: before a call that may free it. If the call did not
 * free it, model_keep takes it back. */
void model_give(const struct block *block);
void model_keep(const struct block *block);

/* No block comes or goes between the two, so that a fork copies a model that is whole. */
void model_stop(void);
void model_go_on(void);

#endif
