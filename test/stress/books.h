/* Counts what a worker does in each bucket, independently of the pools' own counters. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_BOOKS_H
#define STRESS_BOOKS_H

#include <stdatomic.h>
#include <stdint.h>

#include "memory/bucket.h"

/* The columns of these rows are the name of a count and its help text. Each event is counted after the call that it
 * counts has returned. */
#define BOOKS_ROWS(ROW)                                                                                                \
    ROW(taken, "slots that malloc and realloc handed out")                                                             \
    ROW(asked, "bytes asked for in them")                                                                              \
    ROW(given, "slots given back, by realloc too")                                                                     \
    ROW(weight, "bytes asked for in the slots that are live; below zero for who gives more")                           \
    ROW(fell_through, "requests of the bucket that mimalloc served")                                                   \
    ROW(fell_through_asked, "bytes asked for in them")

/* Holds what one worker has counted of its own mallocs and frees, for each bucket. Only that worker changes the counts.
 * Only the judge (judge.h) reads them, to compare them with the pools' counters. */
struct books {
    struct {
#define BOOKS_FIELD(name, help) _Atomic uint64_t name;
        BOOKS_ROWS(BOOKS_FIELD)
#undef BOOKS_FIELD
    } bucket[BUCKET_LIMIT];
};

/* holds the sums over several workers of the counts of one bucket */
struct books_sum {
#define BOOKS_SUM(name, help) uint64_t name;
    BOOKS_ROWS(BOOKS_SUM)
#undef BOOKS_SUM
};

/* Each function counts one event of the worker: it has allocated a slot of the bucket, freed one, resized one in place,
 * or got a block from mimalloc. Only the worker itself may call these functions. */
void counters_alloc(struct books *books, unsigned bucket, size_t request);
void counters_free(struct books *books, unsigned bucket, size_t request);
void books_resize(struct books *books, unsigned bucket, size_t from, size_t to);
void books_fall_through(struct books *books, unsigned bucket, size_t request);

/* Adds a worker's counts in one bucket to `sum`. Any thread may call it. */
void books_add(struct books_sum *sum, const struct books *books, unsigned bucket);

#endif
