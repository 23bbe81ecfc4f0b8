/* Declares a worker and its operations on a single block. Each operation checks the block, and is counted. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_WORKER_H
#define STRESS_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "books.h"

enum { WORKER_HOLDS = 32 };

/*
 * A worker allocates and frees blocks, and keeps its own counts. Several threads run a worker, one after another. A
 * thread that does not run the worker at present may read only `books` and `resizing`.
 */
struct worker {
    unsigned number;
    uint64_t random;
    /* how many blocks the worker has requested, by realloc too; the serial number of each block contains this count */
    uint64_t blocks;
    char *held[WORKER_HOLDS];
    /* while true, the worker may have two live blocks that are not in the table of claims, which says which worker owns
     * a slot (claim.h) */
    _Atomic bool resizing;
    struct books books;
};

/* Initializes a worker. `number` must be below 2^16, and no other worker in this process or its children may
 * have this number. */
void worker_begin(struct worker *worker, unsigned number);

/* Returns a random number. The sequence depends on the run's seed and the worker's number only. */
uint64_t worker_random(struct worker *worker);

/* Returns a random size for malloc, from any bucket. Smaller buckets come more often than larger ones. */
size_t worker_size(struct worker *worker);

/*
 * Allocates a block, by calloc if `zeroed` is true, enters the worker as its owner in the table of claims, and fills
 * the block. Returns NULL if mimalloc had to serve the request; this function has then freed mimalloc's block. Ends the
 * process if the slot has an owner already.
 */
char *worker_take(struct worker *worker, size_t request, bool zeroed);

/* Checks the contents of a block of the pools, and frees the block. */
void worker_give(struct worker *worker, char *block);

/* Resizes a block by realloc, checks its contents before and after, and fills the resized block anew. Returns that
 * block, or NULL if mimalloc had to serve the request; mimalloc's block is then freed. */
char *worker_resize(struct worker *worker, char *block, size_t request);

/* Allocates the largest size of a bucket, and enters the worker as the block's owner in the table of claims, without
 * writing to the block. Returns NULL if mimalloc had to serve the request; mimalloc's block is then freed. */
char *worker_seize(struct worker *worker, unsigned bucket);

/* Ends the process with a fault unless the block's contents and metadata agree with the block's entry in the table of
 * claims (claim.h). */
void worker_check(const char *block);

#endif
