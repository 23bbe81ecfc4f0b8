/* The interface: one row a call, with what the standards and the man pages say of it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_CALLS_H
#define ORACLE_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "draw.h"
#include "model.h"

/* What a call does to the block that it is passed: there is none yet, it may move, it ends, nothing. */
enum role { ROLE_TAKE, ROLE_RESIZE, ROLE_GIVE, ROLE_LEAVE };

enum {
    CALL_ZEROED = 1,        /* the memory is zero */
    CALL_ARRAY = 2,         /* the size is a product, which may be too large for a size_t */
    CALL_ALIGNED = 4,       /* takes an alignment; a request of 0 may give NULL */
    CALL_BAD_ALIGNMENT = 8, /* is passed one that is not legal */
    CALL_PAGE = 16,         /* aligned to a page; a request of 0 may give NULL */
    CALL_WHOLE_PAGES = 32,  /* rounds the request up to pages */
    CALL_CODE = 64,         /* returns an error number, and leaves the pointer as it is at failure */
    CALL_TEXT = 128,        /* copies a string */
    CALL_LIMIT = 4096,      /* copies no more than `request` bytes of it */
    CALL_FREES = 256,       /* frees the old block at failure */
    CALL_THROWS = 512,      /* must not fail, since C catches no exception */
    CALL_ERRNO_OPEN = 1024, /* nothing is said of errno */
    CALL_LENIENT = 2048,    /* older versions of glibc take an alignment that is not legal */
};

/* One call: what goes in, and what comes out. */
struct call {
    struct array array;
    size_t request;
    size_t alignment;
    const char *text;
    size_t old_request;   /* of the block that is freed */
    size_t old_alignment; /* of the block that is freed */
    void *address;        /* in: the block that the call is passed, if any; out: what it returns */
    int code;             /* out: of a call that returns an error number */
};

struct operation {
    const char *name;
    void (*present)(void); /* NULL if this process has no such function */
    void (*perform)(struct call *call);
    enum role role;
    size_t weight;
    unsigned origin; /* of the new block; of all old blocks that may be passed */
    unsigned flags;
};

/* Returns one that has this role and takes a block of this origin, or NULL if there is none. */
const struct operation *calls_draw(struct draw *draw, enum role role, unsigned origin);

/* Returns true if the process runs under sockmalloc. */
bool calls_are_sockmalloc(void);

#endif
