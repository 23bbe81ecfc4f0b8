/* Measures the row `pair`: one malloc, one byte written and one free of one size, again and again. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The address at which a loop lies changes how well the processor predicts its jumps: with one library, the same loop
 * took 3.9 ns in one program and 4.7 ns in another, and which of two libraries was faster depended on the address (T.
 * Mytkowicz and others, "Producing Wrong Data Without Doing Anything Obviously Wrong!", 2009). So this program has
 * several copies of the loop at different addresses, and all count equally.
 */
#include "bench.h"
#include "clock.h"
#include "touch.h"

#include <stdlib.h>

enum { COPIES = 16, PAIRS = 1024 };

static inline __attribute__((always_inline)) void pair_run(size_t size)
{
    for (unsigned i = 0; i < PAIRS; i++) {
        void *buffer = malloc(size);
        touch_first(buffer);
        free(buffer);
    }
}

/* Each copy of the loop is some 48 bytes long, so that four copies in a row begin at four different quarters of a cache
 * line. */
#define COPY(number)                                                                                                   \
    static __attribute__((noinline, aligned(16))) void pair_copy_##number(size_t size)                                 \
    {                                                                                                                  \
        pair_run(size);                                                                                                \
    }
COPY(0)
COPY(1)
COPY(2)
COPY(3)
COPY(4)
COPY(5)
COPY(6)
COPY(7)
COPY(8)
COPY(9)
COPY(10)
COPY(11)
COPY(12)
COPY(13)
COPY(14)
COPY(15)

static void (*const copies[COPIES])(size_t size) = {
    pair_copy_0, pair_copy_1, pair_copy_2,  pair_copy_3,  pair_copy_4,  pair_copy_5,  pair_copy_6,  pair_copy_7,
    pair_copy_8, pair_copy_9, pair_copy_10, pair_copy_11, pair_copy_12, pair_copy_13, pair_copy_14, pair_copy_15,
};

static void pair_batch(void *state)
{
    size_t size = *(size_t *)state;
    for (unsigned i = 0; i < COPIES; i++)
        copies[i](size);
}

void row_pair(const char *argument)
{
    char name[32];
    size_t kibibytes = bench_number(argument);
    size_t size = kibibytes * 1024;
    double cost = clock_steady(pair_batch, &size, COPIES * PAIRS);
    bench_size_name(name, sizeof name, "pair", kibibytes);
    bench_report(name, cost, "ns");
}
