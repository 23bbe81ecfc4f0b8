/* One worker and the single things that it does to a block, each checked and counted. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_WORKER_H
#define STRESS_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "books.h"

enum { WORKER_HOLDS = 32 };

/* Threads man it one after another; only the books and `resizing` are for others to read. */
struct worker {
    unsigned number;
    uint64_t random;
    uint64_t blocks; /* how many it has made, which makes their serials */
    char *held[WORKER_HOLDS];
    _Atomic bool resizing; /* it may have two blocks in its hands that nobody has a claim to */
    struct books books;
};

/* `number` must be below 2^16, and differ from every other worker's of the run, children's too. */
void worker_begin(struct worker *worker, unsigned number);

/* A number that looks random. Its sequence depends on the seed and the worker's number alone. */
uint64_t worker_random(struct worker *worker);

/* A size for malloc: any bucket, the small ones more often. */
size_t worker_size(struct worker *worker);

/* malloc or, with `zeroed`, calloc; claimed and filled. NULL if it fell through: then it has been given back. Never of
 * a slot that somebody else has. */
char *worker_take(struct worker *worker, size_t request, bool zeroed);

/* free, after a look at the contents. */
void worker_give(struct worker *worker, char *block);

/* realloc, with a look at the contents before and after. NULL as of worker_take. */
char *worker_resize(struct worker *worker, char *block, size_t request);

/* malloc of the largest size of a bucket, claimed and not touched; NULL as of worker_take. */
char *worker_seize(struct worker *worker, unsigned bucket);

/* Dies unless the block contains what its claim says. */
void worker_check(const char *block);

#endif
