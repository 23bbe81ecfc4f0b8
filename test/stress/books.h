/* Counts what each worker (worker.h) does in each bucket, independently of the pools' own counters. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_BOOKS_H
#define STRESS_BOOKS_H

#include <stdatomic.h>
#include <stdint.h>

#include "memory/bucket.h"

/* The columns are the name of a count and its help text. A call is counted after it has returned. */
#define BOOKS_ROWS(ROW)                                                                                                \
    ROW(taken, "slots that malloc and realloc handed out")                                                             \
    ROW(asked, "bytes asked for in them")                                                                              \
    ROW(given, "slots given back, by realloc too")                                                                     \
    ROW(weight, "bytes requested in live slots; below 0 for a thread that frees more than it allocates")               \
    ROW(fell_through, "requests of the bucket that mimalloc served")                                                   \
    ROW(fell_through_asked, "bytes asked for in them")

/* Holds one worker's counts of its own mallocs and frees, for each bucket. Only this worker changes the counts. Only
 * the judge (judge.h) reads them, to compare them with the pools' counters. */
struct books {
    struct {
#define BOOKS_FIELD(name, help) _Atomic uint64_t name;
        BOOKS_ROWS(BOOKS_FIELD)
#undef BOOKS_FIELD
    } bucket[BUCKET_LIMIT];
};

/* holds the counts of one bucket, each summed over several workers */
struct books_sum {
#define BOOKS_SUM(name, help) uint64_t name;
    BOOKS_ROWS(BOOKS_SUM)
#undef BOOKS_SUM
};

/*
 * Each of these functions counts one event of a worker. counters_alloc counts a slot that was allocated, and
 * counters_free a slot that was freed. books_resize counts a slot that was resized in place. books_fall_through counts
 * a request that mimalloc had to serve. Only the thread that runs the worker may call these functions.
 */
void counters_alloc(struct books *books, unsigned bucket, size_t request);
void counters_free(struct books *books, unsigned bucket, size_t request);
void books_resize(struct books *books, unsigned bucket, size_t from, size_t to);
void books_fall_through(struct books *books, unsigned bucket, size_t request);

/* Adds a worker's counts in one bucket to `sum`. Any thread may call this function. */
void books_add(struct books_sum *sum, const struct books *books, unsigned bucket);

#endif
