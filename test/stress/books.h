/* What a worker did, counted by the program itself, bucket by bucket. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_BOOKS_H
#define STRESS_BOOKS_H

#include <stdatomic.h>
#include <stdint.h>

#include "memory/bucket.h"

/* Name and help: each is counted after the call that it is about has returned. */
#define BOOKS_ROWS(ROW)                                                                                                \
    ROW(taken, "slots that malloc and realloc handed out")                                                             \
    ROW(asked, "bytes asked for in them")                                                                              \
    ROW(given, "slots given back, by realloc too")                                                                     \
    ROW(weight, "bytes asked for in the slots that are live; below zero for who gives more")                           \
    ROW(fell_through, "requests of the bucket that mimalloc served")                                                   \
    ROW(fell_through_asked, "bytes asked for in them")

/* One writer each, and whoever judges reads. */
struct books {
    struct {
#define BOOKS_FIELD(name, help) _Atomic uint64_t name;
        BOOKS_ROWS(BOOKS_FIELD)
#undef BOOKS_FIELD
    } bucket[BUCKET_LIMIT];
};

/* One bucket's books of several workers added up. */
struct books_sum {
#define BOOKS_SUM(name, help) uint64_t name;
    BOOKS_ROWS(BOOKS_SUM)
#undef BOOKS_SUM
};

/* The worker's own: a slot of the bucket came, went, or changed its size where it lies. */
void counters_alloc(struct books *books, unsigned bucket, size_t request);
void counters_free(struct books *books, unsigned bucket, size_t request);
void books_resize(struct books *books, unsigned bucket, size_t from, size_t to);
void books_fall_through(struct books *books, unsigned bucket, size_t request);

/* Anybody's. */
void books_add(struct books_sum *sum, const struct books *books, unsigned bucket);

#endif
