/*
 * Lists the calls of malloc's interface. Each call has a row, which says how the call must behave by the standards and
 * the man pages.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_CALLS_H
#define ORACLE_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "draw.h"
#include "model.h"

/* Says what a call does with the block that is passed to it. ROLE_TAKE: no block is passed, and the call returns a new
 * one; ROLE_RESIZE: the block may be moved; ROLE_GIVE: the block is freed; ROLE_LEAVE: the block stays unchanged. */
enum role { ROLE_TAKE, ROLE_RESIZE, ROLE_GIVE, ROLE_LEAVE };

enum {
    CALL_ZEROED = 1,        /* the call must return zeroed memory */
    CALL_ARRAY = 2,         /* the size is a product, which may be too large for a size_t */
    CALL_ALIGNED = 4,       /* the call takes an alignment, and may return NULL for 0 bytes */
    CALL_BAD_ALIGNMENT = 8, /* the test passes an illegal alignment */
    CALL_PAGE = 16,         /* the block must be aligned to a page; the call may return NULL for 0 bytes */
    CALL_WHOLE_PAGES = 32,  /* the call rounds the requested size up to whole pages */
    /* the call returns an error number, and a block through a pointer; if the call fails, this pointer must stay
     * unchanged */
    CALL_CODE = 64,
    CALL_TEXT = 128,   /* copies a string */
    CALL_LIMIT = 4096, /* the call copies at most `request` bytes of the string that is passed to it */
    CALL_FREES = 256,  /* if the call fails, it frees the old block */
    /* the call throws an exception when it fails; so the test must not let it fail, because C catches no exception */
    CALL_THROWS = 512,
    CALL_ERRNO_OPEN = 1024, /* the standards do not say if the call changes errno */
    CALL_LENIENT = 2048,    /* older versions of glibc let this call succeed with an illegal alignment */
};

/* Holds the arguments and results of one call. */
struct call {
    struct array array;
    size_t request;
    size_t alignment;
    const char *text;
    size_t old_request;   /* the size that was requested for the block that this call frees */
    size_t old_alignment; /* the alignment that was requested for the block that this call frees */
    /* before the call: the block that is passed to it, if any; after the call: the address that it returned */
    void *address;
    int code; /* the result of a call that returns an error number */
};

struct operation {
    const char *name;
    void (*present)(void); /* the address of the function that is called; NULL if this process has no such function */
    void (*perform)(struct call *call);
    enum role role;
    size_t weight;
    unsigned origin; /* ROLE_TAKE: the origin of the new block; other roles: all origins that the old block may have */
    unsigned flags;
};

/*
 * Returns a random row of the table with this role whose call accepts a block of this origin, or NULL if there is none.
 */
const struct operation *calls_draw(struct draw *draw, enum role role, unsigned origin);

/* Returns true if the process's malloc is that of sockmalloc. */
bool calls_are_sockmalloc(void);

#endif
