/* Counts what each worker (worker.h) does in each bucket, independently of the pools' own counters. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "books.h"

/*
 * Adds to a count. The addition is sequentially consistent, so that a thread which reads these counts and the pool's
 * counters sees them change in the order in which the worker acted. Each worker has counts of its own, and only the
 * judge (judge.h) reads them. So the additions order the work of one worker after that of another (happens-before) only
 * where the judge runs. Such an order could hide from ThreadSanitizer that the pools fail to order two threads.
 */
static void books_count(_Atomic uint64_t *count, uint64_t amount)
{
    atomic_fetch_add(count, amount);
}

void counters_alloc(struct books *books, unsigned bucket, size_t request)
{
    books_count(&books->bucket[bucket].asked, request);
    books_count(&books->bucket[bucket].weight, request);
    books_count(&books->bucket[bucket].taken, 1);
}

void counters_free(struct books *books, unsigned bucket, size_t request)
{
    books_count(&books->bucket[bucket].weight, -(uint64_t)request);
    books_count(&books->bucket[bucket].given, 1);
}

void books_resize(struct books *books, unsigned bucket, size_t from, size_t to)
{
    books_count(&books->bucket[bucket].weight, (uint64_t)to - from);
}

void books_fall_through(struct books *books, unsigned bucket, size_t request)
{
    books_count(&books->bucket[bucket].fell_through, 1);
    books_count(&books->bucket[bucket].fell_through_asked, request);
}

void books_add(struct books_sum *sum, const struct books *books, unsigned bucket)
{
#define BOOKS_ADD(name, help) sum->name += atomic_load(&books->bucket[bucket].name);
    BOOKS_ROWS(BOOKS_ADD)
#undef BOOKS_ADD
}
